"""Images and their label masks: read as pairs, served as pairs, augmented as pairs.

Shapes: B batch, I channels of an image, H height, W width; the classes of a mask are 0 … C−1.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.in_memory import InMemoryDataModule
from lab.errors import LabError

VOID = 255  # the label of pixels that count neither in the loss nor in the metrics


class ImagePairs(Dataset):
    """Images of any sizes, each with its mask, kept as bytes and served as numbers in [0, 1].

    Args:
        images: (I, H, W) of type uint8 each.
        masks: (H, W) of type uint8 each, classes 0 … C−1 or ``VOID``.

    Shapes:
        an item: image (I, H, W) of values in [0, 1], mask (H, W) of type uint8;
        a batch, of images of one size: images (B, I, H, W), masks (B, H, W)
    """

    def __init__(self, images: Sequence[Tensor], masks: Sequence[Tensor]) -> None:
        self.tensors = (images, masks)

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        images, masks = self.tensors
        return images[index].float() / 255, masks[index]

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        images, masks = zip(*(self[index] for index in indices), strict=True)
        sizes = sorted({"×".join(map(str, mask.shape)) for mask in masks})
        if len(sizes) > 1:
            raise ValueError(f"a batch must hold images of one size, but holds {', '.join(sizes)}: use batches of one.")
        return torch.stack(images), torch.stack(masks)

    def contents(self) -> Iterable[bytes]:
        """The pixels of each image, and its size."""
        return (str(tuple(image.shape)).encode() + image.numpy().tobytes() for image in self.tensors[0])


class SegmentationDataModule(InMemoryDataModule):
    """A datamodule of images and masks, which are augmented together.

    Its arguments are those of InMemoryDataModule; ``augmentation`` maps (images, masks) to (images, masks).

    Shapes:
        a batch: images (B, I, H, W) of values in [0, 1], masks (B, H, W) of type uint8, classes 0 … C−1 or ``VOID``
    """

    def augment(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return self.augmentation(*batch)


def list_pairs(image_folder: Path, mask_folder: Path) -> list[tuple[Path, Path]]:
    """The PNG images of a folder, each with the mask of its name in another; 2.png comes before 10.png.

    Raises:
        LabError: when there are none, or one lacks its partner.
    """
    images = {path.name: path for path in image_folder.glob("*.png")}
    masks = {path.name: path for path in mask_folder.glob("*.png")}
    for found, folder in ((images, image_folder), (masks, mask_folder)):
        if not found:
            raise LabError(
                f"{folder} must hold images such as 0.png, but holds none: set --data.root or ARCHLAB_DATA, "
                f"or run `python train.py download` with this config."
            )
    if alone := _in_order(images.keys() ^ masks.keys()):
        path, folder = (images[alone[0]], mask_folder) if alone[0] in images else (masks[alone[0]], image_folder)
        raise LabError(
            f"{path} has no partner {folder / path.name}; each image must have its mask, but there are {len(images)} "
            f"images and {len(masks)} masks: add what is missing, or take {path.name} away."
        )
    return [(images[name], masks[name]) for name in _in_order(images)]


def _in_order(names: Iterable[str]) -> list[str]:
    return sorted(
        names, key=lambda name: [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]
    )


def read_pairs(
    pairs: Iterable[tuple[Path, Path]], mode: str, classes: Mapping[int, int], size: int | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """Read images and masks.

    Args:
        pairs: the files of each image and of its mask.
        mode: "L" for images of one channel, "RGB" for images of three.
        classes: the class, or ``VOID``, that each value in the files of the masks stands for.
        size: side S in pixels to which images (bilinear, antialiased) and masks (nearest) are squashed; None for none.

    Shapes:
        images (I, H, W), or (I, S, S), masks (H, W), or (S, S), all of type uint8

    Raises:
        LabError: when a file is missing or damaged, a mask is not of its image's size, or holds an unknown value.
    """
    read = [_read_pair(image_path, mask_path, mode, classes, size) for image_path, mask_path in pairs]
    return [image for image, _ in read], [mask for _, mask in read]


def _read_pair(
    image_path: Path, mask_path: Path, mode: str, classes: Mapping[int, int], size: int | None
) -> tuple[Tensor, Tensor]:
    image, mask = _decode(image_path, mode), _decode(mask_path)
    if mask.mode not in ("L", "P"):
        raise LabError(f"{mask_path} must hold one byte a pixel (mode L or P), but it is of mode {mask.mode}.")
    if image.size != mask.size:
        width, height = image.size
        raise LabError(
            f"{image_path} has {width}×{height} pixels and {mask_path} has {mask.width}×{mask.height}: "
            f"an image and its mask must be of one size."
        )
    mask = Image.fromarray(_to_classes(np.asarray(mask), classes, mask_path))
    if size is not None:
        image = squash(image, size)
        mask = mask.resize((size, size), Image.Resampling.NEAREST)
    pixels = torch.from_numpy(np.array(image)).view(image.height, image.width, -1)  # (H, W, I)
    return pixels.permute(2, 0, 1).contiguous(), torch.from_numpy(np.array(mask))


def squash(image: Image.Image, size: int) -> Image.Image:
    """An image as a square with that side in pixels, bilinear and antialiased."""
    return image.resize((size, size), Image.Resampling.BILINEAR)


def _decode(path: Path, mode: str | None = None) -> Image.Image:
    """The image in a file, in its own mode when None is asked for."""
    try:
        with Image.open(path) as file:
            return file.convert(mode) if mode else file.copy()
    except FileNotFoundError as error:
        raise LabError(f"{path} is missing.") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise LabError(f"{path} cannot be read as an image ({error}): replace it by an undamaged copy.") from error


def _to_classes(values: np.ndarray, classes: Mapping[int, int], path: Path) -> np.ndarray:
    unknown = np.setdiff1d(np.unique(values), list(classes))
    if len(unknown):
        allowed = ", ".join(map(str, sorted(classes)))
        raise LabError(f"{path} holds the value {unknown[0]}, but the values of a mask are {allowed}.")
    table = np.zeros(256, dtype=np.uint8)
    table[list(classes)] = list(classes.values())
    return table[values]
