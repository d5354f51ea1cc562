"""A sweep on disk: its runs, their statuses, and the runs of earlier sweeps that can be resumed."""

import re
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.files import atomic_write
from lab.sweeps.process import job_states, queued, this_process, this_slurm_job
from lab.sweeps.status import RunStatus, State


@dataclass(frozen=True)
class SweepRun:
    """One run of a sweep.

    Args:
        name: its name, unique in the sweep.
        argv: the arguments of ``train.py``.
        metric: the metric of its test to show; one is chosen when empty.
        checkpoint: the checkpoint to resume from, or None.
    """

    name: str
    argv: list[str]
    metric: str = ""
    checkpoint: Path | None = None

    def argv_from(self, checkpoint: Path | None) -> list[str]:
        """The arguments that begin the run, or resume it from a checkpoint."""
        return [*self.argv, *([f"--ckpt_path={checkpoint}"] if checkpoint else [])]


@dataclass(frozen=True)
class SweepFolder:
    """A sweep on disk: ``sweep.yaml``, and of each run a log and a status, ``<number>_<name>.{log,json}``.

    Args:
        path: ``runs/<config name>/sweep_<n>``.
        runs: its runs.
    """

    path: Path
    runs: list[SweepRun]

    def log(self, number: int) -> Path:
        name = re.sub(r"[^\w.=-]+", "_", self.runs[number].name)[:100]
        return self.path / f"{number:03d}_{name}.log"

    def claim(self, number: int, worker: int) -> bool:
        """Whether this worker, a process of this machine, is the first that claims a run."""
        begun = self._begun(number, self.runs[number].checkpoint)
        return self._write_first(number, replace(begun, worker=worker, process=this_process()))

    def submitted(self, number: int, job: str) -> None:
        """Note that a run waits for a SLURM job, unless it has begun already."""
        waiting = replace(self._begun(number, self.runs[number].checkpoint), state="waiting", began=None)
        self._write_first(number, replace(waiting, slurm_job=job))

    def begin(self, number: int, checkpoint: Path | None) -> None:
        """Note that this SLURM job, the only one that may, begins a run, afresh or from a checkpoint."""
        self._write(number, replace(self._begun(number, checkpoint), slurm_job=this_slurm_job()))

    def end(self, number: int, state: State, **more: Any) -> None:
        """Note how a run ended, also one that never began."""
        status, now = self.status(number), time.time()
        began = status.began or now
        ended = replace(status, argv=self.runs[number].argv, state=state, began=began, seconds=now - began)
        self._write(number, replace(ended, **more))

    def status(self, number: int) -> RunStatus:
        return RunStatus.read(self._status_file(number))

    def statuses(self) -> list[RunStatus]:
        return [self.status(number) for number in range(len(self.runs))]

    def resume_checkpoint(self, number: int) -> Path | None:
        """The checkpoint that a SLURM task begins from: the last one of this sweep, or that of its run."""
        return self.status(number).last_checkpoint() or self.runs[number].checkpoint

    def _status_file(self, number: int) -> Path:
        return self.log(number).with_suffix(".json")

    def _begun(self, number: int, checkpoint: Path | None) -> RunStatus:
        return RunStatus("running", self.runs[number].argv, str(checkpoint or ""), began=time.time())

    def _write_first(self, number: int, status: RunStatus) -> bool:
        """Write a status where there is none; whether there was none."""
        try:
            with self._status_file(number).open("x", encoding="utf-8") as file:
                file.write(status.to_json())
        except FileExistsError:
            return False
        return True

    def _write(self, number: int, status: RunStatus) -> None:
        with atomic_write(self._status_file(number)) as part:
            part.write_text(status.to_json(), encoding="utf-8")


def new_sweep_path(root: Path) -> Path:
    """Make the folder of the next sweep of a config, ``<root>/sweep_<n>``."""
    number = max((_number(folder) for folder in root.glob("sweep_*")), default=-1) + 1
    while True:
        folder = root / f"sweep_{number}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            number += 1


def resumable_runs(root: Path) -> dict[tuple[str, ...], Path]:
    """The ``last.ckpt`` of each interrupted run of earlier sweeps, by its arguments, unless its config changed.

    A run is interrupted when it was stopped or cancelled, or when its process or SLURM job was killed.
    """
    found = {}
    for _, status, under_way in _unfinished(root):
        with suppress(LabError):  # a damaged run is not resumed
            checkpoint = status.last_checkpoint()
            if under_way is False and checkpoint and status.still_states(checkpoint.parent.parent):
                found[tuple(status.argv)] = checkpoint
    return found


def refuse_running(root: Path, wanted: Collection[list[str]]) -> None:
    """Raise LabError where one of the wanted runs is still under way in an earlier sweep.

    Args:
        root: the folder of the sweeps.
        wanted: the arguments of each run that is to be started.
    """
    for path, status, under_way in _unfinished(root):
        if under_way and status.argv in wanted:
            number = status.slurm_job or (status.process or {})["process"]
            who, stop = ("SLURM job", "scancel") if status.slurm_job else ("process", "kill")
            raise LabError(
                f"the run {path.stem} of {path.parent} is still under way in {who} {number}: wait for its end, "
                f"or let it save and stop with {stop} {number}, and give the same command again."
            )


def _unfinished(root: Path) -> list[tuple[Path, RunStatus, bool | None]]:
    """Each run that earlier sweeps did not bring to its end: its status, and whether it is still under way."""
    newest: dict[tuple[str, ...], tuple[Path, RunStatus]] = {}
    for folder in sorted(root.glob("sweep_*"), key=_number, reverse=True):
        for path in folder.glob("*.json"):
            status = RunStatus.read(path)
            newest.setdefault(tuple(status.argv), (path, status))
    unfinished = [(path, status) for path, status in newest.values() if not status.came_to_its_end]
    jobs = sorted({status.slurm_job for _, status in unfinished if status.slurm_job})
    states = job_states(jobs) if jobs else {}
    there = None if states is None else queued(states)
    return [(path, status, status.is_under_way(there)) for path, status in unfinished]


def _number(folder: Path) -> int:
    return int(found[1]) if (found := re.fullmatch(r"sweep_(\d+)", folder.name)) else -1
