"""The fingerprint of files of data: equal for equal files wherever they lie, and another for others."""

import gzip
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from datamodules import DigitsDataModule, GaussianDataModule, SurnamesDataModule
from lab.training.fingerprints import describe_data, fingerprint, fingerprint_of, usual_fingerprint


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "inner").mkdir(parents=True)
    for number in range(3):
        (folder / "inner" / f"{number}.png").write_bytes(bytes([number]) * 100)
    (folder / "labels").write_bytes(b"0123")
    return folder


def test_a_moved_and_a_packed_copy_are_the_same(data: Path, tmp_path: Path) -> None:
    held = fingerprint_of(data)
    moved = shutil.move(shutil.copytree(data, tmp_path / "copy"), tmp_path / "elsewhere")
    (moved / ".DS_Store").touch()
    (moved / "inner" / "0.png").rename(moved / "inner" / "0.PNG")
    (moved / "labels.gz").write_bytes(gzip.compress(b"0123"))
    assert fingerprint_of(moved) == held  # also with both
    (moved / "labels").unlink()
    assert fingerprint_of(moved) == held and len(held) == 64


@pytest.mark.parametrize("change", ["more", "fewer", "larger", "other", "renamed"])
def test_other_files_have_another(data: Path, change: str) -> None:
    held, path = fingerprint_of(data), data / "inner" / "1.png"
    if change == "more":
        (data / "3.png").write_bytes(b"3")
    elif change == "fewer":
        path.unlink()
    elif change == "renamed":
        path.rename(data / "inner" / "9.png")
    else:
        path.write_bytes(b"9" * (101 if change == "larger" else 100))
    assert fingerprint_of(data) != held


def test_what_has_no_files_has_none(tmp_path: Path) -> None:
    assert fingerprint_of(tmp_path / "nowhere") is None
    for datamodule in (DigitsDataModule(), GaussianDataModule()):
        assert fingerprint(datamodule, {"class_path": "D", "init_args": {"seed": 0, "name": ""}}) is None
    (tmp_path / "names").mkdir()
    (tmp_path / "names" / "Elvish.txt").write_text("Elrond")
    for source, found in (("faker", False), ("files", True)):
        assert bool(fingerprint(SurnamesDataModule(source, root=str(tmp_path)), {})) == found


def test_data_of_other_people_are_known_by_what_their_arguments_name(data: Path) -> None:
    own = {"class_path": "mine.Data", "init_args": {"place": str(data), "size": 3, "word": "cat"}}
    held = fingerprint(SimpleNamespace(), own)
    assert held and held != fingerprint(SimpleNamespace(), {**own, "init_args": {"place": str(data / "inner")}})


def test_a_typed_place_is_held_against_the_usual_one(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHLAB_DATA", str(data))
    typed = SimpleNamespace(folder=data.parent / "other" / "inner")
    given = {"init_args": {"root": str(data.parent / "other")}}
    assert usual_fingerprint(typed, given) == fingerprint_of(data / "inner")
    assert usual_fingerprint(typed, {"init_args": {"root": None}}) is None


def test_what_a_run_notes(data: Path) -> None:
    given = {"class_path": "D", "init_args": {"root": str(data), "seed": 3}}
    datamodule = SimpleNamespace(folder=data, datasets={"train": range(5), "val": range(2)}, name="Cats")
    noted = describe_data(datamodule, given, 2)
    assert noted["samples"] == {"train": 5, "val": 2} and noted["settings"] == {"data.seed": 3}
    assert (noted["class"], noted["name"], noted["processes"]) == ("D", "Cats", 2)
    assert noted["fingerprint"] == fingerprint_of(data)
