"""The runs of a sweep as a SLURM job array, submitted by submitit.

submitit's ``Checkpointable`` is not used: it requeues a job at most ``slurm_max_num_timeout`` (3) times, and saves in
the signal handler, maybe between the steps of two parameters; Lightning stops after its batch. The queue is polled
with ``squeue``, since submitit's ``Job.state`` needs ``sacct``, whose database not every cluster has.
"""

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
from lab.sweeps.folder import SweepFolder
from lab.sweeps.process import job_states, queued
from lab.sweeps.worker import StopRequest, execute, project_on_path, train_in_process

# What submitit takes beside options of sbatch, or what a sweep decides.
OURS = {"additional_parameters", "array_parallelism", "num_gpus", "setup", "srun_args", "stderr_to_stdout", "teardown"}
OURS |= {"use_srun"}
LOST = "its SLURM job ended without a result: killed, or out of memory"


@dataclass
class Task:
    """Executes one run of a sweep as a task of a SLURM job array, and again when the job is requeued."""

    folder: SweepFolder

    def __call__(self, number: int) -> None:
        checkpoint = self.folder.resume_checkpoint(number)
        if rank := int(os.environ.get("SLURM_PROCID", 0)):  # another process of a run on several devices
            log = self.folder.log(number).with_suffix(f".{rank}.log")
            train_in_process(self.folder.runs[number].argv_from(checkpoint), log)
            return
        stop = StopRequest()
        signal.signal(signal.SIGTERM, stop)
        out_of_time = []

        def requeue(*_: object) -> None:
            out_of_time.append(True)
            signal.raise_signal(signal.SIGTERM)

        signal.signal(signal.SIGUSR2, requeue)  # submitit has SLURM send it before the time is up
        self.folder.begin(number, checkpoint)
        if execute(self.folder, number, stop) == "stopped" and out_of_time:
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

    SECONDS_BETWEEN = 5.0  # two queries of the queue

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
            with project_on_path():
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
        if all(status.state in ("done", "failed") for status in self.folder.statuses()):
            return True
        if time.monotonic() - self.asked < self.SECONDS_BETWEEN:
            return False
        self.asked = time.monotonic()
        states = job_states([self.array]) if self.ids else {}
        if states is None:
            return False
        there = queued(states)
        left = {number: self._end_of(number, states) for number, job in self.ids.items() if job not in there}
        lost = {number: end for number, end in left.items() if end}
        for number in lost.keys() & self.missed:  # seen twice, since a file may come late over a network
            self.folder.end(number, **lost[number])
        self.missed = lost.keys() - self.missed
        return not there and not self.missed

    def _end_of(self, number: int, states: Mapping[str, str]) -> dict[str, Any]:
        """How to note the end of a run whose task left the queue; empty where the run noted it itself."""
        state, slurm = self.folder.status(number).state, states.get(self.ids[number], "")
        if state not in ("waiting", "running", "stopped"):
            return {}
        if slurm == "CANCELLED" or (not slurm and (self.stopping or state == "waiting")):  # SLURM forgets such a task
            return {"state": "cancelled"}
        error = f"{LOST}; SLURM says {slurm}" if slurm else LOST
        return {} if state == "stopped" else {"state": "failed", "error": error, "lost": True}

    def stop(self) -> str:
        self.stopping = True
        if not self.ids:
            return "No job was submitted yet."
        subprocess.run(["scancel", self.array], check=False)
        self.asked = float("-inf")
        return f"Cancelled the SLURM job {self.array}: its runs under way save their last checkpoint."


def slurm_parameters(arguments: list[str]) -> dict[str, Any]:
    """The parameters of submitit that ``key=value`` arguments give.

    Raises:
        LabError: where there is no SLURM here, or a key is none of submitit's.
    """
    from lab.training.lightning_internals import slurm_parameters as known_parameters

    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise LabError("--executor slurm needs sbatch and srun, which are not here: use a login node of the cluster.")
    known = sorted(known_parameters() - OURS)
    parameters = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or not value:
            raise LabError(f'--slurm takes key=value, such as partition=gpu, but it is "{argument}".')
        if key not in known:
            raise LabError(f"--slurm does not know {key}{nearest(key, known) or '.'} It takes {', '.join(known)}.")
        parameters[key] = yaml.safe_load(value)
    return parameters
