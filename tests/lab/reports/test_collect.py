"""RESULTS.md from finished runs."""

import csv
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from result_samples import benchmark, experiment, results

from lab.experiments.grids import Grid
from lab.reports.collect import read_finished, update_results, write_tables
from lab.reports.reading import all_runs
from lab.reports.result_files import read_results, write_benchmark, write_results


def config(attention: str = "softmax", **others: Any) -> dict[str, Any]:
    """A config file as a person writes it, of a network that could have more options."""
    net = {"class_path": "nets.VisionTransformer", "init_args": {"depth": 2, "attention": attention}}
    return {
        "seed_everything": 0,
        "reference": "0.94: the handout",
        "trainer": {"max_epochs": 5, "devices": 1, "callbacks": [{"class_path": "callbacks.Mistakes"}]},
        "model": {"class_path": "lit_models.LitImageClassifier", "init_args": {"num_classes": 3, "net": net}},
        "data": {"class_path": "datamodules.DigitsDataModule", "init_args": {"seed": 0, "low": 0, "kernel": [2, 0, 1]}},
        **others,
    }


def finished_run(
    root: Path, version: int, score: float, ran: dict[str, Any] | None = None, metric: str = "test/acc"
) -> None:
    run = root / "x" / f"version_{version}"
    run.mkdir(parents=True)
    (run / "metrics.csv").write_text(f"step,{metric}\n9,{score}\n")
    ran = {"reference": "0.94: the handout"} if ran is None else ran
    (run / "config.yaml").write_text(yaml.safe_dump({**ran, "seed_everything": version}))
    (run / "duration.yaml").write_text("fit_seconds: 90.0")


def written(root: Path, grids: Sequence[Grid] = (), **options: Any) -> str:
    """RESULTS.md after the runs of a folder were written into it."""
    finished = read_finished(all_runs(root / "runs"), root / "runs", grids)
    update_results(finished, root, **options)
    return (root / "RESULTS.md").read_text()


def rows_of(root: Path) -> list[list[str]]:
    """The cells of every row of the table."""
    return [line.strip("| ").split(" | ") for line in written(root).splitlines() if line.startswith("| x")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the file configs/x.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "x.yaml").write_text(yaml.safe_dump(config()))
    return tmp_path


def test_a_row_holds_mean_spread_seeds_reference_and_time(tmp_path):
    for version, accuracy in enumerate((0.97, 0.98, 0.99)):
        finished_run(tmp_path / "runs", version, accuracy)
    text = written(tmp_path)
    assert "| x | accuracy 0.9800 ± 0.0100 | 0, 1, 2 | 0.94: the handout | 1.5 min |" in text
    assert written(tmp_path) == text
    (row,) = read_results(tmp_path / "results").experiments.values()
    assert row.values == (0.97, 0.98, 0.99) and row.seeds == (0, 1, 2) and "torch" in row.machine


def test_benchmarks_are_always_taken_but_for_trials_and_damaged_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finished_run(tmp_path / "runs", 0, 0.97)
    write_benchmark(benchmark("a", title="Memory"), tmp_path / "benchmarks")
    write_benchmark(benchmark("b_smoke", title="Trial"), tmp_path / "benchmarks")
    (tmp_path / "benchmarks" / "benchmark_c.json").write_text("{")
    (tmp_path / "benchmarks" / "c.json").write_text("{")  # of another program
    write_results(results(benchmark("z", title="Speed"), benchmark("a", title="Old")), tmp_path / "results")
    text = written(tmp_path, benchmarks=tmp_path / "benchmarks")
    assert (
        text.index("| x | acc")
        < text.index("### Memory\n\n| contender | s |\n| --- | ---: |")
        < text.index("### Speed")
    )
    assert "Trial" not in text and "Old" not in text
    assert capsys.readouterr().out.count("Left out: ") == 1


def test_nothing_tested_nothing_written(tmp_path):
    finished = read_finished(all_runs(tmp_path / "runs"), tmp_path / "runs")
    assert finished.studies == []
    assert update_results(finished, tmp_path) == ([], [])
    assert list(tmp_path.iterdir()) == []


