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

from datamodules.image_reading import Notes, Picture, image_extensions, open_picture, to_bytes, to_values
from datamodules.in_memory import InMemoryDataModule
from datamodules.listing import by_stem, list_files
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

    classes: Mapping[int, int] = {}  # the class, or VOID, that each value in the files of the masks stands for

    @property
    def mask_values(self) -> tuple[int, ...] | None:
        """The value of each class in the files of the masks; None where no files say."""
        values = {label: value for value, label in reversed(self.classes.items()) if label != VOID}
        return tuple(values[label] for label in sorted(values)) or None

    def augment(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return self.augmentation(*batch)


def list_pairs(image_folder: Path, mask_folder: Path) -> list[tuple[Path, Path]]:
    """The images of a folder, each with the mask of its name in another; 2.png comes before 10.png.

    The kinds of the two files, such as .png and .TIF, may differ; what is no image is passed over, and told.

    Raises:
        LabError: when there are none, one lacks its partner, or two have the same name.
    """
    images, masks = (by_stem(list_images(folder)) for folder in (image_folder, mask_folder))
    for found, folder in ((images, image_folder), (masks, mask_folder)):
        if not found:
            raise LabError(
                f"{folder} must hold images such as 0.png, but holds none: set --data.root or ARCHLAB_DATA, "
                f"or run `python train.py download` with this config."
            )
    if alone := sorted((images.get(stem) or masks[stem] for stem in images.keys() ^ masks.keys()), key=_by_number):
        folder = mask_folder if alone[0].parent == image_folder else image_folder
        raise LabError(
            f"{alone[0]} has no partner {folder / alone[0].name}; each image must have its mask, but there are "
            f"{len(images)} images and {len(masks)} masks: add what is missing, or take {alone[0].name} away."
        )
    return [(image, masks[image.stem]) for image in sorted(images.values(), key=_by_number)]


def list_images(folder: Path) -> list[Path]:
    """The images in a folder, of whichever kind we read; what else is there is told."""
    return list_files(folder, image_extensions(), "images")


def _by_number(path: Path) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]


def read_pairs(
    pairs: Iterable[tuple[Path, Path]], mode: str, classes: Mapping[int, int], size: int | None = None
) -> tuple[list[Tensor], list[Tensor]]:
    """Read images and masks, each as a viewer shows it; see ``to_bytes`` and ``to_values``.

    Args:
        pairs: the files of each image and of its mask.
        mode: "L" for images of one channel, "RGB" for images of three.
        classes: the class, or ``VOID``, that each value in the files of the masks stands for.
        size: side S in pixels to which images (bilinear, antialiased) and masks (nearest) are squashed; None for none.

    Shapes:
        images (I, H, W), or (I, S, S), masks (H, W), or (S, S), all of type uint8

    Raises:
        LabError: when a file is missing or damaged, an image has no range that could be scaled to bytes, a mask is not
            of its image's size, or holds an unknown value.
    """
    notes = Notes()
    read = [_read_pair(image_path, mask_path, mode, classes, size, notes) for image_path, mask_path in pairs]
    notes.tell()
    return [image for image, _ in read], [mask for _, mask in read]


def _read_pair(
    image_path: Path, mask_path: Path, mode: str, classes: Mapping[int, int], size: int | None, notes: Notes
) -> tuple[Tensor, Tensor]:
    pictures = open_picture(image_path), open_picture(mask_path)
    _check_sizes(*pictures)
    if pictures[0].turned and not pictures[1].turned:
        notes.add("turned", image_path)
    image = to_bytes(pictures[0], mode, notes)
    mask = Image.fromarray(_to_classes(to_values(pictures[1], classes), classes, mask_path))
    if size is not None:
        image = squash(image, size)
        mask = mask.resize((size, size), Image.Resampling.NEAREST)
    pixels = torch.from_numpy(np.array(image)).view(image.height, image.width, -1)  # (H, W, I)
    return pixels.permute(2, 0, 1).contiguous(), torch.from_numpy(np.array(mask))


def _check_sizes(image: Picture, mask: Picture) -> None:
    (width, height), (mask_width, mask_height) = image.pixels.size, mask.pixels.size
    if (width, height) != (mask_width, mask_height):
        turned = [picture.path for picture in (image, mask) if picture.turned]
        why = f" (turned as the EXIF orientation of {turned[0]} says)" if turned else ""
        raise LabError(
            f"{image.path} has {width}×{height} pixels and {mask.path} has {mask_width}×{mask_height}{why}: "
            f"an image and its mask must be of one size."
        )


def squash(image: Image.Image, size: int) -> Image.Image:
    """An image as a square with that side in pixels, bilinear and antialiased."""
    return image.resize((size, size), Image.Resampling.BILINEAR)


def _to_classes(values: np.ndarray, classes: Mapping[int, int], path: Path) -> np.ndarray:
    present = np.unique(values)
    unknown = np.setdiff1d(present, list(classes))
    if len(unknown):
        allowed = ", ".join(map(str, sorted(classes)))
        smooth = ": save it without smoothed edges and lossy compression" if len(present) > len(classes) else ""
        raise LabError(f"{path} holds the value {unknown[0]}, but the values of a mask are {allowed}{smooth}.")
    table = np.zeros(1 + max(classes), dtype=np.uint8)
    table[list(classes)] = list(classes.values())
    return table[values]
