"""The runs of a sweep in processes of this machine, started by submitit."""

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab.packages import import_packages
from lab.sweeps.folder import SweepFolder
from lab.sweeps.process import is_alive, this_process
from lab.sweeps.worker import Told, house_on_path, last_line, perform

A_YEAR = 365 * 24 * 60  # in minutes: a process of this machine has no time limit
LOST = "its process was killed, or ran out of memory"


@dataclass
class Worker:
    """Does one waiting run of a sweep after another in a process of this machine, which imports PyTorch but once."""

    folder: SweepFolder
    number: int
    threads: int | None
    gpus: str | None
    parent: dict[str, Any]

    def __call__(self) -> None:
        if self.gpus is None:  # submitit hides all of them
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus
        told = Told()
        signal.signal(signal.SIGTERM, told)
        if self.threads:
            import torch

            torch.set_num_threads(self.threads)
        import_packages()
        for number in range(len(self.folder.runs)):
            if told.to_stop or not is_alive(self.parent):
                return
            if self.folder.claim(number, self.number) and perform(self.folder, number, told) == "stopped":
                return


class LocalJobs:
    """Processes of this machine that take the runs of a sweep from each other.

    Args:
        folder: the sweep.
        jobs: how many runs at the same time, each with its share of the cores and, of several GPUs, one.
    """

    def __init__(self, folder: SweepFolder, jobs: int) -> None:
        self.folder, self.jobs = folder, min(jobs, len(folder.runs))
        self.workers: dict[int, Any] = {}
        self.started, self.stopping = 0, False

    def start(self) -> None:
        for _ in range(self.jobs):
            self._start_worker()

    def ended(self) -> bool:
        for number, job in list(self.workers.items()):
            if job.done():
                del self.workers[number]
                self._take_over(number, job)
        if self.stopping:
            busy = {status.get("worker") for status in self.folder.statuses() if status["state"] == "running"}
            self._tell(self.workers.keys() - busy)  # again those that were just starting, which could not hear it
        return not self.workers

    def stop(self) -> str:
        self.stopping = True
        self._tell(self.workers)
        return "Stopping: the runs under way save their last checkpoint."

    def _tell(self, workers: Iterable[int]) -> None:
        for number in workers:
            from lab.training.lightning_internals import signal_worker

            signal_worker(self.workers[number], signal.SIGTERM)

    def _take_over(self, number: int, job: Any) -> None:
        """After a worker's end: its run is lost if it was killed, and another worker does the others."""
        statuses = self.folder.statuses()
        began = [index for index, status in enumerate(statuses) if status.get("worker") == number]
        for index in began:
            if statuses[index]["state"] == "running":
                self.folder.end(index, "failed", error=LOST, lost=True)
        waiting = [index for index, status in enumerate(statuses) if status["state"] == "waiting"]
        if self.stopping or not waiting or any(statuses[index]["state"] == "stopped" for index in began):
            return
        if began:
            self._start_worker()
        elif not self.workers:
            for index in waiting:
                self.folder.end(index, "failed", error=f"no process could start: {last_line(job.paths.stderr)}")

    def _start_worker(self) -> None:
        import submitit

        number = self.started
        self.started += 1
        executor = submitit.LocalExecutor(self.folder.path / "jobs")
        executor.update_parameters(timeout_min=A_YEAR)
        shares = share_of_cores(self.jobs), share_of_gpus(number, self.jobs)
        worker = Worker(self.folder, number, *shares, this_process())
        with house_on_path(), _deaf(signal.SIGINT), _deaf(signal.SIGHUP):  # a terminal tells all of its processes
            self.workers[number] = executor.submit(worker)


def share_of_cores(jobs: int) -> int | None:
    """How many threads each of several workers is to have; None where OMP_NUM_THREADS says it already."""
    if os.environ.get("OMP_NUM_THREADS"):
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)


def share_of_gpus(number: int, jobs: int) -> str | None:
    """What CUDA_VISIBLE_DEVICES is to be for one of several workers: one GPU of several; None for its being unset."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if jobs == 1:
        return visible
    import torch

    gpus = visible.split(",") if visible else [str(index) for index in range(torch.cuda.device_count())]
    return gpus[number % len(gpus)] if visible != "" and gpus else visible


@contextmanager
def _deaf(number: signal.Signals) -> Iterator[None]:
    """Processes that are started pass over a signal, Ctrl-C but while they train."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(number, before)
