"""The U-Net: a twin of plain functions, the numbers of the paper, and what passes the skip connections alone."""

from collections import Counter

import pytest
import torch
from image_nets import random_images
from torch import Tensor, nn
from torch.testing import assert_close
from unet_twin import KINDS, closed_form, naive_net, parameters_of, small_net

from nets import UNet
from nets.conv_block import ConvNormReLU


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("skips", "upsampling"), KINDS)
def test_equals_its_naive_twin_in_value_gradients_and_running_means(
    skips: bool, upsampling: str, training: bool
) -> None:
    net = small_net(skip_connections=skips, upsampling=upsampling).train(training)
    images = random_images(3, 2, 8, 12).requires_grad_()
    inputs, statistics = [images, *net.parameters()], []
    expected = naive_net(net, images, statistics)
    logits = net(images)
    assert logits.shape == (3, 3, 8, 12)
    assert_close(logits, expected)
    gradients = [torch.autograd.grad(out.square().sum(), inputs) for out in (logits, expected)]
    assert_close(*gradients)
    assert all((gradient != 0).any() for gradient in gradients[0])
    if training:  # in the order in which the blocks are run
        blocks = [*net.encoder, *reversed(net.decoder)]
        norms = [layer.norm for block in blocks for layer in block]
        assert_close([value for norm in norms for value in (norm.running_mean, norm.running_var)], statistics)


@pytest.mark.parametrize("depth", [1, 3])
def test_equals_its_naive_twin_at_other_depths(depth: int) -> None:
    net, images = small_net(depth=depth).eval(), random_images(1, 2, 8, 16)
    assert_close(net(images), naive_net(net, images, []))


@pytest.mark.parametrize("skips", [True, False])
def test_equals_its_naive_twin_with_widths_of_another_rule(skips: bool) -> None:
    net, images = small_net(widths=[3, 5, 4], skip_connections=skips).eval(), random_images(1, 2, 8, 8)
    assert [block[1].conv.out_channels for block in net.encoder] == [3, 5, 4]
    assert [block[1].conv.out_channels for block in net.decoder] == [3, 5]
    assert_close(net(images), naive_net(net, images, []))


