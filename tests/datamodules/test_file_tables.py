"""A person's table is read row by row, and the row that is wrong is named."""

from pathlib import Path

import pytest

from datamodules.file_tables import read_table
from lab.errors import LabError


def write(folder: Path, content: str | bytes) -> Path:
    for name in ("a.png", "b, c.png"):
        (folder / name).write_bytes(b"")
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_cells_are_parted_by_commas_semicolons_or_tabs(tmp_path: Path, delimiter: str, end: str) -> None:
    lines = [["\ufeffLABEL", "note", " File "], ["x y", "1", "a.png"], [], ["z", "2", '"b, c.png"']]
    path = write(tmp_path, end.join(delimiter.join(line) for line in lines))
    rows = read_table(path, ["file"], ["label"])
    assert [row.files["file"] for row in rows] == [tmp_path / "a.png", tmp_path / "b, c.png"]
    assert [row.values for row in rows] == [{"label": "x y", "split": None}, {"label": "z", "split": None}]
    assert rows[1].place == f"{path}, line 4"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "file,labels\na.png,x",
            r'must have the columns file, label, but .* names file, labels; did you mean "labels"',
        ),
        ("file,label\n\n,\n", r"must hold a row for each file below its first line, but holds none"),
        ("", r"must name its columns in the first line, but the line is empty"),
        ("file,label\na.png,", r'table\.csv, line 2: the cell "label" is empty, but each row needs one: fill it in'),
        ("file,label\na.png", r'table\.csv, line 2: the cell "label" is empty'),
        ("file,label\na.png,x\nno.png,y", r"line 3: the file .*/no\.png does not exist: mend the row or take it away"),
        ("file,label\na.png,x\n\na.png,y", r"line 4 names .*a\.png again, which .*line 2 has named already: take one"),
        (b"file,label\na.png,\xff", r"table\.csv is no table in UTF-8: save it as a CSV in UTF-8"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    with pytest.raises(LabError, match=message):
        read_table(write(tmp_path, content), ["file"], ["label"])


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"the table .*/no\.csv does not exist: set data\.table to a CSV of files"):
        read_table(tmp_path / "no.csv", ["file"], ["label"])
