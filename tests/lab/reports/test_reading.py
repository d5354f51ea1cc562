"""Which runs a report reads: those that are named, and of them those that are whole."""

from pathlib import Path

import pytest
from grid_runs import config, run_at

from lab.errors import LabError
from lab.reports.collect import read_finished, update_results
from lab.reports.reading import all_runs, complete_run, named_runs, readable
from lab.run_folder import RunFolder


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(version: int, name: str = "x") -> RunFolder:
    return run_at(Path("runs"), version, config(seed=version), {"test/acc": 0.5}, name)


def test_all_runs_are_read_by_name_the_oldest_first() -> None:
    runs = [run(2), run(10), run(0, "y")]
    assert all_runs(Path("runs")) == runs


def test_a_folder_stands_for_its_runs_and_each_is_read_once(folder: Path) -> None:
    one, two, other = run(0), run(1), run(0, "y")
    assert named_runs([Path("runs/x")]) == [one, two]
    assert named_runs([folder / "runs" / "x" / "version_1", Path("./runs/y"), two.path]) == [two, other]
    assert named_runs([Path("runs")]) == [one, two, other]


def test_what_is_no_run_is_refused() -> None:
    (run(0) / "figures").mkdir()
    with pytest.raises(LabError, match=r"runs/nope does not exist: name folders of runs, such as runs/vit_digits/vers"):
        named_runs([Path("runs/x/version_0"), Path("runs/nope")])
    with pytest.raises(LabError, match=r"figures holds no run: name folders of runs"):
        named_runs([Path("runs/x/version_0/figures")])


def test_a_named_run_without_a_test_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    runs = [run(0), run(1), run(2)]
    (runs[1] / "metrics.csv").unlink()
    (runs[2] / "metrics.csv").write_text("step,val/loss\n9,0.5\n")
    assert named_runs([run.path for run in runs]) == runs[:1]
    told = capsys.readouterr().out.splitlines()
    assert told == [
        f"Left out: {run} has not been tested: run `python train.py test --config {run}/config.yaml` first."
        for run in runs[1:]
    ]


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("config.yaml", "", "runs/x/version_0/config.yaml is empty"),
        ("config.yaml", None, "runs/x/version_0 has no config.yaml, so that nobody knows what ran"),
        ("overrides.yaml", "", "runs/x/version_0/overrides.yaml must hold"),
        ("overrides.yaml", "values: [", "the config file runs/x/version_0/overrides.yaml is no valid YAML"),
        ("metrics.csv", "step,test/acc\n9,half\n", "runs/x/version_0/metrics.csv is damaged"),
    ],
)
def test_a_damaged_run_is_told_and_the_others_are_written(
    file: str, text: str | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run(0) / file
    path.unlink() if text is None else path.write_text(text)
    finished = read_finished([RunFolder(path.parent), run(1)], Path("runs"))
    assert [study.all_runs for study in finished.studies] == [[RunFolder(Path("runs/x/version_1"))]]
    assert capsys.readouterr().out.startswith(f"Left out: {told}")
    update_results(finished, Path())
    assert "accuracy 0.5000" in Path("RESULTS.md").read_text()


def test_what_can_be_read_is_returned(capsys: pytest.CaptureFixture[str]) -> None:
    assert readable(complete_run, run(0)) == RunFolder(Path("runs/x/version_0")) and capsys.readouterr().out == ""
