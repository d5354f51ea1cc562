"""Sequences of rows of a table, cut by time and into windows.

Letters: T steps, I inputs.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from datamodules.tables import Table
from lab.errors import LabError


@dataclass(frozen=True)
class Sample:
    """Some rows of a sequence: inputs (T, I), targets (T, 1) if there are any, and the lines of the file."""

    values: Tensor
    targets: Tensor | None
    sequence: str
    lines: list[int]

    @property
    def name(self) -> str:
        """Its sequence, where there are several, and its lines."""
        lines = f"lines {self.lines[0]} to {self.lines[-1]}"
        return f"{self.sequence}, {lines}" if self.sequence else lines

    def part(self, start: int, stop: int) -> "Sample":
        """Its rows from ``start`` on, up to ``stop``."""
        targets = None if self.targets is None else self.targets[start:stop]
        return Sample(self.values[start:stop], targets, self.sequence, self.lines[start:stop])


def numeric_columns(table: Table, but: Collection[str | None]) -> list[str]:
    """The columns whose first cell is a number, in their order, without some."""
    return [name for name, cells in table.columns.items() if name not in but and _is_number(cells[0])]


def sequences_of(
    table: Table, inputs: list[str], target: str | None, sequence: str | None, horizon: int
) -> list[Sample]:
    """The rows of each sequence in the order of the file, with the target that comes ``horizon`` rows later.

    Args:
        table: the rows.
        inputs: columns that are read.
        target: the column to be told; None where there is none.
        sequence: the column that tells sequences apart; None where all rows are one.
        horizon: rows from an input to its target, ≥ 0; the last ones of a sequence have none, and are left out.

    Raises:
        LabError: when a column is missing, a cell holds no number, or a sequence has no more rows than ``horizon``.
    """
    values = table.numbers(inputs, "data.inputs")
    targets = None if target is None else table.numbers([target], "data.target")
    keys = [""] * len(table) if sequence is None else table.texts(sequence, "data.sequence")
    rows: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    found = []
    for key, of_key in rows.items():
        if len(of_key) <= horizon:
            raise LabError(
                f"{table.where(of_key[0])}: sequence {key or table.path.stem} has {len(of_key)} rows, but data.horizon "
                f"is {horizon}: lower it, or leave the sequence out."
            )
        kept = of_key[: len(of_key) - horizon]
        of_targets = None if targets is None else targets[of_key[horizon:]]
        found.append(Sample(values[kept], of_targets, key, [table.lines[row] for row in kept]))
    return found


def cut_windows(sequence: Sample, window: int | None, stride: int) -> list[Sample]:
    """Windows of so many rows, one every ``stride`` rows; the whole sequence when ``window`` is None."""
    if window is None:
        return [sequence]
    starts = range(0, len(sequence.lines) - window + 1, stride)
    return [sequence.part(start, start + window) for start in starts]


def split_by_time(
    sequences: list[Sample], fractions: Mapping[str, float], path: Path, window: int, horizon: int
) -> dict[str, list[Sample]]:
    """The first rows of each sequence to train, the next to validate, the last to test; no split has another's targets.

    Args:
        sequences: in the order of time.
        fractions: the shares of "val" and "test".
        path: the file, for what is told.
        window: rows that each part of some sequence must have.
        horizon: rows from an input to its target, which are left out before a cut.

    Raises:
        LabError: when a split has no window in any sequence.
    """
    splits: dict[str, list[Sample]] = {"train": [], "val": [], "test": []}
    for sequence in sequences:
        length = len(sequence.lines)
        shares = (0.0, 1 - fractions["val"] - fractions["test"], 1 - fractions["test"])
        ends = [*(round(length * share) for share in shares), length + horizon]
        for split, (start, stop) in zip(splits, pairwise(ends), strict=True):
            splits[split].append(sequence.part(start, max(start, stop - horizon)))
    for split, parts in splits.items():
        longest = max(len(part.lines) for part in parts)
        if longest < window:
            raise LabError(
                f"{path}: the split {split} has {longest} rows of a sequence at most, but data.window is {window}: "
                f"lower it, or give {split} a larger fraction."
            )
    return splits


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
