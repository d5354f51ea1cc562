"""The runs of a sweep as a SLURM job array, submitted by submitit."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from lab.errors import LabError, nearest
from lab.sweeps.folder import SweepFolder, to_continue
from lab.sweeps.process import queued
from lab.sweeps.worker import Told, house_on_path, perform, run_one

# What submitit takes beside options of sbatch, or what a sweep decides.
OURS = {"additional_parameters", "array_parallelism", "num_gpus", "setup", "srun_args", "stderr_to_stdout", "teardown"}
OURS |= {"use_srun"}
LOST = "its job ended without a word: killed, or out of memory"


@dataclass
class Task:
    """Does one run of a sweep as a task of a SLURM job array, and again when the job is requeued."""

    folder: SweepFolder

    def __call__(self, number: int) -> None:
        checkpoint = to_continue(self.folder, number)
        if rank := int(os.environ.get("SLURM_PROCID", 0)):  # another process of a run on several devices
            log = self.folder.log(number).with_suffix(f".{rank}.log")
            run_one(self.folder.runs[number].words_from(checkpoint), log)
            return
        told = Told()
        signal.signal(signal.SIGTERM, told)
        out_of_time = []

        def requeue(*_: object) -> None:
            out_of_time.append(True)
            signal.raise_signal(signal.SIGTERM)

        signal.signal(signal.SIGUSR2, requeue)  # what submitit has SLURM send before the time is up
        self.folder.begin(number, checkpoint)
        if perform(self.folder, number, told) == "stopped" and out_of_time:
            subprocess.run(["scontrol", "requeue", os.environ["SLURM_JOB_ID"]], check=True)


class SlurmJobs:
    """A SLURM job array with one run a task.

    Args:
        folder: the sweep.
        jobs: how many runs at the same time at most; no limit when None.
        parameters: what submitit's SlurmExecutor takes, such as ``partition``, ``time`` (minutes), ``gpus_per_node``.

    Raises:
        LabError: where there is no SLURM, or a parameter is unknown.
    """

    SECONDS_BETWEEN = 5.0  # so rarely is the queue asked

    def __init__(self, folder: SweepFolder, jobs: int | None, parameters: Mapping[str, Any]) -> None:
        self.folder, self.jobs, self.parameters = folder, jobs, dict(parameters)
        self.ids: dict[int, str] = {}
        self.missed: set[int] = set()
        self.asked, self.stopping = float("-inf"), False

    def start(self) -> None:
        import submitit

        executor = submitit.SlurmExecutor((self.folder.path / "jobs").resolve())
        given = {"job_name": self.folder.path.parent.name, "time": 60, **self.parameters}
        if "cpus_per_task" in given:  # srun does not take it over from sbatch
            given.setdefault("srun_args", [f"--cpus-per-task={given['cpus_per_task']}"])
        executor.update_parameters(
            array_parallelism=self.jobs or len(self.folder.runs), additional_parameters={"requeue": True}, **given
        )
        numbers = range(len(self.folder.runs))
        try:
            with house_on_path():
                jobs = executor.map_array(Task(self.folder), numbers)
        except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise LabError(f"SLURM does not take the jobs: {reason}") from error
        self.ids = {number: job.job_id for number, job in zip(numbers, jobs, strict=True)}
        for number, job in self.ids.items():
            self.folder.submitted(number, job)
        print(f"SLURM job {self.array}: {len(numbers)} tasks.", flush=True)

    @property
    def array(self) -> str:
        return self.ids[0].split("_")[0]

    def ended(self) -> bool:
        states = [status["state"] for status in self.folder.statuses()]
        if all(state in ("done", "failed") for state in states):
            return True
        if time.monotonic() - self.asked < self.SECONDS_BETWEEN:
            return False
        self.asked = time.monotonic()
        there = queued([self.array]) if self.ids else set()
        if there is None or self.stopping:  # what was cancelled before it began goes on waiting
            return there == set()
        under_way = [number for number in self.ids if states[number] in ("waiting", "running")]
        gone = {number for number in under_way if self.ids[number] not in there}
        for number in gone & self.missed:  # twice, since a file may come late over a network
            self.folder.end(number, "failed", error=LOST, lost=True)
        self.missed = gone
        return not there and not gone

    def stop(self) -> str:
        self.stopping = True
        if not self.ids:
            return "No job was submitted yet."
        subprocess.run(["scancel", self.array], check=False)
        self.asked = float("-inf")
        return f"Cancelled the SLURM job {self.array}: its runs under way save their last checkpoint."


def slurm_parameters(words: list[str]) -> dict[str, Any]:
    """What was typed as ``key=value`` for SLURM.

    Raises:
        LabError: where there is no SLURM here, or a key is none of submitit's.
    """
    from lab.training.lightning_internals import slurm_parameters as known_parameters

    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise LabError("--executor slurm needs sbatch and srun, which are not here: use a login node of the cluster.")
    known = sorted(known_parameters() - OURS)
    parameters = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise LabError(f'--slurm takes key=value, such as partition=gpu, but it is "{word}".')
        if key not in known:
            raise LabError(f"--slurm does not know {key}{nearest(key, known) or '.'} It takes {', '.join(known)}.")
        parameters[key] = yaml.safe_load(value)
    return parameters
