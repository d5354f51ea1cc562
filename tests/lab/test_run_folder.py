"""Run folders, and what a notebook reads from them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.run_folder import (
    RunFolder,
    drop_if_empty,
    fit_minutes,
    from_here,
    new_run_dir,
    read_metrics,
    runs_of,
)


def test_versions_count_as_numbers(tmp_path):
    assert new_run_dir(tmp_path, "x") == tmp_path / "x" / "version_0"
    for name in ("version_2", "version_10", "version_old"):
        (tmp_path / "x" / name).mkdir()
    assert [run.version for run in runs_of(tmp_path, "x")] == [10, 2, 0]
    assert new_run_dir(tmp_path, "x").name == "version_11"


def test_runs_that_start_at_once_get_a_folder_each(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: new_run_dir(tmp_path, "x"), range(24)))
    assert len(set(folders)) == 24


def test_only_an_empty_run_is_dropped(tmp_path):
    empty, full = new_run_dir(tmp_path / "runs", "x"), new_run_dir(tmp_path / "runs", "x")
    (full / "metrics.csv").touch()
    drop_if_empty(empty)
    drop_if_empty(full)
    assert not empty.exists() and full.is_dir()


def test_the_run_of_a_checkpoint(tmp_path):
    run = tmp_path / "x" / "version_3"
    assert RunFolder.of_checkpoint(run / "checkpoints" / "best.ckpt") == RunFolder(run)
    assert RunFolder.of_checkpoint(tmp_path / "best.ckpt") is None
    assert RunFolder.of_checkpoint(tmp_path / "mine" / "checkpoints" / "best.ckpt") is None


def test_metrics_are_read_by_name(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,step,train/loss,val/loss\n0,4,,2.5\n0,4,3.0,\n1,9,,1.5\n")
    assert read_metrics(tmp_path) == {"val/loss": ([4, 9], [2.5, 1.5]), "train/loss": ([4], [3.0])}


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(LabError, match=r"metrics.csv does not exist: give the folder of a run"):
        read_metrics(tmp_path)


def test_a_run_that_only_opened_its_loggers_leaves_nothing(tmp_path):
    files = {"config.yaml": False, "events.out.tfevents.17.host.1.0": False, "metrics.csv": True}
    for name, kept in files.items():
        run = new_run_dir(tmp_path / "runs", "x")
        (run / name).write_text("")
        drop_if_empty(run)
        assert (tmp_path / "runs").exists() == kept


@pytest.mark.parametrize("text", ["step,a\n1,two\n", "a\n1\n", "step,a\n,1\n", "step,a\n1,2,3\n", "step,a\n1,\udcff\n"])
def test_damaged_metrics_are_named(tmp_path, text):
    (tmp_path / "metrics.csv").write_text(text, errors="surrogateescape")
    with pytest.raises(LabError, match=r"metrics.csv is damaged: a row of it is no step with numbers"):
        read_metrics(tmp_path)


def test_a_path_below_the_working_directory_is_told_from_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(from_here(tmp_path / "runs" / "x")) == str(from_here("./runs/x")) == "runs/x"
    assert str(from_here("/elsewhere/x")) == "/elsewhere/x"


def test_the_wall_clock_of_fits_is_what_they_noted(tmp_path: Path) -> None:
    runs = [RunFolder(tmp_path / "x" / f"version_{version}") for version in range(3)]
    for run, noted in zip(runs, ("fit_seconds: 90.0", "fit_seconds: 30.2", ""), strict=True):
        run.path.mkdir(parents=True)
        (run / "duration.yaml").write_text(noted)
    assert (
        fit_minutes(runs[:1]) == "1.5 min" and fit_minutes(runs) == "0.5–1.5 min" and fit_minutes(runs[2:]) == "? min"
    )


def test_a_row_that_was_not_written_to_its_end_counts_nothing(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,test/acc\n1,0.5\n2,0.9")
    assert read_metrics(tmp_path) == {"test/acc": ([1], [0.5])}
