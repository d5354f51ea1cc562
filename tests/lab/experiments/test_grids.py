"""Grids of experiments: read from files, typed as words, and found among runs."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from grid_runs import CONTENT, LARGE, NOISE, NOISY, SMALL, a_run, config, found, grid, write_config
from running import ROOT, Lab

from lab.errors import LabError
from lab.experiments.grid_files import read_grid
from lab.experiments.grids import Cell, Grid, is_as_stated
from lab.experiments.variants import values_of
from lab.run_folder import RunFolder

GRIDS = sorted((ROOT / "configs" / "grids").glob("*.yaml"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the file configs/x.yaml."""
    monkeypatch.chdir(tmp_path)
    return write_config(tmp_path)


def test_a_grid_is_read_from_a_file_and_has_one_column_when_it_names_none(folder: Path) -> None:
    path = Path("g.yaml")
    path.write_text(yaml.safe_dump(CONTENT))
    read = read_grid(path)
    assert read == Grid(**CONTENT, path="g.yaml", columns={"": {}}) and read.name == "x" and not read.seeds
    path.write_text(yaml.safe_dump({**CONTENT, "seeds": [1, 2], "columns": {"a": {}, "b": NOISY}}))
    assert read_grid(path) == Grid(**CONTENT, path="g.yaml", seeds=[1, 2], columns={"a": {}, "b": NOISY})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({**CONTENT, "column": {}}, 'has column: a grid has the keys title, .*; did you mean "columns"'),
        ({key: CONTENT[key] for key in ("title", "rows")}, "g.yaml lacks config, metrics: a grid has the keys"),
        ({**{key: CONTENT[key] for key in ("title", "config", "rows")}, "metric": {}}, "lacks metrics.* mean .metrics"),
        ({**CONTENT, "config": "configs/y.yaml"}, 'is of the config "configs/y.yaml", which does not exist'),
        ("words", "lacks config, metrics, rows, title"),
        (None, "lacks config, metrics, rows, title"),
    ],
)
def test_what_is_no_grid_is_told_in_a_sentence(folder: Path, content: Any, message: str) -> None:
    (folder / "g.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(LabError, match=message):
        read_grid(folder / "g.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"rows": {"small": None}}, "rows of the grid .* must be names with the overrides of each"),
        ({"rows": {}}, "rows of the grid"),
        ({"rows": ["small"]}, "rows of the grid"),
        ({"columns": None}, "columns of the grid"),
        ({"metrics": ["test/loss"]}, "metrics of the grid .* must be names with a label of each"),
        ({"rows": {1: {}}}, r"rows of the grid .* must have words as names, but has \[1\]: quote them"),
        ({"seeds": 3}, "seeds of the grid .* must be a list of whole numbers, but it is 3"),
        ({"seeds": ["a"]}, "seeds of the grid"),
        ({"seeds": [True]}, "seeds of the grid .* must be a list of whole numbers"),
        ({"seeds": [0, 1, 0]}, r"seeds of the grid .* must name each seed once, but it is \[0, 1, 0\]"),
        ({"config": [1]}, r'is of the config "\[1\]", which does not exist'),
        ({"rows": {"a": {"config": [1]}}}, r'is of the config "\[1\]", which does not exist'),
        ({"baseline": [1]}, r'baseline of the grid .* must be one of its rows, but it is "\[1\]"'),
        ({"rows": {"a": {2: 3}}}, "g.yaml sweeps the key 2, which is no word: quote it"),
        ({"rows": {"a": {"test_after_fit": False}}}, "sweeps test_after_fit, but every run of a grid is tested: leave"),
        ({"columns": {"a": {"ckpt_path": "x"}}}, "sweeps ckpt_path, but a run begins afresh, or where it was broken"),
        ({"rows": {"a": {"trainer.default_root_dir": "x"}}}, "sweeps trainer.default_root_dir, but .* looked for in"),
    ],
)
def test_a_part_of_another_kind_is_told_in_a_sentence(folder: Path, content: Any, message: str) -> None:
    (folder / "g.yaml").write_text(yaml.safe_dump({**CONTENT, **content}))
    with pytest.raises(LabError, match=message):
        read_grid(folder / "g.yaml")


def test_broken_yaml_is_told_in_a_sentence(folder: Path) -> None:
    (folder / "g.yaml").write_text("rows: [")
    with pytest.raises(LabError, match=r"g.yaml is no valid YAML: .* line 1"):
        read_grid(folder / "g.yaml")


