"""Texts with classes in files of one's own: a table, or a text file for each class."""

from collections.abc import Mapping
from pathlib import Path

from datamodules.listing import by_stem, list_files, tell_once
from datamodules.tables import read_table
from lab.errors import LabError

TEXT = (".txt",)


def read_lists(path: Path, text_column: str, label_column: str) -> Mapping[str, list[str]]:
    """The texts of each class: of a CSV file with a column of each, or of a folder of ``<Class>.txt``, one a line.

    Raises:
        LabError: when there are fewer than two classes, or a row is wrong; says which.
    """
    lists = _folder(path) if path.is_dir() else _table(path, text_column, label_column)
    if len(lists) < 2:
        raise LabError(
            f"{path} must hold texts of at least two classes, but has {', '.join(lists)} alone: add another."
        )
    return lists


def read_texts(path: Path, option: str = "names", text_column: str = "text") -> list[str]:
    """Texts without classes: the column of a CSV file, or of a text file the lines but blank ones and comments (#).

    Args:
        path: the file.
        option: the argument that names it.
        text_column: of a CSV file.

    Raises:
        LabError: when the file is not there, has no text, or is no text in UTF-8.
    """
    if path.suffix.lower() == ".csv":
        return read_table(path).texts(text_column, "data.text_column")
    try:
        text = path.read_text(encoding="utf-8-sig")
        if "\0" in text:
            raise UnicodeError("text in UTF-16")
    except (UnicodeError, IsADirectoryError) as error:
        raise LabError(f"{path} is no text in UTF-8 with one name a line: save it as such.") from error
    except OSError as error:
        remedy = f'a name itself goes in brackets: --data.{option} "[{path}]"'
        if str(path).startswith("["):
            remedy = "these brackets are no list to YAML: put a name that begins with an apostrophe in double quotes"
        raise LabError(f'the file of names "{path}" does not exist; {remedy}.') from error
    lines = (line.strip() for line in text.splitlines())
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise LabError(f"{path} must hold names, one a line, but it is empty.")
    return names


def _folder(path: Path) -> dict[str, list[str]]:
    files = by_stem(list_files(path, TEXT, "text files"))
    if not files:
        raise LabError(f"{path} must hold text files such as Italian.txt, one text a line, but holds none.")
    return {name: read_texts(file) for name, file in files.items()}


def _table(path: Path, text_column: str, label_column: str) -> dict[str, list[str]]:
    table = read_table(path)
    texts, labels = table.texts(text_column, "data.text_column"), table.texts(label_column, "data.label_column")
    lists: dict[str, list[str]] = {label: [] for label in sorted(set(labels))}
    first: dict[tuple[str, str], int] = {}
    repeats = []
    for row, (text, label) in enumerate(zip(texts, labels, strict=True)):
        for name, cell in ((text_column, text), (label_column, label)):
            if not cell:
                raise LabError(f'{table.where(row)}, column "{name}" is empty: fill the cell, or leave out the row.')
        lists[label].append(text)
        if first.setdefault((text, label), row) != row:
            repeats.append(row)
    if repeats:
        row = repeats[0]
        line = table.lines[first[texts[row], labels[row]]]
        tell_once(f'{table.where(row)} repeats "{texts[row]}" of line {line}; there are {len(repeats)} such rows.')
    return lists
