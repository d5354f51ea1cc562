"""A sweep on disk: who does which run, how far each is, and which are gone on with."""

from pathlib import Path

import pytest
import yaml
from grid_runs import config, write_config

from lab.errors import LabError
from lab.sweeps.folder import SweepFolder, SweepRun, new_sweep_path, refuse_running, resumable_runs
from lab.sweeps.process import this_process
from lab.sweeps.status import RunStatus

SMALL, LARGE = (["fit", "--config", "configs/x.yaml", f"--model.net.hidden_dims=[{width}]"] for width in (5, 6))
ROOT = Path("runs", "x")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepFolder:
    """The first sweep of configs/x.yaml: two widths of the network."""
    monkeypatch.chdir(write_config(tmp_path))
    return a_sweep()


def a_sweep() -> SweepFolder:
    return SweepFolder(new_sweep_path(ROOT), [SweepRun("depth=1, a/b", SMALL), SweepRun("two", LARGE)])


def a_checkpoint(version: int, width: int = 5) -> Path:
    """The ``last.ckpt`` of a run of one of the two widths."""
    path = ROOT / f"version_{version}" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    path.touch()
    (path.parent.parent / "config.yaml").write_text(yaml.safe_dump(config([width])))
    return path


def test_what_was_broken_off_is_gone_on_with_unless_its_config_changed_meanwhile(folder: SweepFolder) -> None:
    folder.claim(0, 0)
    folder.end(0, "stopped", run=str(a_checkpoint(0).parent.parent))
    assert list(resumable_runs(ROOT)) == [tuple(SMALL)]
    edited = config(max_epochs=7)
    Path("configs/x.yaml").write_text(yaml.safe_dump(edited))
    assert resumable_runs(ROOT) == {}
    (ROOT / "version_0" / "config.yaml").write_text(yaml.safe_dump({**edited, "seed_everything": 4}))
    assert resumable_runs(ROOT) == {}  # another seed than that of the config
    Path("configs/x.yaml").unlink()
    assert resumable_runs(ROOT) == {}


def test_a_killed_run_is_gone_on_with_and_one_that_failed_is_not(
    folder: SweepFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.sweeps.folder.this_process", lambda: {**this_process(), "since": "another"})
    for number, checkpoint in enumerate((a_checkpoint(0), a_checkpoint(1, 6))):
        folder.claim(number, 0)
        folder.end(number, "running", checkpoint=str(checkpoint))  # killed together with sweep.py
    assert list(resumable_runs(ROOT)) == [tuple(SMALL), tuple(LARGE)]
    folder.end(0, "failed", lost=True)
    folder.end(1, "failed")
    assert list(resumable_runs(ROOT)) == [tuple(SMALL)]


def test_a_run_that_is_under_way_is_neither_gone_on_with_nor_started_again(folder: SweepFolder) -> None:
    a_checkpoint(0)
    folder.claim(0, 0)
    assert resumable_runs(ROOT) == {}
    refuse_running(ROOT, [LARGE])
    number = this_process()["process"]
    message = f"the run 000_depth=1_a_b of {folder.path} is still under way in process {number}: .* with kill {number},"
    with pytest.raises(LabError, match=message):
        refuse_running(ROOT, [SMALL, LARGE])
    folder.end(0, "done")
    refuse_running(ROOT, [SMALL, LARGE])


def test_a_damaged_run_is_not_gone_on_with_and_stops_no_other(folder: SweepFolder) -> None:
    for number, version in ((0, 0), (1, 1)):
        checkpoint = a_checkpoint(version, 5 + number)
        folder.claim(number, 0)
        folder.end(number, "stopped", run=str(checkpoint.parent.parent))
    assert len(resumable_runs(ROOT)) == 2
    (checkpoint.parent.parent / "config.yaml").write_text("")
    assert list(resumable_runs(ROOT)) == [tuple(SMALL)]


def test_so_is_one_whose_slurm_job_waits_or_was_put_back(folder: SweepFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr("lab.sweeps.status.has_slurm", lambda: True)
    states = dict.fromkeys(("12_1", "13", "12_0", "12"), "RUNNING")
    monkeypatch.setattr("lab.sweeps.folder.job_states", lambda jobs: asked.append(jobs) or states)
    folder.submitted(1, "12_1")
    assert folder.status(1) == RunStatus("waiting", LARGE, slurm_job="12_1")
    with pytest.raises(LabError, match=r"001_two .* in SLURM job 12_1: .* stop with scancel 12_1, and give"):
        refuse_running(ROOT, [LARGE])
    monkeypatch.setenv("SLURM_JOB_ID", "13")
    folder.begin(1, a_checkpoint(0, 6))
    folder.submitted(1, "12_1")  # comes late
    folder.end(1, "stopped")
    with pytest.raises(LabError, match="in SLURM job 13"):
        refuse_running(ROOT, [LARGE])
    assert resumable_runs(ROOT) == {} and asked == [["12_1"], ["13"], ["13"]]
    states["13"] = "CANCELLED"
    assert list(resumable_runs(ROOT)) == [tuple(LARGE)]


def test_each_sweep_has_a_folder_of_its_own(tmp_path: Path) -> None:
    assert [new_sweep_path(tmp_path / "x").name for _ in range(11)] == [f"sweep_{number}" for number in range(11)]
    (tmp_path / "x" / "sweep_notes").mkdir()
    assert new_sweep_path(tmp_path / "x").name == "sweep_11"


def test_a_run_is_claimed_by_one_worker(folder: SweepFolder) -> None:
    assert folder.status(0) == RunStatus()
    assert folder.claim(0, 3) and not folder.claim(0, 4) and folder.claim(1, 4)
    assert [(status.state, status.worker) for status in folder.statuses()] == [("running", 3), ("running", 4)]
    folder.end(0, "done", score="test/acc 1")
    status = folder.status(0)
    assert status.state == "done" and status.argv == SMALL and 0 <= status.seconds < 5
    assert status.score == "test/acc 1" and folder.log(0).name == "000_depth=1_a_b.log"


def test_of_several_sweeps_the_last_counts(folder: SweepFolder) -> None:
    first, second = a_checkpoint(0), a_checkpoint(1, 6)
    for number, checkpoint in enumerate((first, second)):
        folder.claim(number, 0)
        folder.end(number, "stopped", run=str(checkpoint.parent.parent))
    assert resumable_runs(ROOT) == {tuple(SMALL): first, tuple(LARGE): second}
    later = a_sweep()
    later.claim(0, 0)
    later.end(0, "failed", run="")
    assert resumable_runs(ROOT) == {tuple(LARGE): second}
    second.unlink()
    assert resumable_runs(ROOT) == {}


def test_a_task_that_begins_again_goes_on(folder: SweepFolder) -> None:
    checkpoint = a_checkpoint(0)
    assert folder.resume_checkpoint(0) is None
    folder.begin(0, None)
    assert folder.resume_checkpoint(0) is None
    folder.end(0, "stopped", run=str(checkpoint.parent.parent))
    assert folder.resume_checkpoint(0) == checkpoint
    folder.begin(0, checkpoint)  # and is killed
    assert folder.resume_checkpoint(0) == checkpoint
    assert folder.runs[0].argv_from(checkpoint) == [*SMALL, f"--ckpt_path={checkpoint}"]
    later = SweepFolder(new_sweep_path(ROOT), [SweepRun("one", SMALL, checkpoint=checkpoint)])
    assert later.resume_checkpoint(0) == checkpoint
