"""Whether masks fit their images and the classes of a task."""

from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor


def check_masks(images: Tensor, masks: Tensor, num_classes: int, ignore_index: int) -> None:
    """Raise ValueError unless masks have the sizes of their images, and hold classes or void.

    Args:
        images: the images.
        masks: the class of each pixel, as int64.
        num_classes: number of classes C, ≥ 2.
        ignore_index: the label of void pixels.

    Shapes:
        images (B, I, H, W), masks (B, H, W)
    """
    if masks.shape != (len(images), *images.shape[-2:]):
        raise ValueError(
            f"masks must have the sizes of their images, {(len(images), *images.shape[-2:])}, "
            f"but have {tuple(masks.shape)}."
        )
    wrong = masks[(masks < 0) | (masks >= num_classes) & (masks != ignore_index)]
    if len(wrong):
        raise ValueError(
            f"a mask holds the class {int(wrong[0])}, but num_classes={num_classes} allows 0 … "
            f"{num_classes - 1}, and {ignore_index} for void: set model.num_classes and "
            f"model.net.num_classes, or correct the mask."
        )


def warn_of_one_class(split: str, confusion: Tensor, ignore_index: int) -> None:
    """Warn where the masks of a split have one class alone, beside void.

    Args:
        split: its name.
        confusion: pixels by their class and by the predicted one.
        ignore_index: the label of void pixels.

    Shapes:
        confusion (C, C)
    """
    present = confusion.sum(dim=1).nonzero()[:, 0].tolist()
    if len(present) == 1:
        rank_zero_warn(
            f"the {split} masks hold the class {present[0]} alone, beside void, so that the scores say little: do "
            f"they hold the numbers of the classes, and does {ignore_index} (ignore_index) mean void?"
        )
