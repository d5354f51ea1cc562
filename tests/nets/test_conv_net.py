"""The convolutional network of four poolings: a naive twin, its numbers, and what an averaged head forgets."""

import pytest
import torch
from image_nets import random_images, randomized
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from nets import ConvNet
from theory import conv_output_shape, conv_parameter_count

POOLINGS = ("max", "average", "stride", "none")
SMALL = {"in_channels": 2, "num_classes": 5, "widths": (3, 4)}


def small_net(**changes: object) -> ConvNet:
    return randomized(lambda: ConvNet(**{**SMALL, **changes}))


def naive_convolution(x: Tensor, kernel: Tensor, stride: int) -> Tensor:
    """Σ of shifted images, one for each tap; zeros around the image."""
    size, (height, width) = kernel.shape[-1], x.shape[-2:]
    padded = F.pad(x, (size // 2,) * 4)
    full = sum(
        torch.einsum("bihw,oi->bohw", padded[..., u : u + height, v : v + width], kernel[..., u, v])
        for u in range(size)
        for v in range(size)
    )
    return full[..., ::stride, ::stride]


def naive_norm(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    mean, variance = norm.running_mean, norm.running_var
    if norm.training:
        mean = x.mean(dim=(0, 2, 3))
        variance = (x - mean[:, None, None]).square().mean(dim=(0, 2, 3))
    x = (x - mean[:, None, None]) / (variance + 1e-5).sqrt()[:, None, None]
    return norm.weight[:, None, None] * x + norm.bias[:, None, None]


def naive_net(net: ConvNet, x: Tensor) -> Tensor:
    for convolution, norm, *_ in net.features:
        x = naive_convolution(x, convolution.weight, 2 if net.pooling == "stride" else 1)
        x = naive_norm(x, norm).clamp(min=0)
        if net.pooling in ("max", "average"):
            x = x[..., : x.shape[-2] // 2 * 2, : x.shape[-1] // 2 * 2]
            quarters = torch.stack([x[..., u::2, v::2] for u in (0, 1) for v in (0, 1)])
            x = quarters.amax(dim=0) if net.pooling == "max" else quarters.mean(dim=0)
    x = x.flatten(1) if net.image_size else x.mean(dim=(2, 3))
    return x @ net.output.weight.T + net.output.bias


@pytest.mark.parametrize("image_size", [None, 8])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_equals_its_naive_twin_in_value_and_gradients(pooling: str, kernel_size: int, image_size: int | None) -> None:
    net = small_net(pooling=pooling, kernel_size=kernel_size, image_size=image_size)
    images = random_images(3, 2, 8, 8).requires_grad_()
    inputs = [images, *net.parameters()]
    for training in (True, False):
        net.train(training)
        logits, expected = net(images), naive_net(net, images)
        assert logits.shape == (3, 5)
        assert_close(logits, expected)
        gradients = [torch.autograd.grad(out.square().sum(), inputs) for out in (logits, expected)]
        assert_close(*gradients)
        assert all((gradient != 0).any() for gradient in gradients[0])


@pytest.mark.parametrize("image_size", [None, 17])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_numbers_of_parameters_and_sizes_are_those_of_the_theory(pooling: str, image_size: int | None) -> None:
    widths, kernel, side = (4, 6, 5), 3, 17
    net, expected = ConvNet(3, 7, widths, pooling, kernel, image_size), 0
    for incoming, outgoing in zip((3, *widths), widths, strict=False):
        expected += conv_parameter_count(incoming, outgoing, (kernel, kernel), bias=False) + 2 * outgoing
        (side,) = conv_output_shape(side, kernel, stride=2 if pooling == "stride" else 1, padding=1)
        if pooling in ("max", "average"):
            (side,) = conv_output_shape(side, 2, stride=2)
    images = torch.zeros(2, 3, 17, 17)
    assert net.features(images).shape == (2, 5, side, side)
    assert net(images).shape == (2, 7)
    expected += 7 * (5 * (1 if image_size is None else side**2)) + 7
    assert sum(parameter.numel() for parameter in net.parameters()) == expected


def test_the_four_poolings_have_the_same_parameters() -> None:
    states = [
        {name: value.shape for name, value in small_net(pooling=pooling).state_dict().items()} for pooling in POOLINGS
    ]
    assert all(state == states[0] for state in states)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_an_averaged_head_takes_images_of_any_size(pooling: str) -> None:
    net = small_net(pooling=pooling)
    for sides in [(4, 4), (4, 9), (13, 7), (32, 32)]:
        images = random_images(2, 2, *sides)
        assert_close(net.eval()(images), naive_net(net, images))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_with_an_averaged_head_a_pattern_on_empty_ground_is_the_same_wherever_it_lies(pooling: str) -> None:
    # At initialisation nothing comes of nothing: a convolution and its normalisation make 0 of 0.
    torch.manual_seed(0)
    averaged, flattened = (ConvNet(2, 5, (3, 4), pooling, image_size=size).double().eval() for size in (None, 32))
    images = torch.zeros(1, 2, 32, 32, dtype=torch.float64)
    images[..., 4:10, 8:12] = random_images(1, 2, 6, 4)
    for shift in [(0, 4), (8, 0), (12, 8)]:  # by whole pixels of the smallest maps
        moved = images.roll(shift, (2, 3))
        assert_close(averaged(moved), averaged(images))
        assert not torch.allclose(flattened(moved), flattened(images), atol=1e-4)


def test_with_filters_of_one_pixel_and_an_averaged_head_the_order_of_pixels_is_nothing() -> None:
    net, images = small_net(pooling="none", kernel_size=1).eval(), random_images(2, 2, 6, 6)
    order = torch.randperm(36, generator=torch.Generator().manual_seed(0))
    shuffled = images.flatten(2)[..., order].view_as(images)
    assert_close(net(shuffled), net(images))
    net = small_net(pooling="none", kernel_size=3).eval()
    assert not torch.allclose(net(shuffled), net(images), atol=1e-4)


NO_NUMBER = r"in_channels must be at least 1, num_classes at least 2 and widths numbers from 1 on, but they are "
TOO_SMALL = r"images must have at least {} pixels a side to be halved in every stage, but have {}: take fewer widths"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooling": "median"}, r'pooling must be one of max, average, stride, none, but it is "median"\.'),
        ({"in_channels": 0}, NO_NUMBER + r"0, 5 and \[3, 4\]\."),
        ({"num_classes": 1}, NO_NUMBER + r"2, 1 and \[3, 4\]\."),
        ({"widths": ()}, NO_NUMBER + r"2, 5 and \[\]\."),
        ({"widths": (3, 0)}, NO_NUMBER + r"2, 5 and \[3, 0\]\."),
        ({"kernel_size": 4}, r"kernel_size must be odd and at least 1, but it is 4\."),
        ({"kernel_size": -1}, r"kernel_size must be odd and at least 1, but it is -1\."),
        ({"image_size": 3}, TOO_SMALL.format(4, 3)),
        ({"image_size": 0, "pooling": "none"}, TOO_SMALL.format(1, 0)),
    ],
)
def test_arguments_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_net(**changes)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 1, 8, 8), r"images must have in_channels=2 channels, but have 1\."),
        ((2, 2, 8, 3), TOO_SMALL.format(4, 3)),
        ((2, 2, 8, 9), r"images must be of image_size=8 pixels a side, but are \(8, 9\)\."),
        ((2, 2, 16, 16), r"images must be of image_size=8 pixels a side, but are \(16, 16\)\."),
    ],
)
def test_images_of_another_shape_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_net(image_size=8)(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 2)])
def test_what_is_no_batch_of_images_is_refused_by_its_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"images must be \(B, .*, but are \(2, "):
        small_net()(torch.zeros(shape, dtype=torch.float64))
