"""A sweep on disk: its runs, and how far each is."""

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.files import written_whole

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

    A status is a JSON object with ``state`` ("running", "done", "failed" or "stopped"; no file while it waits),
    ``words``, ``checkpoint``, ``worker``, ``began``, and in the end ``seconds``, ``run`` (its folder), ``score`` and
    ``error``.

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
        """Whether this worker is the first that wants to do a run."""
        try:
            with self._status(number).open("x", encoding="utf-8") as file:
                json.dump(self._begun(number, self.runs[number].checkpoint, worker), file)
        except FileExistsError:
            return False
        return True

    def begin(self, number: int, checkpoint: Path | None) -> None:
        """Note that a run begins, which no other worker can want, from a checkpoint or afresh."""
        self._write(number, self._begun(number, checkpoint, 0))

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

    def _begun(self, number: int, checkpoint: Path | None, worker: int) -> dict[str, Any]:
        known = {"words": self.runs[number].words, "checkpoint": str(checkpoint or "")}
        return {"state": "running", **known, "worker": worker, "began": time.time()}

    def _write(self, number: int, status: dict[str, Any]) -> None:
        with written_whole(self._status(number)) as part:
            part.write_text(json.dumps(status), encoding="utf-8")


def read_status(path: Path) -> dict[str, Any]:
    """A status, {"state": "waiting"} where there is no file, "running" where it is just being written."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"state": "waiting"}
    except json.JSONDecodeError:
        return {"state": "running"}


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
    """The ``last.ckpt`` of each run of earlier sweeps that was stopped as it was under way, by its words."""
    ended: dict[tuple[str, ...], Path | None] = {}
    for folder in sorted(root.glob("sweep_*"), key=_number, reverse=True):
        for path in folder.glob("*.json"):
            status = read_status(path)
            if status["state"] in ENDED:
                ended.setdefault(tuple(status["words"]), last_checkpoint(status))
    return {words: checkpoint for words, checkpoint in ended.items() if checkpoint}


def last_checkpoint(status: dict[str, Any]) -> Path | None:
    """The ``last.ckpt`` that a stopped run goes on from, or None."""
    if status["state"] != "stopped" or not status.get("run"):
        return None
    path = Path(status["run"], "checkpoints", "last.ckpt")
    return path if path.is_file() else None


def to_continue(folder: SweepFolder, number: int) -> Path | None:
    """The checkpoint that a task goes on from: where it was stopped, where it began before, or that of its run."""
    status = folder.status(number)
    began = status.get("checkpoint")
    return last_checkpoint(status) or (Path(began) if began else folder.runs[number].checkpoint)


def _number(folder: Path) -> int:
    return int(found[1]) if (found := re.fullmatch(r"sweep_(\d+)", folder.name)) else -1
