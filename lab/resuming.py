"""A resumed run goes on as if it had never been interrupted."""

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lab.loggers import RunLogger

BEGUN = {"ready": 1, "started": 1, "processed": 0, "completed": 0}  # what Lightning counts within the first batch


class ExactResume(Callback):
    """Keeps in every checkpoint the states of the random generators, and takes them up again where a run goes on.

    It also drops what ``metrics.csv`` holds from beyond the checkpoint, so that no row stands there twice, and lets a
    validation that was broken off begin anew, because its metrics are in no checkpoint.
    """

    def __init__(self) -> None:
        self.states: dict[str, Any] | None = None
        self.before_validation: dict[str, Any] | None = None
        self.begins_epoch = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.before_validation = random_states() if validates_after(trainer, batch_idx) else None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        validation = checkpoint["loops"]["fit_loop"]["epoch_loop.val_loop.batch_progress"]
        broken_off = trainer.validating and not trainer.sanity_checking and not validation["is_last_batch"]
        checkpoint["random_states"] = self.before_validation if broken_off else random_states()
        for counts in (validation["total"], validation["current"]) if broken_off else ():
            counts.update(BEGUN)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.state.fn != "fit":
            return
        self.states = checkpoint.get("random_states")
        loops = checkpoint["loops"]["fit_loop"]
        validates = loops["epoch_loop.val_loop.batch_progress"]["current"] == BEGUN
        self.begins_epoch = loops["epoch_loop.batch_progress"]["is_last_batch"] and not validates
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, RunLogger):
                logger.forget_after(checkpoint["global_step"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Set the generators, and where an epoch begins draw what its loader draws, which Lightning leaves out."""
        if self.states is None:
            return
        set_random_states(self.states)
        self.states = None
        if self.begins_epoch:
            iter(trainer.fit_loop._data_fetcher)


def random_states() -> dict[str, Any]:
    """The states of the generators of Python, NumPy and torch, as plain values and tensors."""
    name, keys, *rest = np.random.get_state()
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


def validates_after(trainer: Trainer, batch_idx: int) -> bool:
    """Whether a validation may follow on a training batch."""
    return trainer.is_last_batch or bool(trainer.val_check_batch and (batch_idx + 1) % trainer.val_check_batch == 0)
