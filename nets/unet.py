"""The U-Net: an encoder, a decoder, and the skip connections that hand what is fine from one to the other."""

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from nets.conv_block import ConvNormReLU

# B batch, I input channels, C classes, H and W height and width in pixels.


class UNet(nn.Module):
    r"""A network that gives every pixel its class: down to small maps of many channels, and up again.

    "U-Net: Convolutional Networks for Biomedical Image Segmentation" (Ronneberger et al., 2015),
    https://arxiv.org/abs/1505.04597, with padded convolutions and batch normalisation. With double convolutions D:

        e_0 = D(x),   e_i = D(maxpool(e_{i−1})),   d_n = e_n,   d_i = D([e_i, up(d_{i+1})]),   logits = V · d_0 + c

    and d_i = D(up(d_{i+1})) without skip connections, where all that is known of the image passes the smallest map.

    Args:
        in_channels: channels I of an image, ≥ 1.
        num_classes: classes C, ≥ 2.
        base_channels: channels of the largest maps, doubled at every level below, ≥ 1.
        depth: levels n below the first, ≥ 1; an image needs 2ⁿ pixels a side.
        skip_connections: whether the decoder sees the encoder's maps.
        widths: channels of every level, for another rule than doubling; None for base_channels · 2^level.
        upsampling: "transposed", a learnt 2×2 convolution of stride 2, or "bilinear", followed by a 1×1 convolution.
        checkpoint_activations: whether the maps inside a double convolution are computed again in the backward pass
            instead of kept: less memory, more time.

    Shapes:
        images (B, I, H, W) -> logits (B, C, H, W); sides that 2ⁿ does not divide are padded at their ends by the
        nearest pixel, and the logits cropped

    Raises:
        ValueError: when an argument is out of its range, or an image too small for the depth.

    Example:
        >>> net = UNet(in_channels=3, num_classes=2, base_channels=4, depth=2)
        >>> net(torch.rand(1, 3, 32, 48)).shape
        torch.Size([1, 2, 32, 48])
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        base_channels: int = 32,
        depth: int = 4,
        skip_connections: bool = True,
        widths: Sequence[int] | None = None,
        upsampling: str = "transposed",
        checkpoint_activations: bool = False,
    ) -> None:
        super().__init__()
        if min(in_channels, base_channels, depth) < 1 or num_classes < 2:
            raise ValueError(
                f"in_channels, base_channels and depth must be at least 1 and num_classes at least 2, "
                f"but they are {in_channels}, {base_channels}, {depth} and {num_classes}."
            )
        if upsampling not in ("transposed", "bilinear"):
            raise ValueError(f'upsampling must be "transposed" or "bilinear", but it is "{upsampling}".')
        self.in_channels, self.num_classes, self.depth = in_channels, num_classes, depth
        self.skip_connections, self.checkpoint_activations = skip_connections, checkpoint_activations
        widths = list(widths or [base_channels * 2**level for level in range(depth + 1)])
        if len(widths) != depth + 1 or min(widths) < 1:
            raise ValueError(f"widths must be depth + 1 = {depth + 1} numbers from 1 on, but they are {widths}.")
        self.encoder = nn.ModuleList(map(_double_convolution, [in_channels, *widths[:-1]], widths))
        self.upsample = nn.ModuleList(map(partial(_upsample, kind=upsampling), widths[1:], widths))
        seen = 2 if skip_connections else 1
        self.decoder = nn.ModuleList(_double_convolution(seen * width, width) for width in widths[:-1])
        self.output = nn.Conv2d(widths[0], num_classes, 1)
        self.to(memory_format=torch.channels_last)  # a pixel's channels side by side: a tenth to a quarter faster

    def forward(self, images: Tensor) -> Tensor:
        self._check(images)
        height, width = images.shape[-2:]
        multiple = 2**self.depth
        padding = (0, -width % multiple, 0, -height % multiple)
        maps = F.pad(images, padding, mode="replicate") if any(padding) else images
        skips = []
        for level, block in enumerate(self.encoder):
            maps = self._run(block, F.max_pool2d(maps, 2) if level else maps)
            skips.append(maps)
        for level in reversed(range(self.depth)):
            maps = self.upsample[level](maps)
            maps = torch.cat([skips[level], maps], dim=1) if self.skip_connections else maps
            maps = self._run(self.decoder[level], maps)
        return self.output(maps)[..., :height, :width]

    def _run(self, block: nn.Module, maps: Tensor) -> Tensor:
        if self.checkpoint_activations and self.training and torch.is_grad_enabled():
            if torch.compiler.is_compiling():  # which knows no contexts, and counts once as it is
                return checkpoint(block, maps, use_reentrant=False)
            contexts = nullcontext(), _WithoutStatistics(block)
            return checkpoint(block, maps, use_reentrant=False, context_fn=lambda: contexts)
        return block(maps)

    def _check(self, images: Tensor) -> None:
        if images.ndim != 4 or images.shape[1] != self.in_channels:
            raise ValueError(
                f"images must be (B, in_channels={self.in_channels}, H, W), but are {tuple(images.shape)}."
            )
        if min(images.shape[-2:]) < 2**self.depth:
            raise ValueError(
                f"depth={self.depth} needs images of at least {2**self.depth} pixels a side, but they are "
                f"{tuple(images.shape[-2:])}: take a smaller depth, or larger images."
            )


class _WithoutStatistics:
    """No update of the running means inside: what is computed again has been counted already."""

    def __init__(self, block: nn.Module) -> None:
        self.norms = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]

    def __enter__(self) -> None:
        self.momenta = [norm.momentum for norm in self.norms]
        for norm in self.norms:
            norm.momentum = 0.0

    def __exit__(self, *error: object) -> None:
        for norm, momentum in zip(self.norms, self.momenta, strict=True):
            norm.momentum = momentum
            cast(Tensor, norm.num_batches_tracked).sub_(1)


def _double_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(ConvNormReLU(in_channels, out_channels), ConvNormReLU(out_channels, out_channels))


def _upsample(in_channels: int, out_channels: int, kind: str) -> nn.Module:
    if kind == "transposed":
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    # The 1×1 convolution and the interpolation commute: on the smaller maps it is a quarter of the work.
    interpolation = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1), interpolation)
