"""A level of the U-Net on its way down, and on its way up, as modules to build one's own from.

Letters: B batch, H and W height and width in pixels. ``nets.UNet`` is built from the same convolutions.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nets.unet import ConvNormReLU


def _double_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(ConvNormReLU(in_channels, out_channels), ConvNormReLU(out_channels, out_channels))


class Down(nn.Module):
    r"""A level down: max-pooling of 2×2 pixels, then two 3×3 convolutions.

    "U-Net: Convolutional Networks for Biomedical Image Segmentation" (Ronneberger et al., 2015),
    https://arxiv.org/abs/1505.04597, with padded convolutions and batch normalisation: e_i = D(maxpool(e_{i−1})).

    Args:
        in_channels: channels that come in, ≥ 1.
        out_channels: channels that go out, ≥ 1.

    Shapes:
        (B, in_channels, H, W) -> (B, out_channels, ⌊H/2⌋, ⌊W/2⌋)

    Raises:
        ValueError: when a number of channels is below 1.

    Example:
        >>> Down(8, 16)(torch.rand(1, 8, 32, 32)).shape
        torch.Size([1, 16, 16, 16])
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        _check_channels(in_channels, out_channels)
        self.convolutions = _double_convolution(in_channels, out_channels)

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.convolutions(F.max_pool2d(maps, 2))
        return out


class Up(nn.Module):
    r"""A level up: a learnt 2×2 convolution of stride 2, the encoder's maps beside it, then two 3×3 convolutions.

    "U-Net: Convolutional Networks for Biomedical Image Segmentation" (Ronneberger et al., 2015),
    https://arxiv.org/abs/1505.04597: d_i = D([e_i, up(d_{i+1})]), or D(up(d_{i+1})) without skip connections. Where
    pooling has dropped an odd pixel, the nearest one is repeated.

    Args:
        in_channels: channels that come from below, ≥ 1.
        out_channels: channels of the encoder's maps of this level, and of the output, ≥ 1.
        skip_connection: whether it takes the encoder's maps.

    Shapes:
        (B, in_channels, h, w), skip (B, out_channels, H, W) with h = ⌊H/2⌋, w = ⌊W/2⌋ -> (B, out_channels, H, W);
        without a skip connection (B, in_channels, h, w) -> (B, out_channels, 2h, 2w)

    Raises:
        ValueError: when a number of channels is below 1, a skip is missing, is one too many, or does not fit.

    Example:
        >>> Up(16, 8)(torch.rand(1, 16, 16, 16), torch.rand(1, 8, 32, 32)).shape
        torch.Size([1, 8, 32, 32])
    """

    def __init__(self, in_channels: int, out_channels: int, skip_connection: bool = True) -> None:
        super().__init__()
        _check_channels(in_channels, out_channels)
        self.out_channels, self.skip_connection = out_channels, skip_connection
        self.upsample = nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
        self.convolutions = _double_convolution(out_channels * (2 if skip_connection else 1), out_channels)

    def forward(self, maps: Tensor, skip: Tensor | None = None) -> Tensor:
        if (skip is None) == self.skip_connection:
            given = "none was given" if skip is None else "one was given"
            raise ValueError(f"skip_connection={self.skip_connection}, but {given}: give the encoder's maps, or none.")
        maps = self.upsample(maps)
        if skip is not None:
            missing = [wanted - found for wanted, found in zip(skip.shape[-2:], maps.shape[-2:], strict=True)]
            if skip.shape[1] != self.out_channels or not set(missing) <= {0, 1}:
                raise ValueError(
                    f"skip must be (B, {self.out_channels}, H, W) of twice the maps from below, but it is "
                    f"{tuple(skip.shape)} where they become {tuple(maps.shape)}."
                )
            maps = F.pad(maps, (0, missing[1], 0, missing[0]), mode="replicate") if any(missing) else maps
            maps = torch.cat([skip, maps], dim=1)
        out: Tensor = self.convolutions(maps)
        return out


def _check_channels(in_channels: int, out_channels: int) -> None:
    if min(in_channels, out_channels) < 1:
        raise ValueError(
            f"in_channels and out_channels must be at least 1, but they are {in_channels} and {out_channels}."
        )
