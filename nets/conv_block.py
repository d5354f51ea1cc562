"""The block of which the U-Net is built."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ConvNormReLU(nn.Module):
    r"""A 3×3 convolution, batch normalisation and ReLU.

    In evaluation without gradients the normalisation is part of the convolution, ReLU((γ/σ · W) ∗ x + β − γμ/σ), which
    saves a pass over the map.

    Args:
        in_channels: channels that come in, ≥ 1.
        out_channels: channels that go out, ≥ 1.

    Shapes:
        (B, in_channels, H, W) -> (B, out_channels, H, W)
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, maps: Tensor) -> Tensor:
        if self.training or torch.is_grad_enabled():
            return F.relu(self.norm(self.conv(maps)), inplace=True)
        mean, variance = cast(Tensor, self.norm.running_mean), cast(Tensor, self.norm.running_var)
        scale = self.norm.weight * torch.rsqrt(variance + self.norm.eps)
        bias = self.norm.bias - scale * mean
        return F.relu(F.conv2d(maps, scale[:, None, None, None] * self.conv.weight, bias, padding=1), inplace=True)
