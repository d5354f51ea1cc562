"""RESULTS.md from finished runs."""

import os

import pytest

from lab.errors import LabError
from lab.report import all_runs, write_results


def finished_run(root, version: int, accuracy: float) -> None:
    run = root / "x" / f"version_{version}"
    (run / "checkpoints").mkdir(parents=True)
    (run / "metrics.csv").write_text(f"step,test/acc\n9,{accuracy}\n")
    (run / "config.yaml").write_text(f"seed_everything: {version}\nreference: '0.94: the handout'\n")
    last = run / "checkpoints" / "last.ckpt"
    last.touch()
    os.utime(run / "config.yaml", (1000, 1000))
    os.utime(last, (1090, 1090))


def test_a_row_holds_mean_spread_seeds_reference_and_time(tmp_path):
    for version, accuracy in enumerate((0.97, 0.98, 0.99)):
        finished_run(tmp_path / "runs", version, accuracy)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "speed.md").write_text("a table\n")
    text = write_results(all_runs(tmp_path / "runs"), tmp_path / "RESULTS.md", tmp_path / "notes")
    assert "| x | 0.9800 ± 0.0100 | 0, 1, 2 | 0.94: the handout | 1.5 min |" in text
    assert text.endswith("a table\n")
    assert (tmp_path / "RESULTS.md").read_text() == text


def test_nothing_tested_nothing_written(tmp_path):
    with pytest.raises(LabError, match="no run here has been tested yet"):
        write_results(all_runs(tmp_path / "runs"), tmp_path / "RESULTS.md")
    assert not (tmp_path / "RESULTS.md").exists()
