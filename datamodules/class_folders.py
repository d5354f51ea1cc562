"""Which image files there are, and of which class: a folder a class, or a table of file and label."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datamodules.file_tables import read_table
from datamodules.image_files import list_images
from datamodules.own_splits import complete_splits, split_folders, split_of_row
from lab.errors import LabError, nearest

LabelledFile = tuple[Path, int]


@dataclass(frozen=True)
class Listing:
    """Files of images with the numbers of their classes, by split.

    Args:
        class_names: the name of each class; those of the training images.
        splits: the files of "train", "val" and "test".
    """

    class_names: tuple[str, ...]
    splits: dict[str, list[LabelledFile]]


def list_class_folders(folder: Path, fractions: Mapping[str, float], seed: int) -> Listing:
    """The images of a folder: of train, val and test within it, or else of one folder a class.

    Splits that have no folder are drawn from the training images, each class giving its share.

    Args:
        folder: with a folder a class, or with folders called like splits that have them.
        fractions: shares of "val" and "test" where they have no folder.
        seed: seed of the draw.

    Raises:
        LabError: when there are fewer than two classes, an empty one, or one that is unknown in training.
    """
    folders = split_folders(folder) or {"train": folder}
    found = {split: _by_class(of_split) for split, of_split in folders.items()}
    named = {
        split: [(path, name) for name, paths in classes.items() for path in paths] for split, classes in found.items()
    }
    for split, classes in found.items():
        for name, paths in classes.items():
            if not paths:
                raise LabError(
                    f"{folders[split] / name} must hold images of its class, but holds none: add some, or take the "
                    f"folder away."
                )
            if name not in found["train"]:
                raise LabError(
                    f"{folders[split] / name} is no class of the training images, {_some(found['train'])}"
                    f"{nearest(name, found['train'])}: rename the folder or take it away."
                )
    return _listing(named, tuple(found["train"]), fractions, seed, folders["train"])


def list_table(table: Path, fractions: Mapping[str, float], seed: int) -> Listing:
    """The images of a table with the columns file and label, and split where a person has chosen the splits.

    Raises:
        LabError: when a row is wrong, or there are fewer than two classes.
    """
    rows = read_table(table, ["file"], ["label"])
    named: dict[str, list[tuple[Path, str]]] = {}
    for row in rows:
        named.setdefault(split_of_row(row) or "train", []).append((row.files["file"], row.values["label"]))
    if "train" not in named:
        raise LabError(f'{table} must have rows of the split "train", but has none.')
    known = _sorted_names({label for _, label in named["train"]})
    for row in rows:
        if (label := row.values["label"]) not in known:
            raise LabError(
                f'{row.place}: the label "{label}" is no class of the training images, {_some(known)}'
                f"{nearest(label, known)}: mend the row, or add training images of the class."
            )
    return _listing(named, known, fractions, seed, table)


def _listing(
    named: dict[str, list[tuple[Path, str]]],
    class_names: tuple[str, ...],
    fractions: Mapping[str, float],
    seed: int,
    place: Path,
) -> Listing:
    if len(class_names) < 2:
        held = f'the class "{class_names[0]}" alone' if class_names else "none"
        raise LabError(
            f"{place} must hold two classes at least, but holds {held}: put the images of each class in a folder of "
            f"its own, or set data.root and data.folder to the folder above."
        )
    groups = [name for _, name in named["train"]]
    complete = complete_splits(named, fractions, seed, groups)
    number = {name: label for label, name in enumerate(class_names)}
    return Listing(
        class_names,
        {split: [(path, number[name]) for path, name in complete[split]] for split in ("train", "val", "test")},
    )


def _by_class(folder: Path) -> dict[str, list[Path]]:
    """The images of each class of a folder, by the name of the class."""
    if not folder.is_dir():
        raise LabError(f"the folder {folder} does not exist: set data.root (or ARCHLAB_DATA) and data.folder.")
    classes = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    loose = list_images(folder) if not classes else []
    if loose:
        raise LabError(
            f"{folder} holds {len(loose)} images, but no folder for each class: sort them into folders named after "
            f"their classes, or give a table of file and label by data.table."
        )
    by_name = {path.name: path for path in classes}
    return {name: list_images(by_name[name]) for name in _sorted_names(by_name)}


def _sorted_names(names: Sequence[str] | set[str] | dict[str, Path]) -> tuple[str, ...]:
    """Names of classes in the order of their numbers where all are numbers, else of their letters."""
    if all(re.fullmatch(r"\d+", name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _some(names: Sequence[str] | dict[str, list[Path]]) -> str:
    return ", ".join(list(names)[:10]) + (", …" if len(names) > 10 else "")
