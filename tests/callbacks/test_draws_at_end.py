"""Figures at the end of training: when they are drawn, also after an error, and when not."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback

from callbacks import TimestepGradients
from callbacks.draws_at_end import DrawsAtEnd
from datamodules import RunningAverageDataModule
from lab import read_metrics
from lit_models import LitSequenceRegressor
from nets import LSTM, RNN

pytestmark = pytest.mark.usefixtures("coarse_figures")


def train(make_trainer: Callable, net: RNN | LSTM, *callbacks: Callback) -> None:
    task = LitSequenceRegressor(net, optimizer=partial(torch.optim.SGD, lr=0.1))
    trainer = make_trainer(limit_val_batches=0, callbacks=list(callbacks))
    trainer.fit(task, datamodule=RunningAverageDataModule(6, 4, num_batches=4, num_eval=1))


@pytest.mark.parametrize("error", [None, RuntimeError("out of luck")], ids=["end", "error"])
def test_figures_are_drawn_when_training_ends_also_by_an_error(
    make_trainer: Callable, tmp_path: Path, error: Exception | None
) -> None:
    class Ending(Callback):
        def on_train_batch_end(self, trainer: Any, *arguments: Any) -> None:
            if error and trainer.global_step == 3:
                raise error

    with pytest.raises(RuntimeError, match="out of luck") if error else nullcontext():
        train(make_trainer, LSTM(1, 3), TimestepGradients(2), Ending())
    step = 3 if error else 4
    drawn = {path.name for path in tmp_path.glob("runs/tiny/version_0/figures/*")}
    assert drawn == {f"timestep_gradients_{step}.png", f"gradients_over_training_{step}.png"}


def test_an_explosion_up_to_nan_is_logged_and_drawn(make_trainer: Callable, tmp_path: Path) -> None:
    train(make_trainer, RNN(1, 5, nonlinearity="identity", recurrent_gain=1e3), TimestepGradients(1))
    logged = read_metrics(tmp_path / "runs/tiny/version_0")["gradients/layer_1/grad_norm/t_1"]
    assert logged[0] == [0, 1, 2, 3] and math.isnan(logged[1][-1])
    assert len([*tmp_path.glob("runs/tiny/version_0/figures/*")]) == 2


@pytest.mark.parametrize("arguments", [{"fast_dev_run": True}, {"logger": False}, {}])
def test_a_run_that_leaves_no_files_draws_nothing(
    make_trainer: Callable, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, bool]
) -> None:
    saved: list[str] = []
    monkeypatch.setattr("callbacks.timestep_gradients.save_figure", lambda figure, name, trainer: saved.append(name))
    trainer = make_trainer(callbacks=[TimestepGradients(1)], limit_val_batches=0, **arguments)
    trainer.fit(LitSequenceRegressor(RNN(1, 3)), datamodule=RunningAverageDataModule(6, 4, num_batches=2, num_eval=1))
    assert saved == ([] if arguments else ["timestep_gradients", "gradients_over_training"])


@pytest.mark.parametrize(
    ("command", "sanity_checking", "drawn"), [("fit", False, 1), ("fit", True, 0), ("validate", False, 0)]
)
def test_an_error_draws_what_was_trained_and_nothing_outside_of_training(
    command: str, sanity_checking: bool, drawn: int
) -> None:
    asked: list[tuple] = []

    class Drawer(DrawsAtEnd):
        def draw(self, *arguments: Any) -> None:
            asked.append(arguments)

    trainer = SimpleNamespace(state=SimpleNamespace(fn=command), sanity_checking=sanity_checking)
    Drawer().on_exception(trainer, None, RuntimeError())
    assert asked == [(trainer, None)] * drawn
    Drawer().on_train_end(trainer, None)
    assert asked == [(trainer, None)] * (drawn + 1)