@pytest.mark.parametrize("sides", [(4, 4), (5, 8), (8, 7), (9, 11), (6, 13)])
def test_odd_sides_are_padded_by_the_nearest_pixel_and_cropped(sides: tuple[int, int]) -> None:
    net, images = small_net(), random_images(2, 2, *sides)
    rows, columns = ([min(pixel, side - 1) for pixel in range(-(-side // 4) * 4)] for side in sides)
    padded = images[:, :, rows][..., columns]
    logits = net(images)
    assert logits.shape == (2, 3, *sides)
    assert_close(logits, net(padded)[..., : sides[0], : sides[1]])


@pytest.mark.parametrize(("skips", "upsampling"), KINDS)
@pytest.mark.parametrize("sizes", [(1, 2, 4, 1), (3, 5, 3, 3)])
def test_number_of_parameters_is_that_of_the_closed_form(sizes: tuple[int, ...], skips: bool, upsampling: str) -> None:
    net = UNet(*sizes, skip_connections=skips, upsampling=upsampling)
    assert parameters_of(net) == closed_form(*sizes, skips, upsampling)


@pytest.mark.parametrize(("skips", "ours", "papers"), [(True, 31_036_546, 31.03), (False, 27_903_106, 27.90)])
def test_number_of_parameters_of_the_network_of_the_paper(skips: bool, ours: int, papers: float) -> None:
    with torch.device("meta"):
        net = UNet(in_channels=1, num_classes=2, base_channels=64, depth=4, skip_connections=skips)
    assert parameters_of(net) == closed_form(1, 2, 64, 4, skips) == ours
    # The paper has a bias where each of the 18 convolutions of 3×3 has a scale and a shift here.
    filters = [module.out_channels for module in net.modules() if isinstance(module, nn.Conv2d)][:-1]
    assert len(filters) == 18 and sum(filters) == 64 * (2 * (1 + 2 + 4 + 8 + 16) + 2 * (1 + 2 + 4 + 8))
    assert round((ours - sum(filters)) / 1e6, 2) == papers


@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
def test_without_skips_17_channels_for_16_are_the_fairest_and_within_two_percent(upsampling: str) -> None:
    with_skips = closed_form(1, 2, 16, 4, True, upsampling)
    off = {base: abs(closed_form(1, 2, base, 4, False, upsampling) / with_skips - 1) for base in range(8, 33)}
    assert min(off, key=off.get) == 17 and off[17] < 0.02 < off[16]


def encoded_alone(net: UNet, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The logits, and the encoder's maps, each cut off from the next, so that a skip connection alone leads on."""
    maps: list[Tensor] = []

    def cut(block: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        return (inputs[0].detach(),)

    def keep(block: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        maps.append(output)

    hooks = [block.register_forward_pre_hook(cut) for block in net.encoder]
    hooks += [block.register_forward_hook(keep) for block in net.encoder]
    logits = net(images)
    for hook in hooks:
        hook.remove()
    return logits, maps


@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
def test_every_map_of_the_encoder_reaches_the_logits_by_its_own_skip_connection(upsampling: str) -> None:
    logits, maps = encoded_alone(small_net(upsampling=upsampling), random_images(2, 2, 8, 8))
    gradients = torch.autograd.grad(logits.square().sum(), maps)
    assert len(maps) == 3 and all((gradient != 0).any() for gradient in gradients)


@pytest.mark.parametrize("upsampling", ["transposed", "bilinear"])
def test_without_skip_connections_all_passes_the_smallest_map(upsampling: str) -> None:
    net = small_net(skip_connections=False, upsampling=upsampling)
    logits, maps = encoded_alone(net, random_images(2, 2, 8, 8))
    *others, smallest = torch.autograd.grad(logits.square().sum(), maps, allow_unused=True)
    assert others == [None, None] and (smallest != 0).any()


@pytest.mark.parametrize("skips", [True, False])
def test_a_pixel_moves_distant_logits_through_the_smallest_map(skips: bool) -> None:
    net, images = small_net(skip_connections=skips).eval(), random_images(1, 2, 16, 16).requires_grad_()
    (gradient,) = torch.autograd.grad(net(images)[..., 0, 0].sum(), images)
    reached = gradient[0].abs().sum(dim=0).nonzero().amax(dim=0)
    assert reached.min() > 4  # as far as the four convolutions of the largest maps reach


def step(net: UNet, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    loss = net(images).square().sum()
    loss.backward()
    return loss, [parameter.grad for parameter in net.parameters()]


@pytest.mark.parametrize(("skips", "upsampling"), KINDS)
def test_activations_computed_again_give_the_same_loss_gradients_and_running_means(
    skips: bool, upsampling: str
) -> None:
    plain, again = (
        small_net(skip_connections=skips, upsampling=upsampling, checkpoint_activations=value)
        for value in (False, True)
    )
    for number in range(3):
        images = random_images(2, 2, 8, 8) + number
        assert_close(step(again, images), step(plain, images), rtol=0, atol=0)
    assert_close(again.state_dict(), plain.state_dict(), rtol=0, atol=0)
    assert again.encoder[0][0].norm.num_batches_tracked == 3
    images = random_images(2, 2, 8, 8)
    assert torch.equal(again.eval()(images), plain.eval()(images))


def test_activations_are_computed_again_in_training_alone() -> None:
    counts = []
    for keywords in ({}, {"checkpoint_activations": True}):
        net, calls = small_net(**keywords), Counter()
        for name, module in net.named_modules():
            if isinstance(module, ConvNormReLU):
                module.register_forward_pre_hook(lambda *arguments, name=name, calls=calls: calls.update([name]))
        step(net, random_images(2, 2, 8, 8))
        step(net.eval(), random_images(2, 2, 8, 8))
        with torch.no_grad():
            net.train()(random_images(2, 2, 8, 8))
        counts.append(calls)
    assert len(counts[0]) == 10
    assert set(counts[0].values()) == {3} and set(counts[1].values()) == {4}


def test_activations_are_computed_again_for_a_second_backward_pass_too() -> None:
    plain, again = (small_net(checkpoint_activations=value) for value in (False, True))
    gradients = []
    for net in (plain, again):
        logits, parameters = net(random_images(2, 2, 8, 8)), list(net.parameters())
        of_sum = torch.autograd.grad(logits.square().sum(), parameters, retain_graph=True)
        gradients.append((of_sum, torch.autograd.grad(logits.sin().sum(), parameters)))
    assert_close(*gradients, rtol=0, atol=0)
    assert_close(again.state_dict(), plain.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(("skips", "upsampling"), KINDS)
def test_channels_last_is_the_same_network(skips: bool, upsampling: str) -> None:
    formats = (torch.contiguous_format, torch.channels_last)
    plain, last = (small_net(skip_connections=skips, upsampling=upsampling).to(memory_format=kind) for kind in formats)
    images = random_images(2, 2, 9, 8)
    assert_close(step(last, images.to(memory_format=torch.channels_last)), step(plain, images))
    with torch.no_grad():
        assert_close(last.eval()(images.to(memory_format=torch.channels_last)), plain.eval()(images))


NO_NUMBER = r"in_channels, base_channels and depth must be at least 1 and num_classes at least 2, but they are "


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"in_channels": 0}, NO_NUMBER + r"0, 2, 2 and 3\."),
        ({"base_channels": 0}, NO_NUMBER + r"2, 0, 2 and 3\."),
        ({"depth": 0}, NO_NUMBER + r"2, 2, 0 and 3\."),
        ({"num_classes": 1}, NO_NUMBER + r"2, 2, 2 and 1\."),
        ({"widths": [2, 4]}, r"widths must be depth \+ 1 = 3 numbers from 1 on, but they are \[2, 4\]\."),
        ({"widths": [2, 0, 4]}, r"widths must be depth \+ 1 = 3 numbers from 1 on, but they are \[2, 0, 4\]\."),
        ({"upsampling": "nearest"}, r'upsampling must be "transposed" or "bilinear", but it is "nearest"\.'),
    ],
)
def test_arguments_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_net(**changes)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 1, 8, 8), r"images must be \(B, in_channels=2, H, W\), but are \(1, 1, 8, 8\)\."),
        ((2, 8, 8), r"images must be \(B, in_channels=2, H, W\), but are \(2, 8, 8\)\."),
        (
            (1, 2, 3, 8),
            r"depth=2 needs images of at least 4 pixels a side, but they are \(3, 8\): take a smaller depth",
        ),
    ],
)
def test_images_of_another_shape_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_net()(torch.zeros(shape, dtype=torch.float64))


@pytest.mark.slow
def test_activations_are_computed_again_in_a_compiled_network() -> None:
    plain, again = (small_net(checkpoint_activations=value).float() for value in (False, True))
    images = random_images(2, 2, 8, 8).float()
    for net in (plain, torch.compile(again)):
        net(images).square().mean().backward()
    for expected, found in zip(plain.parameters(), again.parameters(), strict=True):
        assert_close(found.grad, expected.grad)
    for expected, found in zip(plain.buffers(), again.buffers(), strict=True):
        assert_close(found, expected)
