"""What the status of a run of a sweep tells of its end, of who does it, and of its last checkpoint."""

import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from grid_runs import write_config

from lab.commands.command_line import CommandLine
from lab.sweeps.process import this_process
from lab.sweeps.status import is_under_way, last_checkpoint, read_status

WORDS = ["fit", "--config", "configs/x.yaml", "--test_after_fit=true", "--model.net.hidden_dims=[5]"]
HERE, GONE = this_process(), {**this_process(), "since": "another"}


def a_checkpoint(root: Path, version: int = 0) -> Path:
    path = root / f"version_{version}" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


@pytest.fixture
def slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of a cluster."""
    monkeypatch.setattr("lab.sweeps.status.has_slurm", lambda: True)


def test_a_status_that_is_just_being_written_is_of_a_running_run(tmp_path: Path) -> None:
    (tmp_path / "s.json").touch()
    assert read_status(tmp_path / "s.json") == {"state": "running"}
    assert read_status(tmp_path / "t.json") == {"state": "waiting"}
    assert is_under_way({"state": "running"}, set()) is None and last_checkpoint({"state": "running"}) is None


@pytest.mark.parametrize(
    ("status", "goes_on"),
    [
        ({"state": "stopped"}, True),
        ({"state": "running"}, True),
        ({"state": "failed", "lost": True}, True),
        ({"state": "failed"}, False),
        ({"state": "done"}, False),
    ],
)
def test_what_did_not_come_to_its_end_has_a_checkpoint_to_go_on_from(
    tmp_path: Path, status: dict[str, Any], goes_on: bool
) -> None:
    own, earlier = a_checkpoint(tmp_path, 0), a_checkpoint(tmp_path, 1)
    status["checkpoint"] = str(earlier)
    assert last_checkpoint(status) == (earlier if goes_on else None)  # where it was gone on from
    status["run"] = str(own.parent.parent)
    assert last_checkpoint(status) == (own if goes_on else None)
    own.unlink()
    assert last_checkpoint(status) is None


def test_the_folder_of_a_killed_run_is_found_by_what_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_config(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "7")  # of the run; what looks for it is another job, or none
    typed = CommandLine.read(WORDS, ["fit"], {}).typed
    monkeypatch.delenv("SLURM_JOB_ID")
    began = time.time()
    checkpoints = [a_checkpoint(Path("runs", "x"), version) for version in range(4)]
    others = {2: {**typed, "values": {}}}
    for version, checkpoint in enumerate(checkpoints):
        overrides = checkpoint.parent.parent / "overrides.yaml"
        overrides.write_text(yaml.safe_dump(others.get(version, typed)))
        os.utime(overrides, (began + 5, began + 5))
    checkpoints[3].unlink()  # it was killed before it saved anything
    status = {"state": "running", "words": WORDS, "checkpoint": "", "began": began}
    assert last_checkpoint(status) == checkpoints[1]
    assert last_checkpoint({**status, "began": began + 9}) is None  # those are older
    assert last_checkpoint({**status, "words": [*WORDS, "--trainer.default_root_dir=elsewhere"]}) is None
    Path("configs/x.yaml").unlink()
    assert last_checkpoint(status) is None


@pytest.mark.parametrize(
    ("status", "under_way"),
    [
        ({"state": "running", "process": HERE}, True),
        ({"state": "running", "process": GONE}, False),
        ({"state": "running", "process": {**HERE, "host": "another"}}, None),
        ({"state": "failed", "lost": True, "process": GONE}, False),
        ({"state": "failed", "process": HERE}, False),
        ({"state": "stopped", "process": HERE}, False),  # its worker is about to end
        ({"state": "done", "slurm_job": "12_1"}, False),
        ({"state": "waiting", "slurm_job": "12_1"}, True),
        ({"state": "stopped", "slurm_job": "12_1"}, True),
        ({"state": "running", "slurm_job": "12_2"}, False),
    ],
)
def test_a_run_is_under_way_while_its_process_or_its_job_is(
    slurm: None, status: dict[str, Any], under_way: bool | None
) -> None:
    assert is_under_way(status, {"12_1"}) is under_way


def test_where_slurm_does_not_answer_a_run_may_be_under_way_and_without_slurm_nobody_knows(
    slurm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = {"state": "running", "slurm_job": "12_2"}
    assert is_under_way(status, None) is True
    monkeypatch.setattr("lab.sweeps.status.has_slurm", lambda: False)  # a machine beside the cluster, with its files
    assert is_under_way(status, set()) is None
