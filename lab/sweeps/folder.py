"""A sweep on disk: its runs, how far each is, and where earlier sweeps were broken off."""

import json
import re
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.files import written_whole
from lab.sweeps.process import queued, this_process
from lab.sweeps.status import came_to_its_end, is_under_way, last_checkpoint, read_status, still_states
from lab.training.requeue import slurm_job

ENDED = ("done", "failed", "stopped")


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Args:
        name: what tells it from the others.
        words: what one types behind ``train.py``.
        metric: the metric of its test to show; one is chosen when empty.
        checkpoint: where it was stopped before, or None.
    """

    name: str
    words: list[str]
    metric: str = ""
    checkpoint: Path | None = None

    def words_from(self, checkpoint: Path | None) -> list[str]:
        """What one types to begin, or to go on from a checkpoint."""
        return [*self.words, *([f"--ckpt_path={checkpoint}"] if checkpoint else [])]


@dataclass(frozen=True)
class SweepFolder:
    """A sweep on disk: ``sweep.yaml``, and of each run a log and a status, ``<number>_<name>.{log,json}``.

    A status is a JSON object with ``state`` ("running", "done", "failed" or "stopped"; while it waits "waiting", or no
    file), ``words``, ``checkpoint``, who does it (``worker`` and ``process``, or ``slurm_job``), ``began``, and in the
    end ``seconds``, ``run`` (its folder), ``score``, ``error`` and, when its process was killed, ``lost``.

    Args:
        path: ``runs/<config name>/sweep_<n>``.
        runs: its runs.
    """

    path: Path
    runs: list[Run]

    def log(self, number: int) -> Path:
        name = re.sub(r"[^\w.=-]+", "_", self.runs[number].name)[:100]
        return self.path / f"{number:03d}_{name}.log"

    def claim(self, number: int, worker: int) -> bool:
        """Whether this worker, a process of this machine, is the first that wants to do a run."""
        begun = self._begun(number, self.runs[number].checkpoint)
        return self._write_first(number, {**begun, "worker": worker, "process": this_process()})

    def submitted(self, number: int, job: str) -> None:
        """Note that a SLURM job is to do a run, unless it has begun already."""
        waiting = self._known(number, self.runs[number].checkpoint)
        self._write_first(number, {"state": "waiting", **waiting, "slurm_job": job})

    def begin(self, number: int, checkpoint: Path | None) -> None:
        """Note that this SLURM job does a run, which no other worker can want, from a checkpoint or afresh."""
        self._write(number, {**self._begun(number, checkpoint), **slurm_job()})

    def end(self, number: int, state: str, **more: Any) -> None:
        """Note how a run ended, also one that never began."""
        status = {"words": self.runs[number].words, "began": time.time(), **self.status(number)}
        self._write(number, {**status, "state": state, "seconds": time.time() - status["began"], **more})

    def status(self, number: int) -> dict[str, Any]:
        return read_status(self._status(number))

    def statuses(self) -> list[dict[str, Any]]:
        return [self.status(number) for number in range(len(self.runs))]

    def _status(self, number: int) -> Path:
        return self.log(number).with_suffix(".json")

    def _known(self, number: int, checkpoint: Path | None) -> dict[str, Any]:
        return {"words": self.runs[number].words, "checkpoint": str(checkpoint or "")}

    def _begun(self, number: int, checkpoint: Path | None) -> dict[str, Any]:
        return {"state": "running", **self._known(number, checkpoint), "began": time.time()}

    def _write_first(self, number: int, status: dict[str, Any]) -> bool:
        """Write a status where there is none; whether there was none."""
        try:
            with self._status(number).open("x", encoding="utf-8") as file:
                json.dump(status, file)
        except FileExistsError:
            return False
        return True

    def _write(self, number: int, status: dict[str, Any]) -> None:
        with written_whole(self._status(number)) as part:
            part.write_text(json.dumps(status), encoding="utf-8")


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


def stopped_runs(root: Path) -> dict[tuple[str, ...], Path]:
    """The ``last.ckpt`` of each run of earlier sweeps that was broken off, by its words, unless its config changed.

    Broken off is what was stopped as it was under way, or whose process or SLURM job was killed.
    """
    found = {}
    for _, status, under_way in _unfinished(root):
        with suppress(LabError):  # what is damaged is not gone on with
            checkpoint = last_checkpoint(status)
            if under_way is False and checkpoint and still_states(status, checkpoint.parent.parent):
                found[tuple(status["words"])] = checkpoint
    return found


def refuse_running(root: Path, wanted: Collection[list[str]]) -> None:
    """Raise LabError where one of the wanted runs is still under way in an earlier sweep.

    Args:
        root: the folder of the sweeps.
        wanted: the words of each run that is to be started.
    """
    for path, status, under_way in _unfinished(root):
        if under_way and status["words"] in wanted:
            job = status.get("slurm_job")
            who, stop = (f"SLURM job {job}", "scancel") if job else (f"process {status['process']['process']}", "kill")
            raise LabError(
                f"the run {path.stem} of {path.parent} is still under way in {who}: wait for its end, "
                f"or let it save and stop with {stop} {who.split()[-1]}, and give the same command again."
            )


def to_continue(folder: SweepFolder, number: int) -> Path | None:
    """The checkpoint that a task goes on from: where it was broken off, or that of its run."""
    return last_checkpoint(folder.status(number)) or folder.runs[number].checkpoint


def _unfinished(root: Path) -> list[tuple[Path, dict[str, Any], bool | None]]:
    """Each run that earlier sweeps did not bring to its end: its status, and whether it is still under way."""
    newest: dict[tuple[str, ...], tuple[Path, dict[str, Any]]] = {}
    for folder in sorted(root.glob("sweep_*"), key=_number, reverse=True):
        for path in folder.glob("*.json"):
            status = read_status(path)
            newest.setdefault(tuple(status.get("words", ())), (path, status))
    unfinished = [(path, status) for path, status in newest.values() if not came_to_its_end(status)]
    jobs = sorted({status["slurm_job"] for _, status in unfinished if "slurm_job" in status})
    there = queued(jobs) if jobs else set()
    return [(path, status, is_under_way(status, there)) for path, status in unfinished]


def _number(folder: Path) -> int:
    return int(found[1]) if (found := re.fullmatch(r"sweep_(\d+)", folder.name)) else -1
