"""Random distortions of images and their masks together, one draw a pair.

Shapes: B batch, I channels, H height, W width.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as kernels


class PairAugmentation(nn.Module):
    r"""Flip, turn, cut out, bend and light each image of a batch by its own draw, and move its mask along.

    From torchvision's transforms, https://docs.pytorch.org/vision/stable/transforms.html. Elastic distortions are those
    of "U-Net" (Ronneberger et al., 2015), https://arxiv.org/abs/1505.04597, who took them to be the key to learning
    from few labelled images. Masks take the nearest pixel, so that no new class appears; what comes in from outside is
    mirrored at the border. The draws are from torch's global generator.

    Every option is off by default. All but the elastic distortion cost less than a millisecond a pair.

    Args:
        horizontal_flip: whether half of the pairs are mirrored left to right.
        vertical_flip: whether half of the pairs are mirrored upside down.
        quarter_turns: whether pairs are turned by 0, 90, 180 or 270 degrees; they must be square.
        elastic_alpha: strength of the elastic distortion as in torchvision's ElasticTransform, ≥ 0; the displacements
            along each axis have a standard deviation of :math:`\alpha / (4 \sqrt{3 \pi} \sigma)` pixels, about
            :math:`\alpha / (12 \sigma)`.
        elastic_sigma: standard deviation of the Gaussian that smooths the displacements, in pixels, > 0 and below a
            quarter of the smaller side of the images.
        crop_scale: smallest share of the area that is cut out and enlarged to the former size, in (0, 1]; 1 is off.
        brightness: largest relative change of brightness either way, ≥ 0; of images only.
        contrast: largest relative change of contrast either way, ≥ 0; of images only.

    Shapes:
        images (B, I, H, W) of values in [0, 1], I 1 or 3; masks (B, H, W) of integers -> the same

    Raises:
        ValueError: when an argument is out of its range, or does not fit the size of the images.
    """

    def __init__(
        self,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        quarter_turns: bool = False,
        elastic_alpha: float = 0.0,
        elastic_sigma: float = 10.0,
        crop_scale: float = 1.0,
        brightness: float = 0.0,
        contrast: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 < crop_scale <= 1:
            raise ValueError(f"crop_scale must be in (0, 1], but it is {crop_scale}.")
        if elastic_sigma <= 0:
            raise ValueError(f"elastic_sigma must be above 0, but it is {elastic_sigma}.")
        for name, value in {"elastic_alpha": elastic_alpha, "brightness": brightness, "contrast": contrast}.items():
            if value < 0:
                raise ValueError(f"{name} must be at least 0, but it is {value}.")
        self.needs_square, self.elastic_sigma = quarter_turns, elastic_sigma if elastic_alpha else 0.0
        turns = [v2.RandomRotation((angle, angle)) for angle in (0, 90, 180, 270)]
        asked = {
            v2.RandomHorizontalFlip(): horizontal_flip,
            v2.RandomVerticalFlip(): vertical_flip,
            v2.RandomChoice(turns): quarter_turns,
            Enlarge(scale=(crop_scale, 1.0)): crop_scale < 1,
            Bend(elastic_alpha, elastic_sigma): elastic_alpha,
            v2.ColorJitter(brightness, contrast): brightness or contrast,
        }
        self.transforms = nn.ModuleList(transform for transform, wanted in asked.items() if wanted)

    def forward(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        height, width = masks.shape[1:]
        if self.needs_square and height != width:
            raise ValueError(f"quarter_turns need square images, but these are of {height}×{width} pixels.")
        if 4 * self.elastic_sigma >= min(height, width):
            raise ValueError(
                f"elastic_sigma must be below a quarter of the smaller side of the images, which are of "
                f"{height}×{width} pixels, but it is {self.elastic_sigma}."
            )
        pairs = [self._distort(image, mask) for image, mask in zip(images, masks, strict=True)]
        return torch.stack([image for image, _ in pairs]), torch.stack([mask for _, mask in pairs])

    def _distort(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        pair = tv_tensors.Image(image), tv_tensors.Mask(mask)
        for transform in self.transforms:
            pair = transform(*pair)
        image, mask = pair
        return image.as_subclass(Tensor), mask.as_subclass(Tensor)


class Enlarge(v2.RandomResizedCrop):
    """Cut out a random part of a pair, and enlarge it to the pair's size; the mask takes exactly the nearest pixel.

    torchvision asks for the size in advance, and enlarges masks by ``nearest``, which is up to half a pixel off the
    image; ``nearest-exact`` is not, https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.interpolate.html

    Args:
        scale: smallest and largest share of the area, in (0, 1].
    """

    def __init__(self, scale: tuple[float, float]) -> None:
        super().__init__(size=(1, 1), scale=scale)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        size = list(inpt.shape[-2:])
        if not isinstance(inpt, tv_tensors.Mask):
            return kernels.resized_crop(inpt, **params, size=size)
        mask = inpt.as_subclass(Tensor)[None]
        return tv_tensors.Mask(kernels.resized_crop(mask, **params, size=size, interpolation="nearest-exact")[0])


class Bend(v2.ElasticTransform):
    """torchvision's elastic distortion, mirroring what comes in from outside.

    The displacements are smoothed along one axis after the other by products with two matrices, which is the same as
    the convolution with a two-dimensional Gaussian: 6 ms where torchvision takes 400 ms, for a pair of 256×256 pixels
    with sigma 10 on one core.

    Args:
        alpha: strength, ≥ 0.
        sigma: standard deviation of the Gaussian, in pixels, > 0.
    """

    def __init__(self, alpha: float, sigma: float) -> None:
        super().__init__(alpha, sigma, fill=None)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = flat_inputs[0].shape[-2:]
        noise = torch.stack([torch.rand(height, width) * 2 - 1 for _ in range(2)])  # (2, H, W): x, then y
        noise = smoothing_matrix(height, self.sigma[0]) @ noise @ smoothing_matrix(width, self.sigma[0]).T
        sides = torch.tensor([width, height])
        shift = noise.permute(1, 2, 0) * self.alpha[0] / sides  # (H, W, 2), where the image runs from −1 to 1
        places = torch.meshgrid(_centres(height), _centres(width), indexing="ij")[::-1]
        identity, last = torch.stack(places, dim=-1), 1 - 1 / sides
        source = identity + shift
        source = (2 * source.clamp(-last, last) - source).clamp(-last, last)  # mirrored at the last pixels
        return {"displacement": (source - identity)[None]}


def smoothing_matrix(length: int, sigma: float) -> Tensor:
    """The matrix that convolves a line of pixels with a Gaussian of 4 standard deviations, mirroring at its ends.

    Args:
        length: pixels L, more than 4 sigma.
        sigma: standard deviation, in pixels, > 0.

    Shapes:
        (L, L)
    """
    radius, last = int(8 * sigma + 1) // 2, length - 1
    offsets = torch.arange(-radius, radius + 1)
    weights = (-0.5 * (offsets / sigma) ** 2).softmax(dim=0)
    sources = last - (last - (torch.arange(length)[:, None] + offsets).abs()).abs()  # (L, 2 radius + 1)
    return torch.zeros(length, length).scatter_add_(1, sources, weights.expand_as(sources))


def _centres(length: int) -> Tensor:
    return torch.linspace(1 / length - 1, 1 - 1 / length, length)
