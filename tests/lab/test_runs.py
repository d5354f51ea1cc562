"""Run folders, and what a notebook reads from them."""

import pytest

from lab.errors import LabError
from lab.runs import load_run, next_version, read_metrics, run_of_checkpoint, run_versions


def test_versions_count_as_numbers(tmp_path):
    assert next_version(tmp_path, "x") == 0
    for version in (0, 2, 10):
        (tmp_path / "x" / f"version_{version}").mkdir(parents=True)
    (tmp_path / "x" / "version_old").mkdir()
    assert [version for version, _ in run_versions(tmp_path, "x")] == [10, 2, 0]
    assert next_version(tmp_path, "x") == 11


def test_the_run_of_a_checkpoint(tmp_path):
    run = tmp_path / "x" / "version_3"
    assert run_of_checkpoint(run / "checkpoints" / "best.ckpt") == run
    assert run_of_checkpoint(tmp_path / "best.ckpt") is None
    assert run_of_checkpoint(tmp_path / "mine" / "checkpoints" / "best.ckpt") is None


def test_metrics_are_read_by_name(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,step,train/loss,val/loss\n0,4,,2.5\n0,4,3.0,\n1,9,,1.5\n")
    assert read_metrics(tmp_path) == {"val/loss": ([4, 9], [2.5, 1.5]), "train/loss": ([4], [3.0])}


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(LabError, match=r"metrics.csv does not exist: give the folder of a run"):
        read_metrics(tmp_path)
    with pytest.raises(LabError, match=r"is no finished run: it must hold config.yaml and checkpoints/best.ckpt"):
        load_run(tmp_path)
