"""A plain convolutional network, to compare ways of making its maps smaller."""

from collections.abc import Sequence

from torch import Tensor, nn

POOLINGS = ("max", "average", "stride", "none")


class ConvNet(nn.Module):
    r"""Stages of a convolution, normalisation and ReLU, each halving the maps or not, and a linear layer.

    "Gradient-based learning applied to document recognition" (LeCun et al., 1998), https://doi.org/10.1109/5.726791;
    "Striving for Simplicity: The All Convolutional Net" (Springenberg et al., 2015), https://arxiv.org/abs/1412.6806.

        a_i = pool(ReLU(norm(W_i ∗ a_{i−1}))),   logits = V · head(a_L) + c

    The four poolings have the same parameters, but for the linear layer behind a flattened head.

    Args:
        in_channels: channels I of an image, ≥ 1.
        num_classes: classes C, ≥ 2.
        widths: channels of each stage.
        pooling: how a stage halves its maps: "max" or "average" of 2×2 pixels, "stride" 2 of the convolution itself,
            or "none", which leaves them as they are.
        kernel_size: side of the filters, in pixels, odd, ≥ 1.
        image_size: side S of the images, in pixels: the last maps are flattened, so that the linear layer sees where a
            feature is. None averages each map over all places, which forgets where, and takes images of any size.

    Shapes:
        images (B, I, S, S) -> logits (B, C)

    Raises:
        ValueError: when an argument is out of its range, or the images are too small to be halved in every stage.

    Example:
        >>> import torch
        >>> net = ConvNet(in_channels=1, num_classes=10)
        >>> net(torch.rand(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 10,
        widths: Sequence[int] = (16, 32, 64),
        pooling: str = "max",
        kernel_size: int = 3,
        image_size: int | None = None,
    ) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ValueError(f'pooling must be one of {", ".join(POOLINGS)}, but it is "{pooling}".')
        if in_channels < 1 or num_classes < 2 or not widths or min(widths) < 1:
            raise ValueError(
                f"in_channels must be at least 1, num_classes at least 2 and widths numbers from 1 on, "
                f"but they are {in_channels}, {num_classes} and {list(widths)}."
            )
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and at least 1, but it is {kernel_size}.")
        self.in_channels, self.num_classes, self.pooling = in_channels, num_classes, pooling
        self.smallest = 1 if pooling == "none" else 2 ** len(widths)
        if image_size is not None and image_size < self.smallest:
            raise ValueError(self._too_small(image_size))
        pairs = zip((in_channels, *widths), widths, strict=False)
        stages = [_stage(incoming, outgoing, pooling, kernel_size) for incoming, outgoing in pairs]
        self.features = nn.Sequential(*stages)
        side = 1 if image_size is None else _last_side(image_size, len(widths), pooling)
        self.head = nn.AdaptiveAvgPool2d(1) if image_size is None else nn.Identity()
        self.image_size = image_size
        self.output = nn.Linear(widths[-1] * side * side, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        self._check(images)
        return self.output(self.head(self.features(images)).flatten(1))

    def _check(self, images: Tensor) -> None:
        if images.ndim != 4:
            raise ValueError(f"images must be (B, {self.in_channels}, H, W), but are {tuple(images.shape)}.")
        _, channels, *sides = images.shape
        if channels != self.in_channels:
            raise ValueError(f"images must have in_channels={self.in_channels} channels, but have {channels}.")
        if min(sides) < self.smallest:
            raise ValueError(self._too_small(min(sides)))
        if self.image_size is not None and sides != [self.image_size] * 2:
            raise ValueError(f"images must be of image_size={self.image_size} pixels a side, but are {tuple(sides)}.")

    def _too_small(self, side: int) -> str:
        return (
            f"images must have at least {self.smallest} pixels a side to be halved in every stage, but have {side}: "
            f"take fewer widths, or larger images."
        )


def _last_side(side: int, num_stages: int, pooling: str) -> int:
    """The side of the last maps: a pooling drops an odd pixel, a padded convolution of stride 2 keeps it."""
    for _ in range(num_stages):
        side = {"none": side, "stride": (side + 1) // 2}.get(pooling, side // 2)
    return side


def _stage(incoming: int, outgoing: int, pooling: str, kernel_size: int) -> nn.Sequential:
    stride = 2 if pooling == "stride" else 1
    convolution = nn.Conv2d(incoming, outgoing, kernel_size, stride, kernel_size // 2, bias=False)
    pool = {"max": nn.MaxPool2d(2), "average": nn.AvgPool2d(2)}.get(pooling, nn.Identity())
    return nn.Sequential(convolution, nn.BatchNorm2d(outgoing), nn.ReLU(inplace=True), pool)
