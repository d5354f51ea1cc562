"""A small U-Net, its twin of plain functions, and the closed form of its number of parameters."""

import torch
from image_nets import randomized
from torch import Tensor, nn
from torch.nn import functional as F

from nets import UNet
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
