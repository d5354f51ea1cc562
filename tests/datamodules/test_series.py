"""Series of numbers: windows, splits by time and by sequence, standardisation, and what may be wrong."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from own_data import write_csv
from torch.testing import assert_close

from datamodules import SeriesDataModule
from lab.errors import LabError

Rows = list[list[Any]]


def count_up(length: int = 40) -> Rows:
    return [[t, 10 * t, "const"] for t in range(length)]


def write(tmp_path: Path, rows: Rows, header: tuple[str, ...] = ("x", "y", "note")) -> str:
    return str(write_csv(tmp_path / "own.csv", header, rows))


def ready(path: str, *stages: str, **arguments: Any) -> SeriesDataModule:
    data = SeriesDataModule(**{"path": path, "target": "y", "window": 4, "standardize": False, **arguments})
    for stage in stages or ("fit", "test"):
        data.setup(stage)
    return data


def test_windows_of_a_split_by_time_lie_in_their_split(tmp_path: Path) -> None:
    data = ready(write(tmp_path, count_up()))
    ends = {"train": (0, 27), "val": (28, 31), "test": (32, 39)}
    for split, (first, last) in ends.items():
        inputs, targets = data.datasets[split].tensors
        assert inputs.shape[1:] == (4, 1) == targets.shape[1:]
        assert (inputs[0, 0, 0], inputs[-1, -1, 0]) == (first, last)
        assert_close(targets, 10 * inputs)
    assert data.inputs == ["x"] and data.input_size == 1


@pytest.mark.parametrize("horizon", [1, 3])
def test_no_split_has_a_target_of_another(tmp_path: Path, horizon: int) -> None:
    data = ready(write(tmp_path, count_up()), horizon=horizon, window=1, stride=1)
    for split, last in {"train": 26, "val": 30, "test": 39}.items():
        inputs, targets = data.datasets[split].tensors
        assert_close(targets, 10 * (inputs + horizon))
        assert targets.max() <= 10 * last + 10


def test_whole_sequences_are_drawn_and_none_is_in_two_splits(tmp_path: Path) -> None:
    rows = [[10 * number + t, 1.0, f"s{number}"] for number in range(10) for t in range(5)]
    path = write(tmp_path, rows)
    drawn = {seed: ready(path, sequence="note", window=None, seed=seed) for seed in (0, 1)}
    for data in drawn.values():
        first = [set((split.tensors[0][:, 0, 0] / 10).int().tolist()) for split in data.datasets.values()]
        assert sorted(map(len, first)) == [1, 2, 7] and set.union(*first) == set(range(10))
    assert not torch.equal(*(data.datasets["train"].tensors[0] for data in drawn.values()))


def test_inputs_and_target_are_standardised_by_the_training_rows_alone(tmp_path: Path) -> None:
    rows = [[t if t < 28 else 1000, 2 * t, ""] for t in range(40)]
    data = ready(write(tmp_path, rows), standardize=True, stride=4)
    inputs, targets = data.datasets["train"].tensors
    for values in (inputs, targets):
        assert_close(values.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
        assert_close(values.std(correction=0), torch.tensor(1.0))
    assert float(data.datasets["test"].tensors[0].min()) > 100


def test_a_checkpoint_keeps_the_scale_and_prediction_needs_no_target(tmp_path: Path) -> None:
    trained = ready(write(tmp_path, count_up()), standardize=True)
    new = write_csv(tmp_path / "new.csv", ["x"], [[t] for t in range(40, 46)])
    data = ready("none.csv", "predict", standardize=True, predict_path=str(new), stride=2)
    data.load_state_dict(trained.state_dict())
    ((inputs,),) = list(data.predict_dataloader())
    mean, deviation = trained.scale["mean"][0], trained.scale["std"][0]
    assert_close(inputs[:, 0, 0], (torch.tensor([40.0, 42.0]) - mean) / deviation)
    assert data.sample_names([0, 1]) == ["lines 2 to 5", "lines 4 to 7"]


def test_a_preview_counts_the_samples(tmp_path: Path) -> None:
    preview = ready(write(tmp_path, count_up())).preview()
    assert preview["splits"] == {"train": {"samples": 25}, "val": {"samples": 1}, "test": {"samples": 5}}
    assert [label for label, _ in preview["samples"]] == ["train", "val", "test"]
    assert preview["samples"][0][1].tolist() == [0, 10, 20, 30]


WRONG = {
    r'own\.csv, line 7, column "y" must hold a finite number, but it is "nan"': ({}, [[t, math.nan if t == 5 else t, ""]
        for t in range(40)]),
    r'must have the column "z", but has x, y, note: rename one, or set data\.target': ({"target": "z"}, count_up()),
    r"the split val has 2 rows of a sequence at most, but data\.window is 4: lower it": ({}, count_up(20)),
    r"sequence b \(b, lines 5 to 6\) has 2 rows, but sequence a has 3: set data\.window": (
        {"sequence": "note", "window": None}, [[t, t, "aaabb"[t]] for t in range(5)]),
    r"sequence b has 2 rows, but data\.horizon is 2: lower it": (
        {"sequence": "note", "horizon": 2}, [[t, t, "aaabb"[t]] for t in range(5)]),
    r"has 2 sequences, which leaves none to test: change a fraction": (
        {"sequence": "note", "window": None}, [[t, t, "aaabbb"[t]] for t in range(6)]),
}  # fmt: skip


@pytest.mark.parametrize(("message", "given"), WRONG.items(), ids=list(WRONG))
def test_what_is_wrong_in_the_file_is_told(tmp_path: Path, message: str, given: tuple[dict, Rows]) -> None:
    arguments, rows = given
    with pytest.raises(LabError, match=message):
        ready(write(tmp_path, rows), **arguments)


ERRORS = {
    r"window must be at least 1, but it is 0": {"window": 0},
    r"horizon must be at least 0, but it is -1": {"horizon": -1},
    r'split_by must be "time" or "sequence", but it is "rows"': {"split_by": "rows"},
    r"split_by is sequence, but no column": {"split_by": "sequence"},
    r"without data\.sequence all rows are one sequence": {"window": None},
    r"split_by is time, which cuts sequences": {"window": None, "sequence": "s", "split_by": "time"},
    r"inputs must be null or name a column": {"inputs": []},
    r"val_fraction and test_fraction must be above 0": {"val_fraction": 0.0},
}


@pytest.mark.parametrize(("message", "arguments"), ERRORS.items(), ids=list(ERRORS))
def test_arguments_out_of_range_are_named(message: str, arguments: dict) -> None:
    with pytest.raises(ValueError, match=message):
        SeriesDataModule(**{"path": "own.csv", "target": "y", "window": 4, **arguments})
