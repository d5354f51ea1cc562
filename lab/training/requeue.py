"""What was broken off without a word goes on with the run that it was doing, such as a SLURM job that begins again."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.run_folder import runs_of


def slurm_job() -> dict[str, str]:
    """What identifies the run of a SLURM job: its number, or nothing elsewhere.

    The number stays when a job is requeued, and each task of an array has its own.
    """
    job = os.environ.get("SLURM_JOB_ID")
    return {"slurm_job": job} if job else {}


def requeued_checkpoint(root: Path, name: str, overrides: dict[str, Any]) -> Path | None:
    """The ``last.ckpt`` of the run that this SLURM job was doing before it was requeued; None when it begins.

    Args:
        root: the folder of all runs.
        name: the name of the config.
        overrides: what was typed and the number of the job, as ``overrides.yaml`` keeps it.
    """
    if not int(os.environ.get("SLURM_RESTART_COUNT") or 0) or "slurm_job" not in overrides:
        return None
    return begun_checkpoint(root, name, overrides)


def begun_checkpoint(root: Path, name: str, overrides: dict[str, Any], since: float = 0.0) -> Path | None:
    """The ``last.ckpt`` of the newest run of a config for which the same was typed; None when there is none.

    Args:
        root: the folder of all runs.
        name: the name of the config.
        overrides: what ``overrides.yaml`` must hold.
        since: when the run began at the earliest, in seconds since 1970.
    """
    for run in runs_of(root, name):
        file, last = run / "overrides.yaml", run.checkpoint("last")
        if file.is_file() and last and file.stat().st_mtime >= since:
            with suppress(LabError):  # a damaged run is not the one
                known = run.overrides
                if known is not None and {**known, **overrides} == known:
                    return last
    return None
