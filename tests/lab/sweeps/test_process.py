"""Who does a run: processes that live, that have ended, and that cannot be seen from here; jobs of a queue."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from lab.sweeps.process import is_alive, job_states, queued, this_process, this_slurm_job


def test_a_process_is_told_from_a_later_one_of_the_same_number() -> None:
    here = this_process()
    assert here["process"] == os.getpid() and is_alive(here) is True
    assert is_alive({**here, "since": f"{here['since']}0"}) is False
    assert is_alive({**here, "host": f"{here['host']}0"}) is None


@pytest.mark.skipif(
    not Path("/proc/self/stat").is_file(), reason="this system does not tell when a process was started"
)
def test_a_killed_process_has_ended_even_where_nobody_has_waited_for_it() -> None:
    process = subprocess.Popen(["sleep", "60"])
    told = {**this_process(), "process": process.pid}
    told["since"] = Path(f"/proc/{process.pid}/stat").read_text().split()[21]
    assert is_alive(told) is True
    process.kill()
    until = time.monotonic() + 10
    while is_alive(told) and time.monotonic() < until:
        time.sleep(0.01)
    assert is_alive(told) is False  # it is a zombie still
    process.wait()
    assert is_alive(told) is False


def test_the_jobs_of_a_queue_have_two_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert job_states(["12"]) == {}  # no SLURM here
    program = tmp_path / "squeue"
    for script, states in (
        (
            '[ "$3$4" = --states=all--jobs=12_1,15 ] && echo "12_1 14 COMPLETING" && echo "15 15 CANCELLED"',
            {"12_1": "COMPLETING", "14": "COMPLETING", "15": "CANCELLED"},
        ),
        ("echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1", {}),
        ("echo 'Unable to contact slurm controller' >&2; exit 1", None),
    ):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        assert job_states(["12_1", "15"]) == states


def test_a_job_is_queued_until_its_state_is_final() -> None:
    assert queued({"1": "PENDING", "2": "CANCELLED", "3": "COMPLETING", "4": "TIMEOUT"}) == {"1", "3"}


def test_a_task_of_an_array_has_the_number_that_scancel_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_JOB_ID", "SLURM_ARRAY_JOB_ID", "SLURM_ARRAY_TASK_ID"):
        monkeypatch.delenv(name, raising=False)
    assert this_slurm_job() == ""
    monkeypatch.setenv("SLURM_JOB_ID", "14")
    assert this_slurm_job() == "14"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    assert this_slurm_job() == "12_0"
