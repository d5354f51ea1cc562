"""A schedule that watches a metric is stepped when there is a new value of it, and only then."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import ReduceLROnPlateau
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.lr_scheduler import ReduceLROnPlateau as OfTorch

from lab.training.checkpoint_callback import ThrottledCheckpoint

ON_LOSS = partial(OfTorch, patience=1, factor=0.5, threshold=10.0)  # nothing is ever better by so much


class Validations(Callback):
    """Counts the validations, and notes the learning rate of every epoch."""

    def __init__(self) -> None:
        self.count, self.rates = 0, []

    def on_validation_end(self, trainer: Trainer, *args: Any) -> None:
        self.count += not trainer.sanity_checking

    def on_train_epoch_start(self, trainer: Trainer, *args: Any) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])


class OwnPlateau(LRScheduler):
    """A schedule of a metric that is none of torch's."""

    def _initial_step(self) -> None:
        self.last_epoch = 0

    def step(self, metrics: float) -> None:
        self.last_epoch, self.seen = self.last_epoch + 1, float(metrics)


@pytest.mark.parametrize(
    ("arguments", "steps"),
    [
        ({}, 4),
        ({"check_val_every_n_epoch": 2}, 2),
        ({"check_val_every_n_epoch": 3}, 1),
        ({"val_check_interval": 2}, 8),  # of 5 batches
        ({"check_val_every_n_epoch": None, "val_check_interval": 7}, 2),
        ({"accumulate_grad_batches": 3, "num_sanity_val_steps": 0}, 4),
        ({"fast_dev_run": True, "check_val_every_n_epoch": 2}, 1),
    ],
)
def test_a_plateau_is_stepped_after_every_validation(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, arguments: dict[str, Any], steps: int
) -> None:
    trainer = make_trainer(max_epochs=4, callbacks=[validations := Validations()], **arguments)
    trainer.fit(tiny_task(scheduler=ON_LOSS), datamodule=tiny_images())
    assert trainer.lr_scheduler_configs[0].scheduler.last_epoch == steps == validations.count


def test_its_patience_counts_validations(tiny_task: Callable, tiny_images: type, make_trainer: Callable) -> None:
    trainer = make_trainer(max_epochs=9, callbacks=[seen := Validations()], check_val_every_n_epoch=2)
    trainer.fit(tiny_task(scheduler=ON_LOSS), datamodule=tiny_images())
    assert [rate / 0.1 for rate in seen.rates] == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]


@pytest.mark.parametrize("monitor", ["train/loss", "val/acc"])
def test_a_resumed_plateau_goes_on_as_if_it_had_not_been_stopped(
    tmp_path: Path, tiny_task: Callable, tiny_images: type, make_trainer: Callable, monitor: str
) -> None:
    scheduler = partial(ReduceLROnPlateau, monitor=monitor, patience=0, factor=0.5, threshold=10.0)

    def state(max_epochs: int, path: Path | None = None) -> dict[str, Any]:
        last = ModelCheckpoint(tmp_path, "last", enable_version_counter=False, save_on_train_epoch_end=True)
        arguments = {"max_epochs": max_epochs, "check_val_every_n_epoch": 2, "callbacks": [last]}
        trainer = make_trainer(enable_checkpointing=True, **arguments)
        trainer.fit(tiny_task(scheduler=scheduler), datamodule=tiny_images(), ckpt_path=path, weights_only=True)
        return trainer.lr_scheduler_configs[0].scheduler.state_dict()

    whole = state(6)
    state(3)
    assert state(6, tmp_path / "last.ckpt") == whole


def test_every_checkpoint_has_the_step(
    tmp_path: Path, tiny_task: Callable, tiny_images: type, make_trainer: Callable
) -> None:
    best = ThrottledCheckpoint(dirpath=tmp_path, filename="best", monitor="val/loss")
    last = ThrottledCheckpoint(best, dirpath=tmp_path, filename="last")
    trainer = make_trainer(max_epochs=3, enable_checkpointing=True, callbacks=[last, best])
    trainer.fit(tiny_task(scheduler=partial(ON_LOSS, patience=0)), datamodule=tiny_images())
    for name in ("last", "best"):
        state = torch.load(tmp_path / f"{name}.ckpt", weights_only=True)
        epochs = state["global_step"] // 5
        assert state["lr_schedulers"][0]["last_epoch"] == epochs
        assert state["optimizer_states"][0]["param_groups"][0]["lr"] == 0.1 * 0.5**epochs


def test_a_metric_of_training_is_looked_at_after_every_epoch(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable
) -> None:
    scheduler = partial(ReduceLROnPlateau, monitor="train/loss", patience=0)
    trainer = make_trainer(max_epochs=3, limit_val_batches=0)
    trainer.fit(tiny_task(scheduler=scheduler), datamodule=tiny_images())
    state = trainer.lr_scheduler_configs[0].scheduler
    assert state.last_epoch == 3 and state.best == float(trainer.callback_metrics["train/loss"])


def test_so_is_what_watches_a_metric_and_is_no_plateau_of_torch(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable
) -> None:
    trainer = make_trainer(max_epochs=2)
    trainer.fit(tiny_task(scheduler=OwnPlateau), datamodule=tiny_images())
    state = trainer.lr_scheduler_configs[0].scheduler
    assert state.last_epoch == 2 and state.seen == float(trainer.callback_metrics["val/loss"])


@pytest.mark.parametrize(
    ("monitor", "arguments", "message"),
    [
        (
            "val/loss",
            {"limit_val_batches": 0},
            r"watches val/loss, but the run has no validation: raise trainer\.limit",
        ),
        ("val/loss", {"check_val_every_n_epoch": 3}, r"ends after 2 epochs, .*check_val_every_n_epoch, which is 3\."),
        ("val/accc", {}, r'watches "val/accc", which is not logged; choose one of train/loss, val/acc, val/loss\.'),
        ("train/acc", {"limit_val_batches": 0}, r'"train/acc", which is not logged; choose one of train/loss\.'),
    ],
)
def test_a_metric_that_the_run_does_not_have_is_told(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, monitor: str, arguments: dict, message: str
) -> None:
    task = tiny_task(scheduler=partial(ReduceLROnPlateau, monitor=monitor, mode="max" if "acc" in monitor else "min"))
    with pytest.raises(ValueError, match=message):
        make_trainer(max_epochs=2, **arguments).fit(task, datamodule=tiny_images())
