"""Callbacks that tell runs apart, observers that do not, and how they are typed."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch.callbacks as of_lightning
import pytest
import yaml
from grid_runs import a_run, config, grid, write_config
from running import DIGITS, Lab

import callbacks
from lab.callback_values import callback_words, stated_callbacks, telling
from lab.config_files import read_config
from lab.overrides import variants_of

EMA = {"class_path": "lightning.pytorch.callbacks.EMAWeightAveraging", "init_args": {"decay": 0.5}}
STOP = {"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": {"monitor": "val/loss", "patience": 3}}
FILLED = {**STOP, "init_args": {**STOP["init_args"], "min_delta": 0.0}}
CURVES = {"class_path": "callbacks.LearningCurves"}
PROBE = {"class_path": "callbacks.LinearProbe", "init_args": {"epochs": 5}}
OBSERVERS = ("LearningRateMonitor", "ModelCheckpoint", "RichModelSummary", "TQDMProgressBar", "DeviceStatsMonitor")
CHANGING = ("EarlyStopping", "GradientAccumulationScheduler", "BackboneFinetuning", "WeightAveraging", "LambdaCallback")


def test_observers_tell_nothing_and_others_do() -> None:
    for name in OBSERVERS:
        assert hasattr(of_lightning, name) and telling(f"lightning.pytorch.callbacks.{name}") == []
    for name in CHANGING:
        assert hasattr(of_lightning, name) and len(telling([f"lightning.pytorch.callbacks.{name}"])) == 1
    for name in (name for name in callbacks.__all__ if name[0].isupper() and not name.isupper()):
        assert len(telling([{"class_path": f"callbacks.{name}"}])) == (name == "LinearProbe")
    assert len(telling(["mine.LearningRateMonitor"])) == 1  # of another package, so that nobody knows
    timer = "lightning.pytorch.callbacks.Timer"
    assert [len(telling([{"class_path": timer, "init_args": {"duration": of}}])) for of in (None, "00:01:00")] == [0, 1]


@pytest.mark.parametrize(
    ("stated", "ran", "words"),
    [
        (None, None, []),
        ([CURVES], [], []),
        ([CURVES], [CURVES, "lightning.pytorch.callbacks.LearningRateMonitor"], []),
        ([STOP, CURVES], [FILLED], []),
        ([CURVES], [CURVES, EMA], ["+"]),
        ([CURVES], EMA, ["+"]),  # one that stands alone
        ([STOP], [FILLED, EMA, EMA], ["+", "+"]),
        ([STOP, CURVES], [CURVES], ["[]"]),
        ([STOP], [{**FILLED, "init_args": {**FILLED["init_args"], "patience": 4}}], ["[…]"]),
        ([PROBE], [], []),
        ([PROBE], [{**PROBE, "init_args": {"epochs": 5, "penalty": 0}}], []),
        ([PROBE], [{**PROBE, "init_args": {"epochs": 6}}], ["+"]),
        ([], [PROBE], ["+"]),
    ],
)
def test_what_is_typed_for_other_callbacks(stated: Any, ran: Any, words: list[str]) -> None:
    told = callback_words(stated, ran)
    for word, kind in zip(told, words, strict=True):
        key, _, value = word.partition("=")
        assert key == f"--trainer.callbacks{'+' * (kind == '+')}" and (value == "[]") == (kind == "[]")
        assert yaml.safe_load(value) is not None


def test_overrides_replace_the_callbacks_of_a_config_or_add_one() -> None:
    assert stated_callbacks([CURVES], {}) == [CURVES]
    assert stated_callbacks([CURVES], {"trainer.callbacks": []}) == []
    assert stated_callbacks([CURVES], {"trainer.callbacks+": EMA}) == [CURVES, EMA]


def test_the_printed_command_of_a_run_with_weight_averaging_works_and_is_the_same_row(lab: Lab) -> None:
    few = ["--trainer.callbacks=[]", "--trainer.logger=false", "--trainer.max_epochs=1", "--model.net.depth=1"]
    words = ["fit", *DIGITS, *few, "--trainer.limit_train_batches=1", "--trainer.accelerator=cpu"]
    added = ["--trainer.callbacks+=EMAWeightAveraging", "--trainer.callbacks.decay=0.5"]
    assert lab(*words) == 0 and lab(*words, *added) == 0, lab.err
    plain, averaged = variants_of([lab.run(), lab.run(version=1)])
    assert plain != averaged and "EMAWeightAveraging" in averaged.label and "EMAWeightAveraging" not in plain.label
    pasted = shlex.split(averaged.command)[2:]
    assert lab(*pasted, "--trainer.logger=false", "--trainer.accelerator=cpu") == 0, lab.err
    entries = telling(read_config(lab.run(version=2))["trainer"]["callbacks"])
    assert entries == telling(read_config(lab.run(version=1))["trainer"]["callbacks"])
    assert variants_of([lab.run(version=2), lab.run()])[0] == averaged


def test_callbacks_that_change_training_make_another_cell_and_observers_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write_config(tmp_path))
    averaged = {"class_path": "lightning.pytorch.callbacks.EMAWeightAveraging", "init_args": {"decay": 0.5}}
    bare, more = {"trainer.callbacks": []}, {"trainer.callbacks": [averaged]}
    cells = {row: grid(rows={row: of}, columns={"": {}}) for row, of in {"bare": bare, "averaged": more}.items()}
    observed = ["lightning.pytorch.callbacks.LearningRateMonitor"]
    for version, given_ones in enumerate(([], observed, [averaged], [{**averaged, "init_args": {"decay": 0.9}}])):
        run = a_run(tmp_path / "runs", version, config(seed=version, callbacks=given_ones))
        given = {"configs": ["configs/x.yaml"], "values": {"trainer.callbacks": given_ones}}
        (run / "overrides.yaml").write_text(yaml.safe_dump(given))
    found = {
        row: list(replace(of, seeds=[0, 1, 2, 3]).runs(of.cells[0], tmp_path / "runs")) for row, of in cells.items()
    }
    assert found == {"bare": [0, 1], "averaged": [2]}
