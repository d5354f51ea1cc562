"""Who executes a run of a sweep, and whether it still does: a process of some machine, or a SLURM job."""

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ENDED_STATES = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"}
ENDED_STATES |= {"TIMEOUT"}


def this_process() -> dict[str, Any]:
    """What identifies this process among all others: its machine, its number, and when it was started."""
    return {"host": platform.node(), "process": os.getpid(), "since": _start_time(os.getpid())}


def is_alive(process: dict[str, Any]) -> bool | None:
    """Whether a process still runs; None where it is one of another machine, of which nothing is known here.

    Args:
        process: what ``this_process`` returned in it.
    """
    if process["host"] != platform.node():
        return None
    return _start_time(process["process"]) == process["since"]


def this_slurm_job() -> str:
    """The number of this SLURM job, in an array as 12_3: ``scancel`` ignores the other number of an array's task."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else os.environ.get("SLURM_JOB_ID", "")


def has_slurm() -> bool:
    """Whether SLURM can be asked from here."""
    return shutil.which("squeue") is not None


def job_states(jobs: Sequence[str]) -> dict[str, str] | None:
    """The states of SLURM jobs that wait, run, or ended in the last minutes (SLURM's ``MinJobAge``).

    Args:
        jobs: their numbers; that of an array stands for all of its tasks.

    Returns:
        a state such as PENDING or CANCELLED by each of the two numbers of a job: its own and, in an array, 12_3; empty
        where there is no SLURM, None where it does not answer.
    """
    if not has_slurm():
        return {}
    command = ["squeue", "--noheader", "--array", "--states=all", f"--jobs={','.join(jobs)}", "--format=%i %A %T"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode and "Invalid job id" not in answer.stderr:
        return None
    rows = [line.split() for line in answer.stdout.splitlines()]
    return {number: state for *numbers, state in rows for number in numbers}


def queued(states: dict[str, str]) -> set[str]:
    """Which SLURM jobs wait or run, of those whose states are given."""
    return {job for job, state in states.items() if state not in ENDED_STATES}


def _start_time(number: int) -> str:
    """When a process was started, in ticks since the boot; empty where it has ended; unknown on macOS."""
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
