"""The runs of a sweep in processes of this machine, started by submitit."""

import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lab.packages import import_packages
from lab.sweeps.folder import SweepFolder
from lab.sweeps.jobs import handling
from lab.sweeps.process import is_alive, this_process
from lab.sweeps.worker import StopRequest, execute, last_line, project_on_path

A_YEAR = 365 * 24 * 60  # in minutes: a process of this machine has no time limit
LOST = "its process was killed, or ran out of memory"


@dataclass
class Worker:
    """Executes the waiting runs of a sweep one by one in a process of this machine, which imports PyTorch once."""

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
        stop = StopRequest()
        signal.signal(signal.SIGTERM, stop)
        if self.threads:
            import torch

            torch.set_num_threads(self.threads)
        import_packages()
        for number in range(len(self.folder.runs)):
            if stop.requested or not is_alive(self.parent):
                return
            if self.folder.claim(number, self.number) and execute(self.folder, number, stop) == "stopped":
                return


class LocalJobs:
    """Processes of this machine, each of which claims the next waiting run of a sweep.

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
            busy = {status.worker for status in self.folder.statuses() if status.state == "running"}
            self._terminate(self.workers.keys() - busy)  # again those that were starting, without a handler yet
        return not self.workers

    def stop(self) -> str:
        self.stopping = True
        self._terminate(self.workers)
        return "Stopping: the runs under way save their last checkpoint."

    def _terminate(self, workers: Iterable[int]) -> None:
        from lab.training.lightning_internals import signal_worker

        for number in workers:
            signal_worker(self.workers[number], signal.SIGTERM)

    def _take_over(self, number: int, job: Any) -> None:
        """After the end of a worker: note the run that was lost if it was killed, and start another for the rest."""
        statuses = self.folder.statuses()
        began = [index for index, status in enumerate(statuses) if status.worker == number]
        for index in began:
            if statuses[index].state == "running":
                self.folder.end(index, "failed", error=LOST, lost=True)
        waiting = [index for index, status in enumerate(statuses) if status.state == "waiting"]
        if self.stopping or not waiting or any(statuses[index].state == "stopped" for index in began):
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
        # A terminal sends both to all of its processes; Lightning handles Ctrl-C while it trains.
        with project_on_path(), handling(signal.SIGINT, signal.SIG_IGN), handling(signal.SIGHUP, signal.SIG_IGN):
            self.workers[number] = executor.submit(worker)


def share_of_cores(jobs: int) -> int | None:
    """The number of threads of each of several workers; None where OMP_NUM_THREADS sets it already."""
    if os.environ.get("OMP_NUM_THREADS"):
        return None
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // jobs)


def share_of_gpus(number: int, jobs: int) -> str | None:
    """CUDA_VISIBLE_DEVICES of one of several workers: one GPU of several; None where it is to be unset."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if jobs == 1:
        return visible
    import torch

    gpus = visible.split(",") if visible else [str(index) for index in range(torch.cuda.device_count())]
    return gpus[number % len(gpus)] if visible != "" and gpus else visible
