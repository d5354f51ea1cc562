"""Studies: values, means in words, which mean is best, and the experiments outside grids."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from grid_runs import config, run_at, write_config

from lab.reports.studies import Measured, best_experiment, experiment_studies, with_best
from lab.run_folder import RunFolder

NAN = float("nan")


def cells(*values: float, metric: str = "test/acc") -> list[list[Measured]]:
    return [[Measured(f"row {number}", "", metric, "", (value, value))] for number, value in enumerate(values)]


def runs_on(folder: Path, *data: str) -> dict[tuple[str, str], list[RunFolder]]:
    found = {}
    for number, name in enumerate(data):
        run = folder / f"version_{number}"
        run.mkdir()
        (run / "config.yaml").write_text(yaml.safe_dump({"data": {"class_path": name, "init_args": {"seed": number}}}))
        found[f"row {number}", ""] = [RunFolder(run)]
    return found


def best(rows: list[list[Measured]]) -> list[bool]:
    return [cell.best for row in rows for cell in row]


def test_the_best_are_those_of_the_best_mean(tmp_path: Path) -> None:
    runs = runs_on(tmp_path, "A", "A", "A", "A")
    assert best(with_best(cells(0.5, 0.9, 0.9, NAN), runs)) == [False, True, True, False]
    assert best(with_best(cells(0.5, 0.9, 0.9, 0.7, metric="test/loss"), runs)) == [True, False, False, False]
    assert not any(best(with_best(cells(0.5, 0.9, 0.9, 0.7, metric="pca/optimum"), runs)))


def test_a_single_repeat_is_neither_best_nor_a_rival(tmp_path: Path) -> None:
    runs, rows = runs_on(tmp_path, "A", "A", "A"), cells(0.5, 0.6, 0.9)
    rows[2] = [Measured("row 2", "", "test/acc", "", (0.9,))]
    assert best(with_best(rows, runs)) == [False, True, False]
    assert not any(best(with_best(rows[1:], runs)))


def test_the_best_experiment_is_a_marked_one_or_of_single_runs_that_with_the_best_mean() -> None:
    many = cells(0.5, 0.9, 0.7)
    few = [[replace(cell, values=cell.values[:1])] for (cell,) in many]
    assert best_experiment(few) == few[1][0]
    assert best_experiment(many) == many[0][0]  # of which none is marked: their data differ
    many[2] = [replace(many[2][0], best=True)]
    assert best_experiment(many) == many[2][0]
    nothing = [Measured("a", None, "pca/acc", "", (1.0,)), Measured("a", "", "test/acc", "", ())]
    assert best_experiment([nothing]) is None


def test_rows_with_other_data_are_not_held_against_each_other(tmp_path: Path) -> None:
    runs = runs_on(tmp_path, "A", "A", "B")
    assert best(with_best(cells(0.5, 0.6, 0.9), runs)) == [False, True, False]
    assert not any(best(with_best(cells(0.9), {("row 0", ""): runs["row 0", ""]})))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the file configs/x.yaml."""
    monkeypatch.chdir(tmp_path)
    return write_config(tmp_path)


def test_an_experiment_is_a_study_with_a_row_for_what_was_typed(folder: Path) -> None:
    path = folder / "configs" / "x.yaml"
    path.write_text("# What it is.\n# And how long it takes.\n" + path.read_text())
    runs = [run_at(folder / "runs", seed, config(seed=seed), {"test/acc": 0.5 + seed / 4}) for seed in range(2)]
    runs.append(run_at(folder / "runs", 2, config([5]), {"test/acc": 0.25}))
    (study,) = experiment_studies(runs)
    assert [(row[0].row, row[0].values, row[0].best) for row in study.rows] == [
        ("as the config states", (0.5, 0.75), False),
        ("--model.net.hidden_dims '[5]'", (0.25,), False),
    ]
    assert (study.name, study.reference, study.repeats) == ("x", "0.9: the handout", "1–2")
    assert study.notes == ["What it is. And how long it takes."]
    assert study.all_runs == runs


@pytest.mark.parametrize(
    ("metrics", "metric", "label", "held"),
    [
        ({"test/loss": 1, "probe/test_acc": 2}, "probe/test_acc", "accuracy of a linear probe", "probe/test_acc"),
        ({"test/perplexity": 1, "test/bits": 2}, "test/bits", "test/bits", ""),  # the twin of the monitor
        ({"test/other": 1}, "test/other", "test/other", ""),
    ],
)
def test_any_test_is_a_result_and_only_a_usual_one_is_what_the_reference_is_of(
    folder: Path, metrics: dict[str, float], metric: str, label: str, held: str
) -> None:
    (study,) = experiment_studies([run_at(folder / "runs", 0, {**config(), "monitor": "val/bits"}, metrics)])
    ((cell,),) = study.rows
    assert (cell.metric, cell.label, study.reference_metric) == (metric, label, held)


def test_the_result_of_a_config_of_a_grid_is_the_grids_where_it_was_measured(folder: Path) -> None:
    result = {"x": ("test/loss", "error")}
    runs = [run_at(folder / "runs", 0, config(), {"test/rse": 0.5, "test/loss": 0.25})]
    (study,) = experiment_studies(runs, result)
    assert (study.rows[0][0].metric, study.rows[0][0].label, study.reference_metric) == (
        "test/loss",
        "error",
        "test/loss",
    )
    (study,) = experiment_studies([run_at(folder / "runs", 1, config(), {"test/rse": 0.5})], result)
    assert (study.rows[0][0].metric, study.reference_metric) == ("test/rse", "test/loss")  # the reference is of no cell


def test_runs_of_two_files_with_one_name_are_a_study_whose_rows_say_so(folder: Path) -> None:
    runs = [run_at(folder / "runs", version, config(seed=version), {"test/acc": 0.5}) for version in range(2)]
    (runs[0] / "overrides.yaml").write_text(yaml.safe_dump({"configs": ["a/x.yaml"], "values": {}}))
    (study,) = experiment_studies(runs)
    assert [row[0].row for row in study.rows] == ["as the config states", "--config a/x.yaml"]
    assert study.command == "python train.py fit --config configs/x.yaml"
    (study,) = experiment_studies(runs[:1])
    assert study.rows[0][0].row == "as the config states" and study.command.endswith("--config a/x.yaml")


def test_the_same_seeds_twice_are_no_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_config(tmp_path))
    runs = [run_at(tmp_path / "runs", version, {**config(), "seed_everything": version // 2}) for version in range(4)]
    (study,) = experiment_studies(runs)
    assert study.all_runs == [runs[1], runs[3]] and len(study.cells[0].values) == 2
