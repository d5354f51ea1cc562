"""Grids that are typed: values, seeds, their cross product, and mistakes in them."""

import shutil
from pathlib import Path

import pytest
from grid_runs import NOISY, SMALL, a_run, config, found, grid, write_config
from running import ROOT

from lab.errors import LabError
from lab.experiments.grids import Cell
from lab.packages import ClassPaths
from lab.sweeps.grid_options import check_keys, grid_from_options, read_seeds, read_values, with_overrides

CLASSES = {"LSTM": "nets.LSTM"}
VIT = "configs/vit_digits.yaml"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files configs/x.yaml and configs/vit_digits.yaml."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path)
    shutil.copy(ROOT / VIT, tmp_path / "configs")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,2", [1, 2]),
        ("[1,2],[3, 4]", [[1, 2], [3, 4]]),
        ("{a: 1, b: [2,3]},null", [{"a": 1, "b": [2, 3]}, None]),
        ('"a,b",\'c,d\',"[,"', ["a,b", "c,d", "[,"]),
        ('nets.LSTM,true,1e-3,""', ["nets.LSTM", True, "1e-3", ""]),
    ],
)
def test_values_are_parted_at_commas_outside_brackets_and_quotes(text: str, values: list) -> None:
    assert read_values(text) == values


def test_seeds_are_a_range_or_a_list() -> None:
    assert read_seeds("0..4") == [0, 1, 2, 3, 4] and read_seeds("0,3, 7") == [0, 3, 7]
    assert read_seeds("5..6,1") == [5, 6, 1] and read_seeds("2") == [2]


@pytest.mark.parametrize("text", ["", "a", "4..0", "-1", "1.5", "0..", "1,,2", "0-4"])
def test_what_is_no_seeds_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(LabError, match=f'--seeds must be like 0..4 or 0,3,7, but it is "{text}"'):
        read_seeds(text)


def test_a_seed_named_twice_is_told_in_a_sentence() -> None:
    with pytest.raises(LabError, match=r'--seeds names a seed twice: "0..2,1"'):
        read_seeds("0..2,1")


def test_typed_values_make_a_grid_of_all_their_combinations(folder: Path) -> None:
    grid = grid_from_options(
        "configs/x.yaml", ["model.net=LSTM", "--trainer.max_epochs=1,2", "a=[1,2]"], "0..1", CLASSES
    )
    assert grid.title == "x × model.net × trainer.max_epochs × a" and grid.seeds == [0, 1] and grid.exact
    assert [cell.overrides for cell in grid.cells] == [
        {"model.net": "nets.LSTM", "trainer.max_epochs": epochs, "a": [1, 2]} for epochs in (1, 2)
    ]
    assert grid.cells[1].row == "model.net=nets.LSTM, trainer.max_epochs=2, a=[1, 2]"
    words = [*("--model.net=nets.LSTM", "--trainer.max_epochs=2", "--a=[1, 2]", "--seed_everything=1", "--data.seed=1")]
    assert grid.cells[1].options(1) == words


def test_seeds_alone_are_a_sweep(folder: Path) -> None:
    (cell,) = grid_from_options("configs/x.yaml", [], "3", {}).cells
    assert cell == Cell("", "", {}, "configs/x.yaml")


@pytest.mark.parametrize(
    ("words", "seeds", "message"),
    [
        (["model.net.depth"], None, 'takes key=value,value, .* but "model.net.depth" has no ='),
        (["=1"], None, 'but "=1" has no ='),
        (["a="], None, 'has an empty value in ""'),
        (["a=1,"], None, 'has an empty value in "1,"'),
        (["a=1,,2"], None, 'has an empty value in "1,,2"'),
        (["a=[1"], None, r'has a value in "\[1" that is no YAML'),
        (["a=1", "a=2"], None, "names a twice: give all its values behind one ="),
        (["a=1,1"], None, "states a value twice: a=1,1"),
        (["config=configs/x.yaml,configs/y.yaml"], None, "--grid sweeps no config: a row of a grid file may name one"),
        (["test_after_fit=true,false"], None, "--grid sweeps test_after_fit, but every run of a grid is tested: leave"),
        (["--ckpt_path=best,last"], "0..1", "--grid sweeps ckpt_path, but a run begins afresh"),
        (["trainer.default_root_dir=a,b"], None, "--grid sweeps trainer.default_root_dir, but the runs of a grid are"),
        (["data.seed=1,2"], "0..1", "names data.seed, which --seeds sets too"),
        ([], None, "nothing is swept: add --grid key=value,value or --seeds 0..4"),
    ],
)
def test_a_mistake_in_a_typed_grid_is_told_in_a_sentence(
    folder: Path, words: list[str], seeds: str | None, message: str
) -> None:
    with pytest.raises(LabError, match=message):
        grid_from_options("configs/x.yaml", words, seeds, {})


