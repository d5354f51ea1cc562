"""The U-Nets that one would otherwise pick, with the widths and the depth of ours.

``ClassicUNet`` is the network as the most-copied repositories write it (milesial/Pytorch-UNet), in our words: it has
our parameters to the last one. ``smp_unet`` is segmentation_models_pytorch's, decoder, forward and all, over an encoder
of double convolutions: it enlarges maps by copying pixels, without a learnt convolution that halves their channels, so
that its first convolution of every level sees 3w channels instead of 2w. With the same widths that is 36 w² weights a
level of its decoder where ours has 35 w², 1 % more in all, and a quarter more arithmetic in the decoder, by its design.
"""

from collections.abc import Sequence
from importlib.metadata import version
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# B batch, I input channels, C classes, H and W height and width in pixels.


class DoubleConv(nn.Sequential):
    """Twice a 3×3 convolution, batch normalisation and ReLU: (B, in_channels, H, W) -> (B, out_channels, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Up(nn.Module):
    """A transposed convolution, padding to the size of the encoder's map, and a double convolution over both."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_channels, out_channels, kernel_size=2, stride=2)
        self.conv = DoubleConv(2 * out_channels, out_channels)

    def forward(self, maps: Tensor, skip: Tensor) -> Tensor:
        maps = self.up(maps)
        rows, columns = skip.shape[2] - maps.shape[2], skip.shape[3] - maps.shape[3]
        maps = F.pad(maps, [columns // 2, columns - columns // 2, rows // 2, rows - rows // 2])
        return self.conv(torch.cat([skip, maps], dim=1))


class ClassicUNet(nn.Module):
    """The U-Net of the most-copied repositories, with as many levels as asked.

    Args:
        in_channels: channels I of an image.
        num_classes: classes C.
        base_channels: channels of the largest maps, doubled at every level below.
        depth: levels below the first.

    Shapes:
        (B, I, H, W) -> (B, C, H, W)
    """

    def __init__(self, in_channels: int, num_classes: int, base_channels: int, depth: int) -> None:
        super().__init__()
        widths = widths_of(base_channels, depth)
        self.first = DoubleConv(in_channels, widths[0])
        self.down = nn.ModuleList(nn.Sequential(nn.MaxPool2d(2), DoubleConv(width, 2 * width)) for width in widths[:-1])
        self.up = nn.ModuleList(Up(2 * width, width) for width in reversed(widths[:-1]))
        self.output = nn.Conv2d(base_channels, num_classes, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        maps = [self.first(images)]
        for down in self.down:
            maps.append(down(maps[-1]))
        up_maps = maps.pop()
        for up in self.up:
            up_maps = up(up_maps, maps.pop())
        return self.output(up_maps)


class DoubleConvEncoder(nn.Module):
    """An encoder that segmentation_models_pytorch takes: the image, and the maps of every level.

    Args:
        in_channels: channels I of an image.
        widths: channels of every level's maps.

    What else the library hands to every encoder, its depth and stride, ``widths`` say already.

    Shapes:
        (B, I, H, W) -> the images, and for every level i (B, widths[i], H / 2^i, W / 2^i)
    """

    def __init__(self, in_channels: int, widths: Sequence[int], **_: int) -> None:
        super().__init__()
        self.out_channels = [in_channels, *widths]
        self.blocks = nn.ModuleList(map(DoubleConv, self.out_channels, widths))

    def forward(self, images: Tensor) -> list[Tensor]:
        features = [images]
        for level, block in enumerate(self.blocks):
            features.append(block(F.max_pool2d(features[-1], 2) if level else images))
        return features

    def set_in_channels(self, in_channels: int, pretrained: bool) -> None:
        """What the library calls to change the first convolution, which has the right channels from the start."""


def smp_unet(in_channels: int, num_classes: int, base_channels: int, depth: int) -> nn.Module:
    """The U-Net of segmentation_models_pytorch over double convolutions, with a 1×1 convolution as its head like ours.

    Args, Shapes:
        as ``ClassicUNet``

    Raises:
        SystemExit: when segmentation_models_pytorch is not installed.
    """
    smp = _library()
    widths = widths_of(base_channels, depth)
    smp.encoders.encoders["double_convolution"] = {
        "encoder": DoubleConvEncoder,
        "params": {"in_channels": in_channels, "widths": widths},
    }
    net = smp.Unet(
        "double_convolution", encoder_depth=depth, encoder_weights=None, decoder_channels=widths[-2::-1],
        in_channels=in_channels, classes=num_classes,
    )  # fmt: skip
    net.segmentation_head = smp.base.SegmentationHead(base_channels, num_classes, kernel_size=1)
    return net


def widths_of(base_channels: int, depth: int) -> list[int]:
    """Channels of every level's maps, the largest maps first."""
    return [base_channels * 2**level for level in range(depth + 1)]


def smp_name() -> str:
    """The library with its version.

    Raises:
        SystemExit: when it is not installed.
    """
    _library()
    return f"smp {version('segmentation-models-pytorch')}"


def _library() -> ModuleType:
    try:
        import segmentation_models_pytorch as smp
    except ImportError as error:
        raise SystemExit(f"{error}: pip install -r requirements-bench.txt") from error
    return smp
