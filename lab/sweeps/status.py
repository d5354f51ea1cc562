"""What the status of a run of a sweep tells: whether it came to its end, who is still at it, and where it goes on."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from lab.commands.command_line import CommandLine
from lab.errors import LabError
from lab.grids import is_as_stated
from lab.sweeps.process import has_slurm, is_alive
from lab.training.requeue import begun_checkpoint


def read_status(path: Path) -> dict[str, Any]:
    """A status, {"state": "waiting"} where there is no file, "running" where it is just being written."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"state": "waiting"}
    except json.JSONDecodeError:
        return {"state": "running"}


def came_to_its_end(status: dict[str, Any]) -> bool:
    """Whether a run is done, or failed by itself."""
    return status["state"] == "done" or (status["state"] == "failed" and not status.get("lost"))


def is_under_way(status: dict[str, Any], queued: Collection[str] | None) -> bool | None:
    """Whether a run is still being done; None where that cannot be known here.

    Args:
        status: its status.
        queued: the SLURM jobs that wait or run; None where SLURM does not answer.
    """
    if came_to_its_end(status):
        return False
    if "slurm_job" in status:
        if not has_slurm():
            return None
        return queued is None or status["slurm_job"] in queued  # a stopped one too, which was put back into the queue
    if status["state"] == "stopped":
        return False
    return is_alive(status["process"]) if "process" in status else None


def last_checkpoint(status: dict[str, Any]) -> Path | None:
    """The ``last.ckpt`` that a run goes on from which did not come to its end; None when it begins afresh."""
    if came_to_its_end(status):
        return None
    if run := status.get("run"):
        path = Path(run, "checkpoints", "last.ckpt")
    elif status.get("checkpoint"):
        path = Path(status["checkpoint"])
    else:
        path = _begun_checkpoint(status)
    return path if path and path.is_file() else None


def still_states(status: dict[str, Any], run: Path) -> bool:
    """Whether the config of a run still states what its folder was started with."""
    line = _typed(status)
    return line is not None and is_as_stated(line.configs[0], line.typed["values"], run)


def _begun_checkpoint(status: dict[str, Any]) -> Path | None:
    """The ``last.ckpt`` of a run that was killed before it could say which its folder is."""
    line = _typed(status)
    if line is None or "began" not in status:
        return None
    typed = {key: line.typed[key] for key in ("configs", "values")}  # whichever SLURM job this is
    root = Path(typed["values"].get("trainer.default_root_dir", "runs"))
    return begun_checkpoint(root, line.run_name(None), typed, status["began"])


def _typed(status: dict[str, Any]) -> CommandLine | None:
    """What was typed for a run; None where its config is gone."""
    try:
        line = CommandLine.read(status.get("words", []), {})
    except LabError:
        return None
    return line if line.configs else None