def test_another_value_gives_a_row_of_its_own_with_what_was_typed(folder: Path) -> None:
    for version, attention in enumerate(("softmax", "elu", "softmax", "elu")):
        finished_run(folder / "runs", version, 0.95 + 0.01 * version, config(attention))
    override = " --model.net.attention elu"
    rows = rows_of(folder)
    assert [row[0] for row in rows] == ["x", f"x{override}"]
    assert [row[1] for row in rows] == ["accuracy 0.9600 ± 0.0141", "accuracy 0.9700 ± 0.0141"]
    assert [row[2] for row in rows] == ["0, 2", "1, 3"]
    command = "python train.py fit --config configs/x.yaml"
    assert [row[5] for row in rows] == [f"`{command}`", f"`{command}{override}`"]


@pytest.mark.parametrize(
    ("metric", "score", "reference", "result"),
    [
        ("test/acc", 0.93, "0.94: the handout", "accuracy 0.9300 (below the reference)"),
        ("test/acc", 0.95, "0.94: the handout", "accuracy 0.9500"),
        ("test/rse", 2e-4, "1e-4 at most", "relative squared error 0.0002 (above the reference)"),
        ("test/rse", 3.14159e-7, "1e-4 at most", "relative squared error 3.1e-07"),
        ("test/rse", 3.14159e-7, "0: the construction", "relative squared error 3.1e-07 (above the reference)"),
        ("test/rse", 0.5, "none is known", "relative squared error 0.5"),
    ],
)
def test_a_result_is_named_and_held_against_its_reference(
    folder: Path, metric: str, score: float, reference: str, result: str
) -> None:
    (folder / "configs" / "x.yaml").write_text(yaml.safe_dump(config(reference=reference)))
    finished_run(folder / "runs", 0, score, config(), metric)
    assert rows_of(folder)[0][1] == result


def test_a_debug_run_is_a_row_of_its_own(folder: Path) -> None:
    """Its value is one that the file does not state, and no other run is here that has another."""
    finished_run(folder / "runs", 0, 0.95, config())
    before = rows_of(folder)
    shutil.rmtree(folder / "runs")
    grid_run(folder, 1, 0.5, {"trainer.limit_train_batches": 1})
    row, debug = rows_of(folder)
    assert [row] == before and debug[:2] == [
        "x --trainer.limit_train_batches 1",
        "accuracy 0.5000 (below the reference)",
    ]
    assert debug[5] == "`python train.py fit --config configs/x.yaml --trainer.limit_train_batches 1`"


def test_a_result_that_no_reference_is_known_to_be_of_is_told_by_the_name_of_its_metric(folder: Path) -> None:
    finished_run(folder / "runs", 0, 3.25, config(monitor="val/bits"), "test/perplexity,test/bits\n9,2,3.25\nstep")
    assert rows_of(folder)[0][1] == "test/bits 3.25"


def test_names_and_references_with_bars_and_tags_are_escaped(folder: Path) -> None:
    (folder / "configs" / "x.yaml").write_text(yaml.safe_dump(config(reference="0.9 | <b>: |cos|\nof two")))
    finished_run(folder / "runs", 0, 0.95, config("a|<b>"))
    text = written(folder)
    assert "| x --model.net.attention 'a\\|\\<b>' | accuracy 0.9500 | 0 | 0.9 \\| \\<b>: \\|cos\\| of two |" in text
    assert text == written(folder)


GRID = Grid("g.yaml", "A grid", "configs/x.yaml", {"test/acc": "accuracy"}, {"": {}}, {"plain": {}}, seeds=[0, 1, 2])


def grid_run(folder: Path, seed: int, score: float, typed: dict[str, Any] | None = None) -> None:
    finished_run(folder / "runs", seed, score, config())
    given = {"configs": ["configs/x.yaml"], "values": typed or {}}
    (folder / "runs" / "x" / f"version_{seed}" / "overrides.yaml").write_text(yaml.safe_dump(given))


