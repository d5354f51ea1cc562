"""Predicted masks as files hold them: the values of the data's own masks, and colours to see them by."""

from collections.abc import Sequence
from itertools import count

import torch
from torch import Tensor

APART = 16  # grey levels between two classes that the eye can distinguish without colours


def values_of_classes(num_classes: int, known: Sequence[int] | None = None) -> list[int]:
    """The value of each class in a mask: that of the data's own masks, and for want of one the least that is free.

    Args:
        num_classes: number of classes C, ≥ 1.
        known: the values of the first classes; none where the data has no files of masks.
    """
    values = list(known or ())[:num_classes]
    free = (number for number in count() if number not in values)
    return values + [next(free) for _ in range(num_classes - len(values))]


def to_mask(predicted: Tensor, values: Sequence[int]) -> Tensor:
    """Classes as the values of a mask, in bytes, or of 16 bits where bytes do not hold them.

    Shapes:
        predicted (B, H, W) of classes in [0, C), C values -> (B, H, W) of type uint8 or uint16
    """
    of_class = torch.tensor(values, device=predicted.device)
    return of_class[predicted].to(torch.uint8 if max(values) < 256 else torch.uint16)


def mask_palette(values: Sequence[int]) -> list[int] | None:
    """The palette of a mask with these values, red, green and blue of each number from 0 to 255.

    None where no palette is needed, because as grey levels the values are far apart, as 0 and 255 are, or possible,
    because they have 16 bits.
    """
    gaps = [after - before for before, after in zip(sorted(values), sorted(values)[1:], strict=False)]
    if max(values) > 255 or min(gaps, default=0) >= APART:
        return None
    palette = [channel for number in range(256) for channel in (number, number, number)]
    for value, color in zip(values, class_colors(len(values)), strict=True):
        palette[3 * value : 3 * value + 3] = color
    return palette


def class_colors(num_classes: int) -> list[tuple[int, int, int]]:
    """Colours of classes, the first black: those of "The Pascal Visual Object Classes Challenge" (Everingham et al.).

    The bits of the class, the lowest first, go to the highest bits of red, green and blue in turn;
    https://doi.org/10.1007/s11263-009-0275-4. They are distinct for up to 256 classes, and begin anew then.
    """

    def channel(number: int, offset: int) -> int:
        return sum((number >> 3 * bit + offset & 1) << 7 - bit for bit in range(3))

    return [(channel(number, 0), channel(number, 1), channel(number, 2)) for number in range(num_classes)]


def draw_overlays(images: Tensor, classes: Tensor) -> Tensor:
    """Images under the colours of their classes.

    Shapes:
        images (B, 1 or 3, H, W) in [0, 1], classes (B, C, H, W) of booleans -> (B, 3, H, W) of bytes
    """
    from torchvision.utils import draw_segmentation_masks

    pixels = (255 * images.float().clamp(0, 1)).round().byte().expand(-1, 3, -1, -1)
    colors = class_colors(classes.shape[1])
    pairs = zip(pixels.cpu(), classes.cpu(), strict=True)
    return torch.stack([draw_segmentation_masks(image, masks, alpha=0.5, colors=colors) for image, masks in pairs])