def test_a_run_with_another_value_that_the_config_does_not_state_is_no_run_of_the_cell(folder: Path) -> None:
    plain = grid(rows={"plain": {}}, columns={"": {}})
    run = a_run(folder / "runs", 0, config(limit_train_batches=2))
    assert found(plain, plain.cells[0], folder / "runs") == {}
    (run / "overrides.yaml").write_text(yaml.safe_dump({"configs": ["configs/x.yaml"], "values": {"data.seed": 0}}))
    assert found(plain, plain.cells[0], folder / "runs") == {0: run}
    (run / "overrides.yaml").write_text(yaml.safe_dump({"configs": ["a.yaml", "b.yaml"], "values": {}}))
    assert found(plain, plain.cells[0], folder / "runs") == {}  # a preset was layered over the config


def test_a_run_with_another_probe_than_the_config_states_is_no_run_of_the_cell(folder: Path) -> None:
    plain = grid(rows={"plain": {}}, columns={"": {}})
    probe = {"class_path": "callbacks.LinearProbe", "init_args": {"epochs": 10}}
    a_run(folder / "runs", 0, config(callbacks=[{**probe, "init_args": {"epochs": 10, "lr": 0.1}}]))
    for run in (folder / "runs" / "x").iterdir():
        (run / "overrides.yaml").write_text(yaml.safe_dump({"configs": ["configs/x.yaml"], "values": {}}))
    for stated, seeds in (([probe], [0]), ([{**probe, "init_args": {"epochs": 20}}], []), ([probe, probe], [])):
        (folder / "configs" / "x.yaml").write_text(yaml.safe_dump(config(callbacks=stated)))
        assert list(found(plain, plain.cells[0], folder / "runs")) == seeds


@pytest.mark.parametrize("content", ["[1, 2]", "rows: ["])
def test_a_grid_of_a_config_that_is_none_is_told_in_a_sentence(folder: Path, content: str) -> None:
    (folder / "g.yaml").write_text(yaml.safe_dump(CONTENT))
    (folder / "configs" / "x.yaml").write_text(content)
    with pytest.raises(LabError, match=r"the config file configs/x.yaml (must hold keys and values|is no valid YAML)"):
        read_grid(folder / "g.yaml")


def test_a_cell_that_replaces_a_class_of_the_config_does_not_expect_its_arguments(folder: Path) -> None:
    (folder / "configs" / "x.yaml").write_text(yaml.safe_dump(config(corruption=NOISE)))
    clean = grid(rows={"clean": {"model.corruption": None}}, columns={"": {}})
    run = a_run(folder / "runs", 0, config())
    given = {"configs": ["configs/x.yaml"], "values": {"model.corruption": None}}
    (run / "overrides.yaml").write_text(yaml.safe_dump(given))
    assert list(found(clean, clean.cells[0], folder / "runs")) == [0]


def test_a_run_is_as_stated_while_its_config_is_but_for_what_was_typed(folder: Path) -> None:
    run, path = a_run(folder / "runs", 0, config([5], seed=3)), "configs/x.yaml"
    typed = {**SMALL, "seed_everything": 3, "data.seed": 3, "test_after_fit": True}
    assert is_as_stated(path, typed, RunFolder(run))
    assert not is_as_stated(path, {**SMALL, "seed_everything": 4}, RunFolder(run)) and not is_as_stated(
        path, SMALL, RunFolder(run)
    )
    Path(path).write_text(yaml.safe_dump({**config([7], log_every_n_steps=3), "reference": "another"}))
    assert is_as_stated(path, typed, RunFolder(run))
    Path(path).write_text(yaml.safe_dump(config(max_epochs=6)))
    assert not is_as_stated(path, typed, RunFolder(run)) and is_as_stated(
        path, {**typed, "trainer.max_epochs": 5}, RunFolder(run)
    )


def test_a_grid_that_is_not_there_is_told_beside_those_that_are(folder: Path) -> None:
    with pytest.raises(LabError, match=r'the grid "configs/y.yaml" does not exist; configs holds x.yaml'):
        read_grid(Path("configs/y.yaml"))
    with pytest.raises(LabError, match=r"nowhere holds no grid"):
        read_grid(Path("nowhere/y.yaml"))


def test_cells_are_all_rows_in_all_columns_and_a_column_wins() -> None:
    cells = grid(rows={"small": SMALL, "noisy large": {**LARGE, "model.corruption.std": 9}}).cells
    assert [(cell.row, cell.column) for cell in cells] == [
        *(("small", "vanilla"), ("small", "noisy"), ("noisy large", "vanilla"), ("noisy large", "noisy"))
    ]
    assert [dict(cell.overrides) for cell in cells] == [
        *(SMALL, {**SMALL, **NOISY}, {**LARGE, "model.corruption.std": 9}, {**LARGE, **NOISY})
    ]


