"""Studies: values, means in words, which mean is best, and the experiments outside grids."""

from pathlib import Path

import pytest
import yaml
from grid_runs import a_run, config, write_config

from lab.report_studies import Measured, experiment_studies, mean_and_spread, more_is_better, replica_values, with_best

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "told"),
    [((), "–"), ((1.0, NAN), "not finite"), ((0.91, 0.93), "0.920 ± 0.014"), ((2e-4,), "0.0002"), ((1e-25, 0), "0")],
)
def test_values_are_told_as_mean_and_spread(values: tuple[float, ...], told: str) -> None:
    assert mean_and_spread(values) == told


@pytest.mark.parametrize(
    ("metric", "more"),
    [
        ("test/acc", True),
        ("probe/test_acc", True),
        ("distorted_acc/noise_0.2", True),
        ("test/boundary_f", True),
        ("test/loss", False),
        ("test/bits_per_char", False),
        ("pca/optimum", None),
        ("superposition/overlap", None),
    ],
)
def test_the_name_of_a_metric_says_whether_more_is_better(metric: str, more: bool | None) -> None:
    assert more_is_better(metric) is more


def test_replicas_count_one_by_one_and_what_was_not_logged_counts_nothing() -> None:
    metrics = {"a": ([1], [0.5]), "b": ([1], [1.5]), "b_replica_0": ([1], [1.0]), "b_replica_1": ([1], [2.0])}
    assert [values for _, values in replica_values(metrics, "b")] == [[1.0], [2.0]]
    assert replica_values(metrics, "a") == [([1], [0.5])] and replica_values(metrics, "c") == []


def cells(*values: float, metric: str = "test/acc") -> list[list[Measured]]:
    return [[Measured(f"row {number}", "", metric, "", (value,))] for number, value in enumerate(values)]


def runs_on(folder: Path, *data: str) -> dict[tuple[str, str], list[Path]]:
    found = {}
    for number, name in enumerate(data):
        run = folder / f"version_{number}"
        run.mkdir()
        (run / "config.yaml").write_text(yaml.safe_dump({"data": {"class_path": name, "init_args": {"seed": number}}}))
        found[f"row {number}", ""] = [run]
    return found


def best(rows: list[list[Measured]]) -> list[bool]:
    return [cell.best for row in rows for cell in row]


def test_the_best_are_those_of_the_best_mean(tmp_path: Path) -> None:
    runs = runs_on(tmp_path, "A", "A", "A", "A")
    assert best(with_best(cells(0.5, 0.9, 0.9, NAN), runs)) == [False, True, True, False]
    assert best(with_best(cells(0.5, 0.9, 0.9, 0.7, metric="test/loss"), runs)) == [True, False, False, False]
    assert not any(best(with_best(cells(0.5, 0.9, 0.9, 0.7, metric="pca/optimum"), runs)))


def test_rows_with_other_data_are_not_held_against_each_other(tmp_path: Path) -> None:
    runs = runs_on(tmp_path, "A", "A", "B")
    assert best(with_best(cells(0.5, 0.6, 0.9), runs)) == [False, True, False]
    assert not any(best(with_best(cells(0.9), {("row 0", ""): runs["row 0", ""]})))


def test_an_experiment_is_a_study_with_a_row_for_what_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write_config(tmp_path) / "configs" / "x.yaml"
    path.write_text("# What it is.\n# And how long it takes.\n" + path.read_text())
    runs = [a_run(tmp_path / "runs", seed, config(seed=seed), {"test/acc": 0.5 + seed / 4}) for seed in range(2)]
    runs.append(a_run(tmp_path / "runs", 2, config([5]), {"test/acc": 0.25}))
    (study,) = experiment_studies(runs)
    assert [(row[0].row, row[0].values, row[0].best) for row in study.rows] == [
        ("as the config states", (0.5, 0.75), True),
        ("--model.net.hidden_dims '[5]'", (0.25,), False),
    ]
    assert (study.name, study.reference, study.repeats) == ("x", "0.9: the handout", "1–2")
    assert study.notes == ["What it is. And how long it takes."]
    assert study.all_runs == runs
