"""A resumed run goes on as if it had never been interrupted."""

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from lab.training.lightning_internals import (
    draw_order,
    epoch_is_complete,
    is_accumulating,
    uncount_step,
    validates_after,
)
from lab.training.loggers import RunLogger

BEGUN = {"ready": 1, "started": 1, "processed": 0, "completed": 0}  # what Lightning counts within the first batch


class ExactResume(Callback):
    """Keeps in every checkpoint what Lightning leaves out, and takes it up again where a run goes on.

    That is the states of the random generators, the gradients of a step whose batches are still being accumulated, and
    where in an epoch the run is: Lightning counts an epoch as done that was ended before its last batch, and begins the
    next. It also drops what ``metrics.csv`` holds from beyond the checkpoint, so that no row stands there twice, and
    lets a validation that was broken off begin anew, because its metrics are in no checkpoint.
    """

    def __init__(self) -> None:
        self.states: dict[str, Any] | None = None
        self.gradients: dict[str, Tensor] = {}
        self.before_validation: dict[str, Any] | None = None
        self.begins_epoch = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.before_validation = random_states() if validates_after(trainer) else None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        loops = checkpoint["loops"]["fit_loop"]
        validation = loops["epoch_loop.val_loop.batch_progress"]
        broken_off = trainer.validating and not trainer.sanity_checking and not validation["is_last_batch"]
        checkpoint["random_states"] = self.before_validation if broken_off else random_states()
        for counts in (validation["total"], validation["current"]) if broken_off else ():
            counts.update(BEGUN)
        if trainer.state.fn != "fit":
            return
        if is_accumulating(trainer):
            gradients = {name: value.grad for name, value in pl_module.named_parameters()}
            checkpoint["gradients"] = {name: value for name, value in gradients.items() if value is not None}
        between = _is_between_batches(trainer)
        for logger in _run_loggers(trainer):
            checkpoint["metric_rows"] = {"count": logger.experiment.count, "follow": not between}
        if between:
            self._go_on_between_batches(trainer, loops)

    def _go_on_between_batches(self, trainer: Trainer, loops: dict[str, Any]) -> None:
        """Count as Lightning does where a run goes on within an epoch, also where that has been asked to end."""
        if ends_early(trainer):
            for counts in loops["epoch_progress"].values():
                counts["processed"] = counts["started"] - 1
                counts["completed"] = min(counts["completed"], counts["processed"])
        if validates_after(trainer) and not is_accumulating(trainer):
            uncount_step(loops)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.state.fn != "fit":
            return
        self.states, self.gradients = checkpoint.get("random_states"), checkpoint.get("gradients", {})
        epochs = checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]
        self.begins_epoch = epochs["processed"] == epochs["started"]
        rows = checkpoint.get("metric_rows", {"count": 0, "follow": True})  # earlier versions did not count them
        for logger in _run_loggers(trainer):
            logger.experiment.forget(rows["count"], checkpoint["global_step"] if rows["follow"] else -1)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the generators, and where an epoch begins draw what its loader draws, which Lightning leaves out."""
        for name, parameter in pl_module.named_parameters():
            if name in self.gradients:
                parameter.grad = self.gradients[name].to(parameter.device)
        self.gradients = {}
        if self.states is None:
            return
        set_random_states(self.states)
        self.states = None
        if self.begins_epoch:
            draw_order(trainer)


def random_states() -> dict[str, Any]:
    """The states of the generators of Python, NumPy and torch, as plain values and tensors."""
    of_numpy: Any = np.random.get_state()
    name, keys, *rest = of_numpy
    states = {"python": random.getstate(), "numpy": (name, keys.tolist(), *rest), "torch": torch.get_rng_state()}
    return {**states, "cuda": torch.cuda.get_rng_state_all()} if torch.cuda.is_initialized() else states


def set_random_states(states: dict[str, Any]) -> None:
    """Set the generators to what ``random_states`` returned; those of GPUs only where there are as many."""
    version, internal, gauss_next = states["python"]
    random.setstate((version, tuple(internal), gauss_next))
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(states["torch"].cpu())
    if len(states.get("cuda", [])) == torch.cuda.device_count() > 0:
        torch.cuda.set_rng_state_all([state.cpu() for state in states["cuda"]])


def ends_early(trainer: Trainer) -> bool:
    """Whether the epoch is at its end although its last batch has not been trained: in ``on_train_epoch_end``."""
    epochs: Any = trainer.fit_loop.epoch_progress.current
    return epochs.processed == epochs.started and not epoch_is_complete(trainer)


def _run_loggers(trainer: Trainer) -> list[RunLogger]:
    loggers = trainer.loggers if trainer.is_global_zero else []
    return [logger for logger in loggers if isinstance(logger, RunLogger)]


def _is_between_batches(trainer: Trainer) -> bool:
    """Whether the last batch is trained and, where it was due, validated, and others of its epoch follow."""
    batches = trainer.fit_loop.epoch_loop.batch_progress.current
    done = batches.ready == batches.completed > 0 and not trainer.validating
    return done and not epoch_is_complete(trainer)
