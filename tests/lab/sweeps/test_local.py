"""The processes of this machine that do a sweep: their share of cores and GPUs, and what becomes of a lost run."""

import signal
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from lab.sweeps.folder import SweepFolder, SweepRun
from lab.sweeps.jobs import handling
from lab.sweeps.local import LOST, LocalJobs, share_of_cores, share_of_gpus


class Jobs(LocalJobs):
    """Workers that are never started, but counted."""

    def _start_worker(self) -> None:
        self.workers[self.started] = SimpleNamespace(done=lambda: False)
        self.started += 1


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    jobs = Jobs(SweepFolder(tmp_path, [SweepRun(f"run {number}", []) for number in range(3)]), 2)
    jobs.start()
    return jobs


def end(jobs: Jobs, worker: int, stderr: str = "") -> bool:
    """Let a worker's process end; whether the sweep has ended."""
    log = jobs.folder.path / "stderr"
    log.write_text(stderr)
    jobs.workers[worker] = SimpleNamespace(done=lambda: True, paths=SimpleNamespace(stderr=log))
    return jobs.ended()


def states(jobs: Jobs) -> list[str]:
    return [status.state for status in jobs.folder.statuses()]


def test_there_are_no_more_processes_than_runs(tmp_path: Path) -> None:
    jobs = Jobs(SweepFolder(tmp_path, [SweepRun("one", [])]), 4)
    jobs.start()
    assert len(jobs.workers) == 1


def test_a_killed_process_loses_its_run_alone_and_has_a_successor(jobs: Jobs) -> None:
    jobs.folder.claim(0, 0)
    jobs.folder.claim(1, 1)
    assert not end(jobs, 0)
    assert states(jobs) == ["failed", "running", "waiting"]
    assert jobs.folder.status(0).error == LOST and jobs.folder.status(0).lost is True
    assert sorted(jobs.workers) == [1, 2]
    jobs.folder.end(1, "done")
    jobs.folder.claim(2, 2)
    jobs.folder.end(2, "done")
    assert not end(jobs, 1) and end(jobs, 2)
    assert states(jobs) == ["failed", "done", "done"] and jobs.started == 3


def test_where_no_process_can_start_all_runs_fail_and_say_why(jobs: Jobs) -> None:
    assert not end(jobs, 0, "a traceback\n") and end(jobs, 1, "a traceback\nModuleNotFoundError: lab\n")
    assert states(jobs) == ["failed"] * 3
    assert jobs.folder.status(2).error == "no process could start: ModuleNotFoundError: lab"


def test_a_run_that_was_stopped_has_no_successor(jobs: Jobs) -> None:
    jobs.folder.claim(0, 0)
    jobs.folder.end(0, "stopped")
    assert not end(jobs, 0) and sorted(jobs.workers) == [1]


@pytest.mark.parametrize(("typed", "jobs", "share"), [("", 2, 4), ("", 16, 1), ("3", 2, None)])
def test_the_cores_are_shared_unless_the_number_of_threads_is_set(
    monkeypatch: pytest.MonkeyPatch, typed: str, jobs: int, share: int | None
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(8)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", typed)
    assert share_of_cores(jobs) == share


def test_a_process_has_all_cores_where_there_is_but_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers: list[Any] = []
    monkeypatch.setattr("lab.sweeps.local.share_of_cores", lambda jobs: 8 // jobs)
    monkeypatch.setattr("submitit.LocalExecutor.submit", lambda self, worker: workers.append(worker))
    LocalJobs(SweepFolder(tmp_path, [SweepRun("one", [])]), 4).start()
    assert [worker.threads for worker in workers] == [8]


def test_a_process_passes_over_the_end_of_the_terminal_that_it_was_started_from() -> None:
    with handling(signal.SIGHUP, signal.SIG_IGN):
        process = subprocess.Popen(["sleep", "60"])
    process.send_signal(signal.SIGHUP)
    process.terminate()
    assert process.wait() == -signal.SIGTERM


@pytest.mark.parametrize(
    ("visible", "jobs", "shares"),
    [
        (None, 1, [None]),
        ("0,3", 1, ["0,3"]),
        (None, 3, ["0", "1", "0"]),
        ("4,7", 3, ["4", "7", "4"]),
        ("", 2, ["", ""]),
    ],
)
def test_of_several_gpus_each_process_has_one(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, jobs: int, shares: list[str | None]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [share_of_gpus(number, jobs) for number in range(jobs)] == shares


def test_without_gpus_nothing_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert share_of_gpus(1, 2) is None
