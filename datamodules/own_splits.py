"""How data of a person's own are split: by folders, by a column of a table, or by fractions and a seed."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import torch

from datamodules.file_tables import FileRow
from lab.errors import LabError

Sample = TypeVar("Sample")
WORDS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}


def split_called(word: str) -> str | None:
    """The split that a word stands for, in letters of any case; None where it stands for none."""
    return next((split for split, words in WORDS.items() if word.lower() in words), None)


def split_folders(folder: Path) -> dict[str, Path]:
    """The folders of a folder that are called like splits, by the splits; none where there is no training split.

    Raises:
        LabError: when two stand for the same split.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        split = split_called(path.name) if path.is_dir() else None
        if split and (other := found.setdefault(split, path)) is not path:
            raise LabError(
                f"{folder} must hold one folder of the {split} split, but holds {other.name} and {path.name}: rename "
                f"one of them."
            )
    return found if "train" in found else {}


def split_of_row(row: FileRow) -> str | None:
    """The split that a row of a table names; None where the table has no such column.

    Raises:
        LabError: when the word is no split.
    """
    word = row.values["split"]
    if word is None:
        return None
    if split := split_called(word):
        return split
    raise LabError(f'{row.place}: the split is "{word}", but must be train, val or test: mend the row.')


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Raise ValueError unless both fractions are in (0, 1), and leave something to train on."""
    for name, value in {"val_fraction": val_fraction, "test_fraction": test_fraction}.items():
        if not 0 < value < 1:
            raise ValueError(f"{name} must be in (0, 1), but it is {value}.")
    if val_fraction + test_fraction >= 1:
        raise ValueError(
            f"val_fraction and test_fraction must leave something to train on, but they are {val_fraction} and "
            f"{test_fraction}."
        )


def complete_splits(
    splits: Mapping[str, Sequence[Sample]],
    fractions: Mapping[str, float],
    seed: int,
    groups: Sequence[Hashable] | None = None,
    name_of: str = "the data",
) -> dict[str, list[Sample]]:
    """Splits with those that are missing drawn from the training samples, at random by the seed, without repeats.

    Args:
        splits: the samples of each split that there is, with "train".
        fractions: the share of the training samples that "val" and "test" get where they are missing.
        seed: of the draw.
        groups: the class of each training sample; each class gives its share, and at least one sample.
        name_of: what has too few samples, when that is told of samples without classes.

    Raises:
        LabError: when a class, or the data, have too few samples to give each split one.
    """
    missing = [split for split in ("test", "val") if split not in splits]
    if not missing:
        return {split: list(samples) for split, samples in splits.items()}
    train = splits["train"]
    groups = groups or len(train) * [None]
    drawn: dict[str, list[int]] = {split: [] for split in (*missing, "train")}
    generator = torch.Generator().manual_seed(seed)
    for group in dict.fromkeys(groups):
        members = [number for number, of in enumerate(groups) if of == group]
        if len(members) <= len(missing):
            what = name_of if group is None else f'the class "{group}"'
            raise LabError(
                f"{what} has {len(members)} sample{'s' * (len(members) != 1)} to train on, but needs "
                f"{len(missing) + 1} to give one to each of train, {' and '.join(missing)}: add some, or make "
                f"folders train, val and test."
            )
        order = [members[number] for number in torch.randperm(len(members), generator=generator).tolist()]
        for place, split in enumerate(missing, start=1):
            most = len(order) - (len(missing) - place) - 1  # one is left for each that follows, and to train
            count = min(max(1, round(fractions[split] * len(members))), most)
            drawn[split] += order[:count]
            order = order[count:]
        drawn["train"] += order
    taken = {split: [train[number] for number in sorted(numbers)] for split, numbers in drawn.items()}
    return {**{split: list(samples) for split, samples in splits.items()}, **taken}


def check_ranges(val_range: Sequence[int] | None, test_range: Sequence[int] | None) -> None:
    """Raise ValueError unless there are two ranges that share no sample, or none."""
    ranges = {"val_range": val_range, "test_range": test_range}
    if all(value is None for value in ranges.values()):
        return
    for name, value in ranges.items():
        if value is None or len(value) != 2 or not 0 <= value[0] < value[1]:
            raise ValueError(
                f"val_range and test_range must both be two numbers, the first sample and the one behind the last, "
                f"such as [20, 25], but {name} is {value}."
            )
    (val, val_end), (test, test_end) = ranges.values()
    if val < test_end and test < val_end:
        raise ValueError(f"val_range and test_range must share no sample, but are {val_range} and {test_range}.")


def split_ranges(
    splits: Mapping[str, Sequence[Sample]], ranges: Mapping[str, Sequence[int]], name_of: str
) -> dict[str, list[Sample]]:
    """The samples of each range, and the rest to train on.

    Args:
        splits: all samples as "train", in their order.
        ranges: the first sample of "val" and "test", and the one behind the last.
        name_of: what the samples are of.

    Raises:
        LabError: when the data have splits of their own, or too few samples for the ranges.
    """
    samples, last = splits["train"], max(end for _, end in ranges.values())
    taken = sum(end - first for first, end in ranges.values())
    if {*splits} != {"train"}:
        raise LabError(f"{name_of} has a {max(splits)} split of its own: leave out data.val_range and data.test_range.")
    if last > len(samples) or taken >= len(samples):
        raise LabError(
            f"{name_of} has {len(samples)} samples, 0 … {len(samples) - 1}, which are too few for val_range "
            f"{ranges['val']} and test_range {ranges['test']} and one to train on: choose smaller ranges."
        )
    split_of = {number: split for split, (first, end) in ranges.items() for number in range(first, end)}
    chosen: dict[str, list[Sample]] = {"train": [], "val": [], "test": []}
    for number, sample in enumerate(samples):
        chosen[split_of.get(number, "train")].append(sample)
    return chosen
