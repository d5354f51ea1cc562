"""What the status of a run of a sweep tells of its end, of who does it, and of its last checkpoint."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from grid_runs import write_config

from lab.commands.command_line import CommandLine
from lab.sweeps.process import this_process
from lab.sweeps.status import RunStatus

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


def test_a_status_file_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    status = RunStatus(
        "done", WORDS, worker=0, process=HERE, began=3.5, seconds=0.0, run="runs/x/version_0", score="a 1"
    )
    path.write_text(status.to_json())
    assert RunStatus.read(path) == status
    assert json.loads(RunStatus("waiting", WORDS).to_json()) == {"state": "waiting", "words": WORDS}


def test_a_status_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    kept = {"state": "stopped", "words": WORDS, "checkpoint": "", "began": 3.5, "slurm_job": "12_1", "unknown": 1}
    path.write_text(json.dumps({**kept, "seconds": 2.5, "run": "", "error": ""}))
    assert RunStatus.read(path) == RunStatus("stopped", WORDS, slurm_job="12_1", began=3.5, seconds=2.5)


def test_a_status_that_is_just_being_written_is_of_a_running_run(tmp_path: Path) -> None:
    (tmp_path / "s.json").touch()
    running = RunStatus.read(tmp_path / "s.json")
    assert running == RunStatus("running") and not running.has_ended
    assert RunStatus.read(tmp_path / "t.json") == RunStatus("waiting")
    assert running.is_under_way(set()) is None and running.last_checkpoint() is None


@pytest.mark.parametrize(
    ("status", "resumes"),
    [
        (RunStatus("stopped"), True),
        (RunStatus("cancelled"), True),
        (RunStatus("running"), True),
        (RunStatus("failed", lost=True), True),
        (RunStatus("failed"), False),
        (RunStatus("done"), False),
    ],
)
def test_what_did_not_come_to_its_end_has_a_checkpoint_to_resume_from(
    tmp_path: Path, status: RunStatus, resumes: bool
) -> None:
    own, earlier = a_checkpoint(tmp_path, 0), a_checkpoint(tmp_path, 1)
    status = replace(status, checkpoint=str(earlier))
    assert status.last_checkpoint() == (earlier if resumes else None)  # where it was resumed from
    status = replace(status, run=str(own.parent.parent))
    assert status.last_checkpoint() == (own if resumes else None)
    own.unlink()
    assert status.last_checkpoint() is None


def test_the_folder_of_a_killed_run_is_found_by_what_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_config(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "7")  # of the run; what looks for it is another job, or none
    typed = CommandLine.read(WORDS, {}).overrides
    monkeypatch.delenv("SLURM_JOB_ID")
    began = time.time()
    checkpoints = [a_checkpoint(Path("runs", "x"), version) for version in range(4)]
    others = {2: {**typed, "values": {}}}
    for version, checkpoint in enumerate(checkpoints):
        overrides = checkpoint.parent.parent / "overrides.yaml"
        overrides.write_text(yaml.safe_dump(others.get(version, typed)))
        os.utime(overrides, (began + 5, began + 5))
    checkpoints[3].unlink()  # it was killed before it saved anything
    status = RunStatus("running", WORDS, began=began)
    assert status.last_checkpoint() == checkpoints[1]
    assert replace(status, began=began + 9).last_checkpoint() is None  # those are older
    assert replace(status, argv=[*WORDS, "--trainer.default_root_dir=elsewhere"]).last_checkpoint() is None
    Path("configs/x.yaml").unlink()
    assert status.last_checkpoint() is None


@pytest.mark.parametrize(
    ("status", "under_way"),
    [
        (RunStatus("running", process=HERE), True),
        (RunStatus("running", process=GONE), False),
        (RunStatus("running", process={**HERE, "host": "another"}), None),
        (RunStatus("failed", lost=True, process=GONE), False),
        (RunStatus("failed", process=HERE), False),
        (RunStatus("stopped", process=HERE), False),  # its worker is about to end
        (RunStatus("done", slurm_job="12_1"), False),
        (RunStatus("waiting", slurm_job="12_1"), True),
        (RunStatus("stopped", slurm_job="12_1"), True),
        (RunStatus("running", slurm_job="12_2"), False),
        (RunStatus("cancelled", slurm_job="12_2"), False),
    ],
)
def test_a_run_is_under_way_while_its_process_or_its_job_is(
    slurm: None, status: RunStatus, under_way: bool | None
) -> None:
    assert status.is_under_way({"12_1"}) is under_way


def test_where_slurm_does_not_answer_a_run_may_be_under_way_and_without_slurm_nobody_knows(
    slurm: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = RunStatus("running", slurm_job="12_2")
    assert status.is_under_way(None) is True
    monkeypatch.setattr("lab.sweeps.status.has_slurm", lambda: False)  # a machine beside the cluster, with its files
    assert status.is_under_way(set()) is None