def test_a_config_that_is_not_there_is_told_beside_those_that_are(folder: Path) -> None:
    with pytest.raises(LabError, match=r'"configs/vit_digit.yaml" does not exist.* did you mean "vit_digits.yaml"'):
        grid_from_options("configs/vit_digit.yaml", ["a=1"], None, {})


def test_runs_of_values_that_repeats_may_differ_in_are_told_apart(folder: Path) -> None:
    grid = grid_from_options("configs/x.yaml", ["compile=true,false"], None, {})
    run = a_run(folder / "runs", 0, {**config(), "compile": True})
    assert [found(grid, cell, folder / "runs") for cell in grid.cells] == [{0: run}, {}]
    seeds = grid_from_options("configs/x.yaml", ["seed_everything=4,5"], None, {})
    run = a_run(folder / "runs", 1, config(seed=4))
    assert [found(seeds, cell, folder / "runs") for cell in seeds.cells] == [{4: run}, {}]


def test_each_cell_of_a_file_takes_what_is_set(folder: Path) -> None:
    given = grid(seeds=[0, 1], rows={"small": {}})
    changed = with_overrides(given, ["--trainer.max_epochs=9", "model.net.hidden_dims=[7,8]", "data=LSTM"], CLASSES)
    assert changed.title == "A grid, trainer.max_epochs=9, model.net.hidden_dims=[7, 8], data=nets.LSTM"
    over = {"trainer.max_epochs": 9, "model.net.hidden_dims": [7, 8], "data": "nets.LSTM"}
    assert [cell.overrides for cell in changed.cells] == [over, {**NOISY, **over}]
    assert with_overrides(given, [], CLASSES) is given


def test_only_runs_of_what_is_set_are_finished(folder: Path) -> None:
    small = grid(rows={"small": SMALL}, columns={"": {}})
    runs = [a_run(folder / "runs", k, config([5], max_epochs=epochs)) for k, epochs in enumerate((5, 9))]
    assert found(small, small.cells[0], folder / "runs") == {0: runs[0]}
    longer = with_overrides(small, ["trainer.max_epochs=9"], {})
    assert found(longer, longer.cells[0], folder / "runs") == {0: runs[1]}
    on_gpu = with_overrides(small, ["trainer.accelerator=gpu"], {})
    assert found(on_gpu, on_gpu.cells[0], folder / "runs") == {}  # repeats may differ in it, but it was asked for


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.net.depth"], '--set takes key=value, but "model.net.depth" has no ='),
        (["a="], '--set has an empty value in ""'),
        (["a=1,2"], "--set takes one value of a key, but has 2 of a: sweep them with --grid"),
        (["a=1", "a=2"], "--set names a twice"),
        (["config=configs/y.yaml"], "--set sweeps no config"),
        (["data.seed=4"], "--set names data.seed, but the grid g.yaml states seeds: leave it out"),
        (["ckpt_path=best"], "--set sweeps ckpt_path, but a run begins afresh"),
        (["model.net.hidden_dims=[4]"], r"--set model.net.hidden_dims=\[4\] makes cells of the grid g.yaml equal"),
    ],
)
def test_a_mistake_in_what_is_set_is_told_in_a_sentence(folder: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(LabError, match=message):
        with_overrides(grid(seeds=[0]), arguments, {})


def test_a_run_is_finished_once_it_was_tested(folder: Path) -> None:
    grid = grid_from_options("configs/x.yaml", [], "0", {})
    run = a_run(folder / "runs", 0, config(), metrics={"val/loss": 1.0})
    assert found(grid, grid.cells[0], folder / "runs") == {}
    (run / "metrics.csv").write_text("step,test/acc\n9,0.5\n")
    assert found(grid, grid.cells[0], folder / "runs") == {0: run}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"model.net.dpeth": 2}, 'model.net.dpeth is not an argument of nets.VisionTransformer; did you mean "depth"'),
        ({"trainer.max_epohs": 2}, 'trainer.max_epohs is no key of this command; did you mean "trainer.max_epochs"'),
        ({"model.net.depth": "deep"}, "must be of the type int"),
        ({"model.net": "nets.VisonTransformer"}, 'did you mean "nets.VisionTransformer"'),
    ],
)
def test_a_key_or_value_that_no_run_takes_is_told_before_any_starts(
    folder: Path, overrides: dict[str, object], message: str
) -> None:
    good = Cell("a", "", {"model.net.depth": 2}, VIT)
    classes = ClassPaths()
    check_keys([good, good], 3, classes)
    with pytest.raises(LabError, match=message):
        check_keys([good, Cell("b", "", overrides, VIT)], None, classes)
    assert not Path("runs").exists()


def test_what_cells_leave_out_is_told_once_before_any_starts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cells = [Cell(str(k), "", {"data": "datamodules.KarateClubDataModule"}, VIT) for k in range(2)]
    check_keys(cells, None, ClassPaths())
    told = (
        "Left out, since data is datamodules.KarateClubDataModule now: data.{}, data.batch_size, data.val_fraction.\n"
    )
    assert capsys.readouterr().out == told.format("augmentation")
