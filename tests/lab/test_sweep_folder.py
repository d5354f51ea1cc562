"""A sweep on disk: who does which run, how far each is, and which are gone on with."""

import json
from pathlib import Path

import pytest

from lab.sweep_folder import Run, SweepFolder, last_checkpoint, new_sweep_path, read_status, stopped_runs, to_continue


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    return SweepFolder(new_sweep_path(tmp_path / "x"), [Run("depth=1, a/b", ["--depth=1"]), Run("two", ["--depth=2"])])


def a_checkpoint(root: Path, version: int = 0) -> Path:
    path = root / f"version_{version}" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


def test_each_sweep_has_a_folder_of_its_own(tmp_path: Path) -> None:
    assert [new_sweep_path(tmp_path / "x").name for _ in range(11)] == [f"sweep_{number}" for number in range(11)]
    (tmp_path / "x" / "sweep_notes").mkdir()
    assert new_sweep_path(tmp_path / "x").name == "sweep_11"


def test_a_run_is_claimed_by_one_worker(folder: SweepFolder) -> None:
    assert folder.status(0) == {"state": "waiting"}
    assert folder.claim(0, 3) and not folder.claim(0, 4) and folder.claim(1, 4)
    assert [(status["state"], status["worker"]) for status in folder.statuses()] == [("running", 3), ("running", 4)]
    folder.end(0, "done", score="test/acc 1")
    status = folder.status(0)
    assert status["state"] == "done" and status["words"] == ["--depth=1"] and 0 <= status["seconds"] < 5
    assert status["score"] == "test/acc 1" and folder.log(0).name == "000_depth=1_a_b.log"


def test_a_status_that_is_just_being_written_is_of_a_running_run(tmp_path: Path) -> None:
    (tmp_path / "s.json").touch()
    assert read_status(tmp_path / "s.json") == {"state": "running"}


def test_a_stopped_run_is_gone_on_with_where_it_was_stopped_last(tmp_path: Path, folder: SweepFolder) -> None:
    root, first, second = tmp_path / "x", a_checkpoint(tmp_path / "x", 0), a_checkpoint(tmp_path / "x", 1)
    for number, checkpoint in enumerate((first, second)):
        folder.claim(number, 0)
        folder.end(number, "stopped", run=str(checkpoint.parent.parent))
    assert stopped_runs(root) == {("--depth=1",): first, ("--depth=2",): second}
    later = SweepFolder(new_sweep_path(root), folder.runs)
    later.claim(0, 0)
    later.end(0, "failed", run="")
    later.claim(1, 0)  # its process was killed: what it was before holds
    assert stopped_runs(root) == {("--depth=2",): second}
    second.unlink()
    assert stopped_runs(root) == {}


def test_a_task_that_begins_again_goes_on(tmp_path: Path, folder: SweepFolder) -> None:
    checkpoint = a_checkpoint(tmp_path)
    assert to_continue(folder, 0) is None
    folder.begin(0, None)
    assert to_continue(folder, 0) is None
    folder.end(0, "stopped", run=str(checkpoint.parent.parent))
    assert to_continue(folder, 0) == checkpoint
    folder.begin(0, checkpoint)  # and is killed
    assert to_continue(folder, 0) == checkpoint
    assert folder.runs[0].words_from(checkpoint) == ["--depth=1", f"--ckpt_path={checkpoint}"]


@pytest.mark.parametrize("state", ["done", "failed", "running", "waiting"])
def test_nothing_but_a_stopped_run_has_a_checkpoint_to_go_on_from(tmp_path: Path, state: str) -> None:
    run = a_checkpoint(tmp_path).parent.parent
    assert last_checkpoint(json.loads(json.dumps({"state": state, "run": str(run)}))) is None
