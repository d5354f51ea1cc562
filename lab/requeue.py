"""A SLURM job that begins again goes on with the run that it was doing."""

import os
from pathlib import Path
from typing import Any

import yaml

from lab.runs import run_versions


def slurm_job() -> dict[str, str]:
    """What tells the run of a SLURM job from others: its number, or nothing elsewhere.

    The number stays when a job is requeued, and each task of an array has its own.
    """
    job = os.environ.get("SLURM_JOB_ID")
    return {"slurm_job": job} if job else {}


def requeued_checkpoint(root: Path, name: str, typed: dict[str, Any]) -> Path | None:
    """The ``last.ckpt`` of the run that this SLURM job was doing before it was requeued; None when it begins.

    Args:
        root: the folder of all runs.
        name: the name of the config.
        typed: what was typed and the number of the job, as ``overrides.yaml`` keeps it.
    """
    if not int(os.environ.get("SLURM_RESTART_COUNT") or 0) or "slurm_job" not in typed:
        return None
    for _, run in run_versions(root, name):
        overrides, last = run / "overrides.yaml", run / "checkpoints" / "last.ckpt"
        if overrides.is_file() and last.is_file() and yaml.safe_load(overrides.read_text(encoding="utf-8")) == typed:
            return last
    return None