def test_the_runs_of_a_grid_are_a_table_of_their_own(folder: Path) -> None:
    grid_run(folder, 0, 0.9)
    text = written(folder, [GRID])
    assert "### A grid" in text and "| plain | 0.9 |" in text and "| x |" not in text
    assert "1 runs of 1.5 min each: `python sweep.py g.yaml`. Reference: 0.94: the handout." in text
    assert text.rstrip().splitlines()[-1].startswith("Machine: ")


def test_what_a_config_of_a_grid_does_beside_it_is_a_study_but_no_row_of_the_results(folder: Path) -> None:
    grid_run(folder, 0, 0.9)
    grid_run(folder, 1, 0.8, {"trainer.limit_train_batches": 1})
    finished = read_finished(all_runs(folder / "runs"), folder / "runs", [GRID])
    assert [(study.name, study.title) for study in finished.studies] == [
        ("g", "A grid"),
        ("x_others", "x: beside the grids"),
    ]
    assert "| x |" not in written(folder, [GRID])


def test_runs_that_are_fewer_than_those_of_the_results_replace_nothing(folder: Path) -> None:
    for seed, score in enumerate((0.9, 0.92, 0.94)):
        grid_run(folder, seed, score)
    before = written(folder, [GRID])
    shutil.rmtree(folder / "runs" / "x" / "version_2")
    (folder / "runs" / "x" / "version_0" / "metrics.csv").write_text("step,test/acc\n9,0.5\n")
    finished = read_finished(all_runs(folder / "runs"), folder / "runs", [GRID])
    names, kept = update_results(finished, folder)
    assert names == [] and kept == ['the section "A grid" is of 3 runs, and 2 are here']
    assert (folder / "RESULTS.md").read_text() == before
    assert update_results(finished, folder, overwrite=True) == (["g"], [])
    assert "| plain | 0.71 ± 0.30 |" in (folder / "RESULTS.md").read_text()


def test_other_experiments_of_the_results_stay(folder: Path) -> None:
    finished_run(folder / "runs", 0, 0.9, config())
    write_results(results(experiment("y", 0, machine="another one"), benchmark()), folder / "results")
    text = written(folder)
    assert "| y | accuracy 0.9000 | 0 | – | 1 min | `x` | another one |\n" in text
    assert text.index("| x | accuracy 0.9000") < text.index("| y |") and "### Speed" in text


def test_a_result_that_is_not_finite_is_told(folder: Path) -> None:
    for seed, score in enumerate((0.9, math.inf)):
        grid_run(folder, seed, score)
    finished = read_finished(all_runs(folder / "runs"), folder / "runs")
    assert "| accuracy inf |" in written(folder)
    write_tables(finished.studies, folder / "tables.csv")
    with (folder / "tables.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["mean"], row["std"], row["count"]) == ("inf", "", "2")


def test_the_tables_have_every_mean(folder: Path) -> None:
    for seed, score in enumerate((0.9, 0.92)):
        grid_run(folder, seed, score)
    finished = read_finished(all_runs(folder / "runs"), folder / "runs", [GRID])
    write_tables(finished.studies, folder / "report" / "tables.csv")
    with (folder / "report" / "tables.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert {key: row[key] for key in ("study", "row", "column", "metric", "label", "count", "best")} == {
        "study": "g", "row": "plain", "column": "", "metric": "test/acc",
        "label": "accuracy", "count": "2", "best": "0",
    }  # fmt: skip
    assert float(row["mean"]) == pytest.approx(0.91) and float(row["std"]) == pytest.approx(0.02 / 2**0.5)
    assert (row["reference_value"], row["reference"]) == ("0.94", "0.94: the handout")


def test_replicas_are_seeds_of_one_run(folder: Path) -> None:
    finished_run(folder / "runs", 3, 0.9, metric="probe/test_acc")
    metrics = folder / "runs" / "x" / "version_3" / "metrics.csv"
    metrics.write_text("step,probe/test_acc,probe/test_acc_replica_0,probe/test_acc_replica_1\n9,0.9,0.8,1.0\n")
    ((_, result, seeds, *_),) = rows_of(folder)
    assert (result, seeds) == ("accuracy of a linear probe 0.9000 ± 0.1414 (below the reference)", "3–4")