def test_the_words_of_a_cell_are_read_back_as_the_values_that_they_are_typed_from(lab: Lab) -> None:
    values = {**LARGE, "model.corruption": "nets.RandomMask", "model.corruption.prob": 1e-5, "trainer.callbacks": []}
    values |= {"model.net.bias": False, "model.scheduler": None, "monitor": "probe/val_acc", "reference": "0.5: a b"}
    words = Cell("row", "column", values, "configs/x.yaml").options(seed=3)
    assert lab("fit", "--config", str(ROOT / "configs" / "autoencoder_digits.yaml"), *words, "--print_config") == 0
    read = values_of(yaml.safe_load(lab.out))
    assert {key: read[key] for key in values} == values
    assert read["seed_everything"] == read["data.seed"] == 3
    assert Cell("row", "column", SMALL, "configs/x.yaml").options(seed=None) == ["--model.net.hidden_dims=[5]"]


def test_each_cell_finds_its_own_run_and_no_other(folder: Path) -> None:
    shapes = [([5], None), ([5], NOISE), ([256, 10], None), ([256, 10], NOISE)]
    runs = [a_run(folder / "runs", version, config(*shape)) for version, shape in enumerate(shapes)]
    mask = {"class_path": "nets.RandomMask", "init_args": {"prob": 0.5}}
    more = {"class_path": "nets.GaussianNoise", "init_args": {"std": 0.6}}
    for version, other in enumerate([config([5], mask), config([5], more), config([5], max_epochs=6)], start=4):
        a_run(folder / "runs", version, other)
    assert [found(grid(), cell, folder / "runs") for cell in grid().cells] == [{0: run} for run in runs]


def test_where_and_how_a_run_ran_makes_no_other_cell(folder: Path) -> None:
    run = a_run(folder / "runs", 0, config([5], accelerator="gpu", strategy="ddp", log_every_n_steps=7))
    for version, others in enumerate(({"devices": 2}, {"enable_checkpointing": False}), start=1):
        a_run(folder / "runs", version, config([5], **others))  # with larger batches, or with other weights
    a_run(folder / "runs", 3, {**config([5]), "monitor": "val/acc"})
    assert found(grid(), grid().cells[0], folder / "runs") == {0: run}


def test_callbacks_that_change_training_make_another_cell_and_observers_do_not(folder: Path) -> None:
    averaged = {"class_path": "lightning.pytorch.callbacks.EMAWeightAveraging", "init_args": {"decay": 0.5}}
    bare, more = {"trainer.callbacks": []}, {"trainer.callbacks": [averaged]}
    cells = {row: grid(rows={row: of}, columns={"": {}}) for row, of in {"bare": bare, "averaged": more}.items()}
    observed = ["lightning.pytorch.callbacks.LearningRateMonitor"]
    for version, callbacks in enumerate(([], observed, [averaged], [{**averaged, "init_args": {"decay": 0.9}}])):
        run = a_run(folder / "runs", version, config(seed=version, callbacks=callbacks))
        given = {"configs": ["configs/x.yaml"], "values": {"trainer.callbacks": callbacks}}
        (run / "overrides.yaml").write_text(yaml.safe_dump(given))
    grids = {row: dataclasses.replace(of, seeds=[0, 1, 2, 3]) for row, of in cells.items()}
    seeds = {row: list(found(of, of.cells[0], folder / "runs")) for row, of in grids.items()}
    assert seeds == {"bare": [0, 1], "averaged": [2]}


def test_the_newest_finished_run_wins(folder: Path) -> None:
    newest = [a_run(folder / "runs", version, config([5])) for version in (2, 9, 10)][-1]
    a_run(folder / "runs", 11, config([5]), metrics={"val/loss": 0.1})  # stopped before its test
    (a_run(folder / "runs", 12, config([5])) / "metrics.csv").unlink()
    (folder / "runs" / "x" / "version_13").mkdir()
    assert found(grid(), grid().cells[0], folder / "runs") == {0: newest}


