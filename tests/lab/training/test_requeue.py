"""A requeued SLURM job finds the run that it was doing."""

import os
from pathlib import Path

import pytest
import yaml

from lab.training.requeue import begun_checkpoint, requeued_checkpoint, slurm_job

TYPED = {"configs": ["configs/x.yaml"], "values": {"model.net.depth": 2}}


def a_run(root: Path, version: int, job: str, checkpoint: bool = True) -> Path:
    run = root / "x" / f"version_{version}"
    (run / "checkpoints").mkdir(parents=True)
    (run / "overrides.yaml").write_text(yaml.safe_dump({**TYPED, "slurm_job": job}))
    if checkpoint:
        (run / "checkpoints" / "last.ckpt").touch()
    return run


def test_the_run_of_the_job_is_found_among_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    typed = {**TYPED, **slurm_job()}
    assert typed["slurm_job"] == "7" and requeued_checkpoint(tmp_path, "x", typed) is None
    run = a_run(tmp_path, 0, "7")
    a_run(tmp_path, 1, "8")
    a_run(tmp_path, 2, "7", checkpoint=False)
    assert requeued_checkpoint(tmp_path, "x", typed) == run / "checkpoints" / "last.ckpt"
    assert requeued_checkpoint(tmp_path, "x", {**typed, "values": {}}) is None  # another run of the same job


def test_the_newest_run_of_the_same_words_is_found_whichever_job_did_it(tmp_path: Path) -> None:
    assert begun_checkpoint(tmp_path, "x", TYPED) is None
    runs = [a_run(tmp_path, version, job) for version, job in enumerate("78")]
    assert begun_checkpoint(tmp_path, "x", TYPED) == runs[1] / "checkpoints" / "last.ckpt"
    assert begun_checkpoint(tmp_path, "x", {**TYPED, "configs": ["configs/y.yaml"]}) is None
    os.utime(runs[1] / "overrides.yaml", (0, 0))
    assert begun_checkpoint(tmp_path, "x", TYPED, since=1.0) == runs[0] / "checkpoints" / "last.ckpt"
    (runs[1] / "overrides.yaml").write_text("")  # a damaged run is not the one
    assert begun_checkpoint(tmp_path, "x", TYPED) == runs[0] / "checkpoints" / "last.ckpt"


@pytest.mark.parametrize("restarts", ["", "0"])
def test_a_job_that_begins_goes_on_with_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, restarts: str) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    a_run(tmp_path, 0, "7")
    assert requeued_checkpoint(tmp_path, "x", {**TYPED, **slurm_job()}) is None


def test_elsewhere_there_is_no_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert slurm_job() == {} and requeued_checkpoint(tmp_path, "x", TYPED) is None
