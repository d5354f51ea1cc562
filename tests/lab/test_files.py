"""A file is whole or not there."""

import pytest

from lab.files import atomic_write


def test_the_file_appears_when_the_block_ends_well(tmp_path):
    path = tmp_path / "new" / "x.txt"
    with atomic_write(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert [file.name for file in path.parent.iterdir()] == ["x.txt"]


def test_what_was_there_stays_when_it_ends_badly(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError), atomic_write(path) as part:
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    path, synced = tmp_path / "x.txt", []
    monkeypatch.setattr("lab.files.os.fsync", lambda handle: synced.append(path.exists()))
    with atomic_write(path) as part:
        part.write_text("whole")
    assert synced == [False] and path.exists()