@pytest.mark.parametrize(("seeds", "expected"), [([], [0]), ([2, 0], [0, 2]), ([0, 7], [0])])
def test_seeds_are_those_of_the_grid_or_that_of_the_config(folder: Path, seeds: list[int], expected: list[int]) -> None:
    for version, seed in enumerate((2, 0, 1, 0)):
        a_run(folder / "runs", version, config([5], seed=seed))
    runs = found(grid(seeds=seeds), grid().cells[0], folder / "runs")
    versions = {0: 3, 1: 2, 2: 0}
    assert [(seed, run.name) for seed, run in runs.items()] == [
        (seed, f"version_{versions[seed]}") for seed in expected
    ]


@pytest.mark.parametrize("path", GRIDS, ids=lambda path: path.stem)
def test_the_overrides_of_a_committed_grid_are_accepted_and_their_run_is_found(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    monkeypatch.chdir(ROOT)
    committed = read_grid(path)
    first = committed.cells[0].row
    shown = [cell for cell in committed.cells if cell.row == first or cell == committed.cells[-1]]
    seed, runs = next(iter(committed.seeds), 0), []
    for version, cell in enumerate(shown):
        words = cell.options(seed if committed.seeds else None)
        assert lab("fit", "--config", cell.config, "--test_after_fit=true", *words, "--print_config") == 0, lab.err
        metrics = dict.fromkeys(committed.metrics, 1.0)
        run = a_run(lab.folder / "runs", version, yaml.safe_load(lab.out), metrics, name=cell.name)
        given = {"configs": [cell.config], "values": dict(cell.overrides)}
        (run / "overrides.yaml").write_text(yaml.safe_dump(given))
        runs.append(run)
    assert [found(committed, cell, lab.folder / "runs") for cell in shown] == [{seed: run} for run in runs]


def test_a_row_may_be_of_another_config(folder: Path) -> None:
    (folder / "configs" / "y.yaml").write_text(yaml.safe_dump(config()))
    rows = {"small": SMALL, "other": {"config": "configs/y.yaml", **SMALL}}
    two = grid(rows=rows, columns={"": {}})
    assert [(cell.config, cell.name, dict(cell.overrides)) for cell in two.cells] == [
        ("configs/x.yaml", "x", SMALL), ("configs/y.yaml", "y", SMALL),
    ]  # fmt: skip
    a_run(folder / "runs", 0, config([5]))
    run = a_run(folder / "runs", 0, config([5]), name="y")
    (run / "overrides.yaml").write_text(yaml.safe_dump({"configs": ["configs/y.yaml"], "values": SMALL}))
    assert [[run.parent.name for run in found(two, cell, folder / "runs").values()] for cell in two.cells] == [
        ["x"],
        ["y"],
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": {"a": {"config": "configs/z.yaml"}}}, r'is of the config "configs/z\.yaml", which does not exist'),
        ({"baseline": "b"}, r'baseline of the grid .* must be one of its rows, but it is "b"\.'),
    ],
)
def test_another_config_and_a_row_to_compare_with_must_exist(folder: Path, changes: dict, message: str) -> None:
    path = folder / "g.yaml"
    path.write_text(yaml.safe_dump({**CONTENT, "rows": {"a": {}}, **changes}))
    with pytest.raises(LabError, match=message):
        read_grid(path)


def test_the_former_key_of_the_baseline_works_and_says_so_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "g.yaml"
    path.write_text(yaml.safe_dump({**CONTENT, "rows": {"a": {}, "b": {}}, "versus": "b"}))
    assert read_grid(path).baseline == "b"
    assert (
        capsys.readouterr().err == f"{path}: versus is now called baseline: the old name works, and means the same.\n"
    )
    path.write_text(yaml.safe_dump({**CONTENT, "rows": {"a": {}, "b": {}}, "versus": "b", "baseline": "a"}))
    with pytest.raises(LabError, match=r"g\.yaml has baseline and its former name versus: leave out versus\."):
        read_grid(path)


@pytest.mark.parametrize("named", ["config", "run"])
def test_runs_of_callbacks_under_their_former_names_are_runs_of_the_grid(folder: Path, named: str) -> None:
    def stated(name: str) -> dict[str, Any]:
        of_callback = {"class_path": f"callbacks.{name}", "init_args": {"num_examples": 3}}
        return config((16,), callbacks=[of_callback])

    names = ("Mistakes", "Misclassifications")
    of_config, of_run = names if named == "config" else names[::-1]
    (folder / "configs" / "x.yaml").write_text(yaml.safe_dump(stated(of_config)))
    run = a_run(folder / "runs", 0, stated(of_run))
    grid = Grid(**{**CONTENT, "path": "g.yaml", "columns": {"": {}}, "rows": {"a": {}}})
    assert list(found(grid, grid.cells[0], folder / "runs").values()) == [run]
