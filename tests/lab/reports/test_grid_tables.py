"""The results of a grid in a table: means, spreads, references."""

from pathlib import Path

import pytest
from grid_runs import NOISE, SMALL, a_run, config, grid, write_config

from lab.experiments.grids import Grid
from lab.reports.collect import grid_result
from lab.reports.grid_tables import grid_study
from lab.reports.rendering import rendered
from lab.reports.results import Results


def table_of(of_grid: Grid, root: Path) -> str:
    """The section of a grid in RESULTS.md."""
    page = rendered("RESULTS.md", results=Results(grids={"g": grid_result(grid_study(of_grid, root))}))
    return page[page.index("### ") :]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the file configs/x.yaml."""
    monkeypatch.chdir(tmp_path)
    return write_config(tmp_path)


def test_the_table_has_references_means_and_spreads_over_replicas_and_seeds(folder: Path) -> None:
    replicas = {
        "test/loss_replica_0": 1,
        "test/loss_replica_1": 2,
        "test/loss": 1.5,
        "test/loss_std": 0.7,
        "pca/mse": 4,
    }
    a_run(folder / "runs", 0, config([5], seed=0), replicas)
    a_run(folder / "runs", 1, config([5], seed=1), {**replicas, "test/loss_replica_0": 3, "test/loss_replica_1": 6})
    a_run(folder / "runs", 2, config([5], NOISE), {"test/loss": 0.123456})
    a_run(folder / "runs", 3, config([256, 10], NOISE), {"test/loss": 7, "pca/mse": 8})
    *lines, below, _, machine = table_of(
        grid(references={"pca/mse": "PCA"}, seeds=[0, 1]), folder / "runs"
    ).splitlines()
    assert lines == [
        "### A grid",
        "",
        "|  | PCA | vanilla error | noisy error |",
        "| --- | ---: | ---: | ---: |",
        "| small | 4 ± 0 | 3.0 ± 2.2 | 0.1235 |",
        "| large | – | – | 7 |",
        "",
    ]
    assert below.startswith("Mean ± standard deviation over 0–4 repeats. 4 runs of ")
    assert (
        machine.startswith("Machine: ")
        and "`python sweep.py g.yaml`" in below
        and below.endswith("Reference: 0.9: the handout.")
    )


def test_a_table_with_two_metrics_and_one_column_names_the_metrics_alone(folder: Path) -> None:
    a_run(folder / "runs", 0, config([5]), {"test/loss": 2, "test/mse": 1})
    metrics = {"test/loss": "error", "test/mse": "squared error"}
    one = grid(metrics=metrics, rows={"small": SMALL}, columns={"": {}})
    lines = table_of(one, folder / "runs").splitlines()
    assert lines[2] == "|  | error | squared error |" and lines[4] == "| small | 2 | 1 |"
    assert lines[-3].startswith("Mean ± standard deviation over 1 repeats. 1 runs of ")


def test_the_first_value_of_a_metric_is_told_where_it_is_asked_for(folder: Path) -> None:
    run = a_run(folder / "runs", 0, config([5]))
    (run / "metrics.csv").write_text("step,rate,test/loss\n0,0.5,\n5,0.25,\n9,,2\n")
    metrics = {"first rate": "start", "rate": "end", "test/loss": "error"}
    one = grid(metrics=metrics, rows={"small": SMALL}, columns={"": {}})
    assert table_of(one, folder / "runs").splitlines()[4] == "| small | 0.5 | 0.25 | 2 |"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((0.91, 0.93), "0.920 ± 0.014"),
        ((100, 400), "250 ± 212"),
        ((1e-9, 3e-9), "2e-09 ± 1e-09"),
        ((2.0, 2.0), "2 ± 0"),
        ((0.123456,), "0.1235"),
        ((0.0,), "0"),
    ],
)
def test_a_mean_is_told_to_the_digits_of_its_spread(folder: Path, values: tuple[float, ...], told: str) -> None:
    for seed, value in enumerate(values):
        a_run(folder / "runs", seed, config([5], seed=seed), {"test/loss": value})
    table = table_of(grid(columns={"": {}}, seeds=list(range(len(values)))), folder / "runs")
    assert f"| small | {told} |" in table


def test_a_grid_that_never_ran_has_no_table(folder: Path) -> None:
    assert grid_study(grid(), folder / "runs") is None
    a_run(folder / "runs", 0, config([7]))  # of another experiment
    assert grid_study(grid(), folder / "runs") is None


def test_rows_are_held_against_the_one_that_is_named(folder: Path) -> None:
    for seed in range(3):
        a_run(folder / "runs", seed, config([5], seed=seed), {"test/loss": 2.0 + seed})
        a_run(folder / "runs", 3 + seed, config([256, 10], seed=seed), {"test/loss": 5.0 + seed})
    table = table_of(grid(seeds=[0, 1, 2], columns={"": {}}, baseline="small"), folder / "runs")
    assert "\n\nlarge − small: 3.000, 95 % interval 0.733 to 5.267 (Welch's t = 3.7, p = 0.021, 3 and 3 rep" in table


def test_the_best_of_each_column_is_known(folder: Path) -> None:
    for seed in range(2):
        a_run(folder / "runs", seed, config([5], seed=seed), {"test/loss": 2, "test/acc": 0.9})
        a_run(folder / "runs", 2 + seed, config([256, 10], seed=seed), {"test/loss": 1, "test/acc": 0.8})
    metrics = {"test/loss": "error", "test/acc": "accuracy"}
    study = grid_study(grid(metrics=metrics, columns={"": {}}, seeds=[0, 1]), folder / "runs")
    assert [[cell.best for cell in row] for row in study.rows] == [[False, True], [True, False]]
    assert (study.name, study.reference, study.command) == ("g", "0.9: the handout", "python sweep.py g.yaml")


def test_names_with_bars_and_tags_are_escaped(folder: Path) -> None:
    a_run(folder / "runs", 0, config([5]))
    one = grid(rows={"small | <b>": SMALL}, columns={"": {}}, metrics={"test/loss": "|error|"}, title="A <i>")
    lines = table_of(one, folder / "runs").splitlines()
    assert [lines[0], lines[2], lines[4]] == [r"### A \<i>", r"|  | \|error\| |", r"| small \| \<b> | 0.25 |"]


def test_the_reference_is_of_the_first_metric(folder: Path) -> None:
    a_run(folder / "runs", 0, config([5]), {"test/loss": 2, "test/acc": 0.9})
    study = grid_study(grid(metrics={"test/acc": "accuracy", "test/loss": "error"}), folder / "runs")
    assert study.reference_metric == "test/acc"
