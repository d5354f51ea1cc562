"""The U-Net: a twin of plain functions, the numbers of the paper, and what passes the skip connections alone."""

from collections import Counter

import pytest
import torch
from image_nets import random_images, randomized
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from nets import UNet
from nets.unet import ConvNormReLU
from theory import conv_parameter_count

SMALL = {"in_channels": 2, "num_classes": 3, "base_channels": 2, "depth": 2}
KINDS = [(skips, upsampling) for skips in (True, False) for upsampling in ("transposed", "bilinear")]


def small_net(**changes: object) -> UNet:
    return randomized(lambda: UNet(**{**SMALL, **changes}))


def naive_double(block: nn.Sequential, x: Tensor, statistics: list[Tensor]) -> Tensor:
    for layer in block:
        x, norm = F.conv2d(F.pad(x, (1, 1, 1, 1)), layer.conv.weight), layer.norm
        mean, variance = norm.running_mean, norm.running_var
        if norm.training:
            mean, variance = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
            count = x.numel() / x.shape[1]
            statistics += [0.9 * norm.running_mean + 0.1 * mean]
            statistics += [0.9 * norm.running_var + 0.1 * variance * count / (count - 1)]
        x = (x - mean[:, None, None]) * norm.weight[:, None, None] / (variance[:, None, None] + 1e-5).sqrt()
        x = (x + norm.bias[:, None, None]).clamp(min=0)
    return x


def naive_upsampled(layer: nn.Module, x: Tensor) -> Tensor:
    if isinstance(layer, nn.ConvTranspose2d):  # each pixel becomes 2×2 pixels
        blocks = torch.einsum("bchw,couv->bohuwv", x, layer.weight)
        return blocks.flatten(4, 5).flatten(2, 3) + layer.bias[:, None, None]
    larger = F.interpolate(x, scale_factor=2, mode="bilinear")  # and then the convolution, as in the docstring
    return torch.einsum("bchw,oc->bohw", larger, layer[0].weight[..., 0, 0]) + layer[0].bias[:, None, None]


def naive_net(net: UNet, x: Tensor, statistics: list[Tensor]) -> Tensor:
    def decoded(level: int, x: Tensor) -> Tensor:
        """d_level of the docstring, from what comes into e_level."""
        encoded = naive_double(net.encoder[level], x, statistics)
        if level == net.depth:
            return encoded
        pooled = torch.stack([encoded[..., u::2, v::2] for u in (0, 1) for v in (0, 1)]).amax(dim=0)
        up = naive_upsampled(net.upsample[level], decoded(level + 1, pooled))
        together = torch.cat([encoded, up], dim=1) if net.skip_connections else up
        return naive_double(net.decoder[level], together, statistics)

    return torch.einsum("bchw,oc->bohw", decoded(0, x), net.output.weight[..., 0, 0]) + net.output.bias[:, None, None]


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


def parameters_of(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


def double_parameters(incoming: int, outgoing: int) -> int:
    """Two convolutions, each with a scale and a shift a channel in place of a bias."""
    pairs = ((incoming, outgoing), (outgoing, outgoing))
    return sum(conv_parameter_count(*pair, (3, 3), bias=False) + 2 * outgoing for pair in pairs)


def closed_form(
    in_channels: int, num_classes: int, base: int, depth: int, skips: bool, upsampling: str = "transposed"
) -> int:
    widths = [base * 2**level for level in range(depth + 1)]
    total = sum(map(double_parameters, [in_channels, *widths[:-1]], widths))
    kernel = (2, 2) if upsampling == "transposed" else (1, 1)
    for width in widths[:-1]:
        total += conv_parameter_count(2 * width, width, kernel) + double_parameters((1 + skips) * width, width)
    return total + conv_parameter_count(base, num_classes, (1, 1))


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


@pytest.mark.parametrize(("skips", "upsampling"), KINDS)
def test_the_normalisation_is_part_of_the_convolution_where_no_gradient_is_wanted(skips: bool, upsampling: str) -> None:
    net, images = small_net(skip_connections=skips, upsampling=upsampling).eval(), random_images(2, 2, 9, 8)
    calls: Counter = Counter()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda *arguments: calls.update(norm=1))
    unfolded = net(images)
    assert unfolded.requires_grad and calls["norm"] == 10
    with torch.no_grad():
        folded = net(images)
    with torch.inference_mode():
        inferred = net(images)
    assert calls["norm"] == 10
    assert_close(folded, unfolded.detach())
    assert torch.equal(inferred, folded)
    net.train()
    with torch.no_grad():
        net(images)  # counts its batch
    assert calls["norm"] == 20


def test_a_folded_layer_leaves_its_input_and_its_weights_alone() -> None:
    torch.manual_seed(0)
    layer, maps = ConvNormReLU(2, 3).eval(), torch.randn(1, 2, 5, 5)
    before, state = maps.clone(), {name: value.clone() for name, value in layer.state_dict().items()}
    with torch.no_grad():
        layer(maps)
    assert torch.equal(maps, before)
    assert_close(layer.state_dict(), state, rtol=0, atol=0)


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
