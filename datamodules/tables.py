"""Tables in CSV files, whose mistakes are told with the file, the line and the column.

Letters: N rows, K columns.
"""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from datamodules.listing import tell_once
from lab.errors import LabError, nearest

DELIMITERS = ",;\t"


@dataclass(frozen=True)
class Table:
    """The cells of a CSV file as text, column by column.

    Args:
        path: the file.
        columns: the N cells of each column by its name, in the order of the file.
        lines: the line of the file that each row ends on, (N,), counted from 1; the header is line 1.
    """

    path: Path
    columns: dict[str, list[str]]
    lines: list[int]

    def __len__(self) -> int:
        return len(self.lines)

    def texts(self, name: str, option: str) -> list[str]:
        """The cells of a column.

        Args:
            name: its name.
            option: the argument that names it, such as "data.target".

        Raises:
            LabError: when there is no such column.
        """
        if name not in self.columns:
            raise LabError(
                f'{self.path} must have the column "{name}", but has {", ".join(self.columns)}: rename one, or set '
                f"{option}{nearest(name, self.columns)}"
            )
        return self.columns[name]

    def numbers(self, names: Sequence[str], option: str) -> Tensor:
        """Columns of finite numbers.

        Shapes:
            K names -> (N, K) of torch's default type

        Raises:
            LabError: when there is no such column, or a cell holds no finite number.
        """
        columns = [
            [self._number(cell, row, name) for row, cell in enumerate(self.texts(name, option))] for name in names
        ]
        return torch.tensor(columns, dtype=torch.float64).view(len(names), len(self)).T.to(torch.get_default_dtype())

    def where(self, row: int) -> str:
        """The file and the line of a row, counted from 0."""
        return f"{self.path}, line {self.lines[row]}"

    def _number(self, cell: str, row: int, name: str) -> float:
        try:
            value = float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            found = f'"{cell}"' if cell else "empty"
            raise LabError(
                f'{self.where(row)}, column "{name}" must hold a finite number, but it is {found}: mend the cell, or '
                f"leave out the row or the column."
            )
        return value


def read_table(path: Path) -> Table:
    """Read a CSV file with a header; cells are separated by commas, semicolons or tabs and stripped of blanks.

    Raises:
        LabError: when the file is not there, is no text in UTF-8, has no rows, names a column twice, or has a row of
            another length than its header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(DELIMITERS, key=first.count))
            rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row))]
    except (UnicodeError, csv.Error) as error:
        raise LabError(f"{path} is no CSV file in UTF-8 ({error}): save it as such.") from error
    except OSError as error:
        raise LabError(f"the table {path} cannot be read ({error.strerror}): check data.path.") from error
    if len(rows) < 2:
        raise LabError(f"{path} must hold a header and rows, but it holds {len(rows)} lines: fill it.")
    (_, header), *body = rows
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise LabError(f'{path} names the column "{twice}" twice: rename one of them.')
    for line, row in body:
        if len(row) != len(header):
            raise LabError(f"{path}, line {line} has {len(row)} cells, but the header has {len(header)}: mend the row.")
    columns = {name: [row[place] for _, row in body] for place, name in enumerate(header)}
    return Table(path, columns, [line for line, _ in body])


def tell_constant(source: Path, names: Sequence[str], values: Tensor, option: str) -> None:
    """Say once which columns have one value in all rows, from which nothing can be learnt.

    Shapes:
        K names, values (N, K)
    """
    constant = [name for name, column in zip(names, values.T, strict=True) if bool((column == column[0]).all())]
    if constant and len(values) > 1:
        listed = ", ".join(f'"{name}"' for name in constant)
        tell_once(f"{source}: {listed} is the same in all {len(values)} rows, and tells nothing: see {option}.")
