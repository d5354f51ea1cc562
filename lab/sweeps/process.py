"""Who does a run of a sweep, and whether it is still at it: a process of some machine, or a SLURM job."""

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def this_process() -> dict[str, Any]:
    """What tells this process from all others: its machine, its number, and since when it has had that."""
    return {"host": platform.node(), "process": os.getpid(), "since": _started(os.getpid())}


def is_alive(process: dict[str, Any]) -> bool | None:
    """Whether a process goes on; None where it is one of another machine, of which nothing is known here.

    Args:
        process: what ``this_process`` told it.
    """
    if process["host"] != platform.node():
        return None
    return _started(process["process"]) == process["since"]


def has_slurm() -> bool:
    """Whether SLURM can be asked from here."""
    return shutil.which("squeue") is not None


def queued(jobs: Sequence[str]) -> set[str] | None:
    """Which SLURM jobs wait or run, each by its two numbers: its own and, in an array, 12_3.

    Args:
        jobs: their numbers; that of an array stands for all of its tasks.

    Returns:
        None where SLURM does not answer; nothing where there is none.
    """
    if not has_slurm():
        return set()
    command = ["squeue", "--noheader", "--array", f"--jobs={','.join(jobs)}", "--format=%i %A"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode and "Invalid job id" not in asked.stderr:
        return None
    return set(asked.stdout.split())


def _started(number: int) -> str:
    """When a process was started, in ticks since this machine was, empty where it has ended; macOS does not say it."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:  # it is another user's
        pass
    try:
        state, *counts = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return "unknown"
    return "" if state == "Z" else counts[18]  # a killed process that nobody has waited for; field 22 of proc(5)
