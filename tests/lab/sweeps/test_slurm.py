"""A sweep as a SLURM job array: its parameters, and what the queue tells; tests/test_cluster.py runs one."""

import os
import signal
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.sweeps import slurm
from lab.sweeps.folder import SweepFolder, SweepRun
from lab.sweeps.slurm import SlurmJobs, Task, slurm_parameters
from lab.sweeps.worker import StopRequest


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a program in the place of one of SLURM's."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]]))

    def write(name: str, script: str) -> None:
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return write


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmJobs:
    """The array 12 of three runs, of which the first is done."""
    monkeypatch.setattr(SlurmJobs, "SECONDS_BETWEEN", 0.0)
    folder = SweepFolder(tmp_path / "sweep_0", [SweepRun(f"run {number}", ["fit"]) for number in range(3)])
    folder.path.mkdir()
    jobs = SlurmJobs(folder, None, {})
    jobs.ids = {number: f"12_{number}" for number in range(3)}
    folder.begin(0, None)
    folder.end(0, "done")
    return jobs


def test_parameters_are_those_of_sbatch(program) -> None:
    for name in ("sbatch", "srun"):
        program(name, "exit 0")
    assert slurm_parameters(["partition=gpu", "time=120", "gpus_per_node=1"]) == {
        "partition": "gpu",
        "time": 120,
        "gpus_per_node": 1,
    }
    with pytest.raises(LabError, match=r'--slurm does not know partiton; did you mean "partition".* It takes account'):
        slurm_parameters(["partiton=gpu"])
    for word in ("time", "time="):
        with pytest.raises(LabError, match=f'takes key=value, such as partition=gpu, but it is "{word}"'):
            slurm_parameters([word])


def test_a_job_that_left_the_queue_without_a_word_has_failed(jobs: SlurmJobs, program) -> None:
    program("squeue", "echo 12_1 13 RUNNING; echo 12_2 12 PENDING")
    assert not jobs.ended() and not jobs.ended()
    assert [status.state for status in jobs.folder.statuses()] == ["done", "waiting", "waiting"]
    program("squeue", "echo 12_1 13 OUT_OF_MEMORY; echo 12_2 12 PENDING")
    assert not jobs.ended()  # its status may come late
    assert not jobs.ended()
    assert [status.state for status in jobs.folder.statuses()] == ["done", "failed", "waiting"]
    program("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    jobs.folder.begin(2, None)
    jobs.folder.end(2, "stopped")
    assert jobs.ended()  # stopped and not requeued: it was cancelled
    lost = jobs.folder.status(1)
    assert lost.error.endswith("killed, or out of memory; SLURM says OUT_OF_MEMORY") and lost.lost is True


def test_a_cancelled_task_is_told_from_a_killed_one(jobs: SlurmJobs, program) -> None:
    jobs.folder.begin(1, None)
    jobs.folder.begin(2, None)
    jobs.folder.end(2, "stopped", run="runs/x/version_2")
    program("squeue", "echo 12_1 13 COMPLETING; echo 12_2 12 CANCELLED")
    assert not jobs.ended() and not jobs.ended()
    assert [status.state for status in jobs.folder.statuses()] == ["done", "running", "cancelled"]
    program("squeue", "echo 12_1 13 CANCELLED; echo 12_2 12 CANCELLED")
    assert not jobs.ended() and jobs.ended()
    cancelled = jobs.folder.statuses()[1:]
    assert [(status.state, status.lost, status.error) for status in cancelled] == [("cancelled", False, "")] * 2
    assert cancelled[1].run == "runs/x/version_2"


def test_what_a_person_stops_is_cancelled_even_where_slurm_has_forgotten_it(
    jobs: SlurmJobs, program, tmp_path: Path
) -> None:
    program("scancel", f'echo "$@" > {tmp_path}/cancelled')
    program("squeue", "echo 12_1 13 RUNNING; echo 12_2 12 CANCELLED")
    sentence = "Cancelled the SLURM job 12: its runs under way save their last checkpoint."
    assert jobs.stop() == sentence and (tmp_path / "cancelled").read_text() == "12\n"
    assert not jobs.ended()
    program("squeue", "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1")
    assert not jobs.ended() and jobs.ended()
    assert [status.state for status in jobs.folder.statuses()] == ["done", "cancelled", "cancelled"]


def test_a_silent_slurm_fails_no_run(jobs: SlurmJobs, program) -> None:
    program("squeue", "echo 'Unable to contact slurm controller' >&2; exit 1")
    assert not any(jobs.ended() for _ in range(3))
    assert jobs.folder.status(1).state == "waiting"


def test_what_sbatch_refuses_is_told_in_a_sentence(jobs: SlurmJobs, program) -> None:
    program("srun", "exit 0")
    program("sbatch", "echo 'sbatch: error: invalid partition specified: gpu' >&2; exit 1")
    with pytest.raises(LabError, match=r"SLURM does not take the jobs: .*invalid partition specified: gpu"):
        jobs.start()


def test_what_is_submitted_is_noted_for_a_sweep_that_follows(jobs: SlurmJobs, program) -> None:
    program("srun", "exit 0")
    program("sbatch", "echo Submitted batch job 15")
    jobs.start()
    assert [status.slurm_job for status in jobs.folder.statuses()] == ["", "15_1", "15_2"]
    assert [status.state for status in jobs.folder.statuses()] == ["done", "waiting", "waiting"]


def test_a_task_out_of_time_is_requeued_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: SlurmJobs, program
) -> None:
    program("scontrol", f'echo "$@" > {tmp_path}/requeued')
    monkeypatch.setenv("SLURM_JOB_ID", "15")
    monkeypatch.delenv("SLURM_PROCID", raising=False)
    last = tmp_path / "version_0" / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.touch()
    ends = ["stopped", "done"]

    def execute(folder: SweepFolder, number: int, stop: StopRequest) -> str:
        if ends[0] == "stopped":
            signal.raise_signal(signal.SIGUSR2)
            assert stop.requested
        folder.end(number, ends[0], run=str(last.parent.parent))
        return ends.pop(0)

    monkeypatch.setattr(slurm, "execute", execute)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR2)}
    try:
        Task(jobs.folder)(1)
        assert (tmp_path / "requeued").read_text() == "requeue 15\n" and jobs.folder.status(1).checkpoint == ""
        Task(jobs.folder)(1)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    status = jobs.folder.status(1)
    assert status.state == "done" and status.checkpoint == str(last)


def test_every_process_of_a_run_on_several_devices_gets_its_arguments(
    jobs: SlurmJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    monkeypatch.setenv("SLURM_PROCID", "1")
    monkeypatch.setattr(slurm, "train_in_process", lambda *given: ran.append(given))
    checkpoint = jobs.folder.path / "last.ckpt"
    checkpoint.touch()
    jobs.folder.begin(1, checkpoint)
    Task(jobs.folder)(1)
    log = jobs.folder.path / "001_run_1.1.log"
    assert ran == [(["fit", f"--ckpt_path={checkpoint}"], log)]  # and its status is left to the first
    assert jobs.folder.status(1).state == "running"
