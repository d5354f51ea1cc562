"""A table of files, a row each: what a person's CSV says of them, and the row that is wrong."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError, nearest

DELIMITERS = ",;\t"


@dataclass(frozen=True)
class FileRow:
    """A row of a table.

    Args:
        place: the table and the line, to be named in a message.
        files: the files of the row, by the columns that name them.
        values: the other cells, by their columns; None where the table lacks an optional column.
    """

    place: str
    files: dict[str, Path]
    values: dict[str, str | None]


def read_table(
    path: Path, file_columns: Sequence[str], columns: Sequence[str], optional: Sequence[str] = ("split",)
) -> list[FileRow]:
    """The rows of a CSV in UTF-8 whose first line names its columns; commas, semicolons or tabs part the cells.

    Files are named relative to the folder of the table. Other columns and blank lines are passed over.

    Args:
        path: the table.
        file_columns: columns that name a file, which must be there; no file may stand in two rows.
        columns: further columns, whose cells may not be empty.
        optional: columns that may be missing.

    Raises:
        LabError: when the table is missing or no text, lacks a column or a row, or a row is wrong; the row is named.
    """
    lines = _read_lines(path)
    delimiter = max(DELIMITERS, key=lines[0].count)
    header, *records = list(csv.reader(lines, delimiter=delimiter))
    names = [name.strip().lower() for name in header]
    for column in (*file_columns, *columns):
        if column not in names:
            raise LabError(
                f"{path} must have the columns {', '.join((*file_columns, *columns))}, but its first line names "
                f"{', '.join(header)}{nearest(column, names)}: name the columns in the first line."
            )
    rows = []
    for line, record in enumerate(records, start=2):
        if any(cell.strip() for cell in record):
            place = f"{path}, line {line}"
            cells = {name: cell.strip() for name, cell in zip(names, record, strict=False)}
            rows.append(_row(place, path.parent, cells, file_columns, columns, optional))
    if not rows:
        raise LabError(f"{path} must hold a row for each file below its first line, but holds none.")
    _check_repeats(rows)
    return rows


def _read_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise LabError(f"the table {path} does not exist: set data.table to a CSV of files.") from error
    except (OSError, UnicodeError) as error:
        raise LabError(f"{path} is no table in UTF-8: save it as a CSV in UTF-8.") from error
    if not lines or not lines[0].strip():
        raise LabError(f"{path} must name its columns in the first line, but the line is empty.")
    return lines


def _row(
    place: str,
    folder: Path,
    cells: dict[str, str],
    file_columns: Sequence[str],
    columns: Sequence[str],
    optional: Sequence[str],
) -> FileRow:
    for column in (*file_columns, *columns):
        if not cells.get(column):
            raise LabError(f'{place}: the cell "{column}" is empty, but each row needs one: fill it in.')
    files = {column: folder / Path(cells[column]).expanduser() for column in file_columns}
    for column, file in files.items():
        if not file.is_file():
            raise LabError(f"{place}: the {column} {file} does not exist: mend the row or take it away.")
    return FileRow(place, files, {column: cells.get(column) for column in (*columns, *optional)})


def _check_repeats(rows: Sequence[FileRow]) -> None:
    seen: dict[Path, str] = {}
    for row in rows:
        file = next(iter(row.files.values()))
        if file in seen:
            raise LabError(
                f"{row.place} names {file} again, which {seen[file]} has named already: take one of the rows away."
            )
        seen[file] = row.place
