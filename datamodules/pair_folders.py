"""Which image belongs to which mask: two folders with files of the same names, or a table."""

import re
from collections.abc import Sequence
from pathlib import Path

from datamodules.file_tables import read_table
from datamodules.image_files import list_images
from datamodules.listing import by_stem
from datamodules.own_splits import split_folders, split_of_row
from lab.errors import LabError, nearest

Pair = tuple[Path, Path]
IMAGES = ("image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "input", "inputs")
MASKS = ("mask", "masks", "label", "labels", "annotation", "annotations", "segmentation", "segmentations", "gt")
ENDINGS = ("_mask", "_masks", "_label", "_labels", "_seg", "_segmentation", "_gt")  # of the names of masks


def list_pair_folders(folder: Path, image_folder: str | None, mask_folder: str | None) -> dict[str, list[Pair]]:
    """The pairs of each split of a folder: of train, val and test within it, or else all of them as "train".

    Args:
        folder: with a folder of images and one of masks, or with folders called like splits that have them.
        image_folder: the name of the folder of images; None for one that is called so, such as "images".
        mask_folder: the name of the folder of masks; None for one that is called so, such as "masks".

    Raises:
        LabError: when a folder is not there, or an image or a mask lacks its partner.
    """
    if not folder.is_dir():
        raise LabError(f"the folder {folder} does not exist: set data.root (or ARCHLAB_DATA) and data.folder.")
    folders = split_folders(folder) or {"train": folder}
    return {split: list_pairs(*find_folders(path, image_folder, mask_folder)) for split, path in folders.items()}


def list_pair_table(table: Path) -> dict[str, list[Pair]]:
    """The pairs of each split of a table with the columns image and mask, and split where there is one.

    Raises:
        LabError: when a row is wrong, or none is of the training split.
    """
    splits: dict[str, list[Pair]] = {}
    for row in read_table(table, ["image", "mask"], []):
        splits.setdefault(split_of_row(row) or "train", []).append((row.files["image"], row.files["mask"]))
    if "train" not in splits:
        raise LabError(f'{table} must have rows of the split "train", but has none.')
    return splits


def find_folders(folder: Path, image_folder: str | None, mask_folder: str | None) -> Pair:
    """The folder of images and that of masks within a folder.

    Raises:
        LabError: when one is not there, or it is not clear which it is.
    """
    there = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    found = []
    for option, given, words in (("image_folder", image_folder, IMAGES), ("mask_folder", mask_folder, MASKS)):
        called = [given] if given is not None else [name for name in there if name.lower() in words]
        if len(called) != 1 or not (folder / called[0]).is_dir():
            wanted = f'"{given}"{nearest(given, there)}' if given else f"one of the names {', '.join(words[:4])}, …"
            raise LabError(
                f"{folder} must hold a folder {wanted} as data.{option}, but holds "
                f"{', '.join(there) or 'no folder'}: set data.image_folder and data.mask_folder to two of them."
            )
        found.append(folder / called[0])
    return found[0], found[1]


def list_pairs(image_folder: Path, mask_folder: Path) -> list[Pair]:
    """The images of a folder, each with the mask of its name in another; 2.png comes before 10.png.

    The kinds of the two files, such as .png and .TIF, may differ, and all masks may end in one of ``ENDINGS``, such as
    2_mask.png for 2.png; what is no image is passed over, and told.

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
    masks = _without_ending(masks, images)
    if alone := sorted((images.get(stem) or masks[stem] for stem in images.keys() ^ masks.keys()), key=_by_number):
        folder = mask_folder if alone[0].parent == image_folder else image_folder
        raise LabError(
            f"{alone[0]} has no partner {folder / alone[0].name}; each image must have its mask, but there are "
            f"{len(images)} images and {len(masks)} masks: add what is missing, or take {alone[0].name} away."
        )
    return [(image, masks[image.stem]) for image in sorted(images.values(), key=_by_number)]


def _without_ending(masks: dict[str, Path], images: Sequence[str] | dict[str, Path]) -> dict[str, Path]:
    """Masks by the names of their images, where all of them have an ending that says mask."""
    for ending in ENDINGS:
        if all(stem.endswith(ending) and stem not in images for stem in masks):
            return {stem.removesuffix(ending): path for stem, path in masks.items()}
    return masks


def _by_number(path: Path) -> list[str | int]:
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", path.name)]
