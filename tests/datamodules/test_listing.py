"""Files of a kind in whatever case, and what is passed over, told once."""

import warnings
from pathlib import Path

import pytest

from datamodules.listing import by_stem, find_file, has_files, list_files
from lab.errors import LabError


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def test_what_is_passed_over_is_counted_and_named_once(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt", "B.TXT", "Thumbs.db", "._a.txt", ".DS_Store", "c.csv", "no suffix", "d.txt.part")
    (tmp_path / "folder.txt").mkdir()
    message = rf"in {tmp_path} 7 of the entries are passed over, as no text files: \.DS_Store, \._a\.txt, Thumbs\.db, "
    with pytest.warns(UserWarning, match=message):
        found = list_files(tmp_path, (".txt",), "text files")
    assert [path.name for path in found] == ["B.TXT", "a.txt"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list_files(tmp_path, (".txt",), "text files") == found


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert list_files(tmp_path / "no", (".txt",), "text files") == [] and not has_files(tmp_path / "no", (".txt",))
    assert find_file(tmp_path / "no", "a.txt") is None


def test_two_files_of_one_stem_are_named(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.b.txt", "a.c.txt", "a.txt")]
    assert list(by_stem(paths)) == ["a.b", "a.c", "a"]
    with pytest.raises(LabError, match=r'must hold one file of the name "a", but holds a\.txt and a\.TXT: take one of'):
        by_stem([*paths, tmp_path / "a.TXT"])


def test_a_file_is_found_in_another_case_unless_there_are_two(tmp_path: Path) -> None:
    fill(tmp_path, "Labels.GZ", "list.txt", "LIST.txt", "twice.A", "TWICE.a")
    assert find_file(tmp_path, "labels.gz") == tmp_path / "Labels.GZ"
    assert find_file(tmp_path, "list.txt") == tmp_path / "list.txt" and find_file(tmp_path, "lists.txt") is None
    with pytest.raises(LabError, match=r"one file twice\.a, but holds TWICE\.a and twice\.A, which differ by the case"):
        find_file(tmp_path, "twice.a")
