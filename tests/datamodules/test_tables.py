"""CSV files, and the file, line and column of what is wrong in them."""

from pathlib import Path

import pytest
import torch

from datamodules import tables
from datamodules.tables import read_table, tell_constant
from lab.errors import LabError


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_cells_are_read_with_their_lines(tmp_path: Path, delimiter: str) -> None:
    found = read_table(table(tmp_path, '\ufeffid,a b\n1, 2 \n\n"two\nlines",3\n'.replace(",", delimiter)))
    assert found.columns == {"id": ["1", "two\nlines"], "a b": ["2", "3"]} and found.lines == [2, 5]
    assert torch.equal(found.numbers(["a b"], "data.features"), torch.tensor([[2.0], [3.0]]))


MISTAKES = {
    r"own\.csv must hold a header and rows, but it holds 1 lines: fill it\.": "a,b\n",
    r'own\.csv names the column "a" twice: rename one of them\.': "a,a\n1,2\n",
    r"own\.csv, line 3 has 3 cells, but the header has 2: mend the row\.": "a,b\n1,2\n1,2,3\n",
    r'own\.csv, line 3, column "b" must hold a finite number, but it is "nan"': "a,b\n1,2\n1,nan\n",
    r'own\.csv, line 2, column "b" must hold a finite number, but it is empty': "a,b\n1,\n",
    r'own\.csv, line 2, column "b" must hold a finite number, but it is "x"': "a,b\n1,x\n",
    r'own\.csv must have the column "b", but has a, bb: rename one, or set data\.features; did you mean "bb"\?': (
        "a,bb\n1,2\n"
    ),
}


@pytest.mark.parametrize(("message", "text"), MISTAKES.items(), ids=list(MISTAKES))
def test_a_mistake_is_told_with_its_place(tmp_path: Path, message: str, text: str) -> None:
    with pytest.raises(LabError, match=message):
        read_table(table(tmp_path, text)).numbers(["b"], "data.features")


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"the table .*none\.csv cannot be read \(No such file or directory\)"):
        read_table(tmp_path / "none.csv")
    (tmp_path / "own.csv").write_bytes(b"a,b\n\xff,1\n")
    with pytest.raises(LabError, match=r"own\.csv is no CSV file in UTF-8 .*: save it as such\."):
        read_table(tmp_path / "own.csv")


def test_columns_of_one_value_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(tables, "tell_once", told.append)
    values = torch.tensor([[1.0, 2.0, 0.0], [1.0, 3.0, 0.0]])
    tell_constant(Path("own.csv"), ["a", "b", "c"], values, "data.features")
    tell_constant(Path("own.csv"), ["b"], values[:, 1:2], "data.features")
    assert told == ['own.csv: "a", "c" is the same in all 2 rows, and tells nothing: see data.features.']
