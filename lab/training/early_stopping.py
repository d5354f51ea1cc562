"""A run that early stopping has ended is over, until it is given more patience."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

from lab.training.lightning_internals import attributes_of
from lab.training.trainer import rank_zero_print

LIMITS = ("stopping_threshold", "divergence_threshold", "check_finite")


class EarlyStoppingResume(Callback):
    """Lets a resumed run stop where an uninterrupted one with the same ``EarlyStopping`` would.

    Lightning takes the patience of the checkpoint for the one that is typed, and trains on, until the next validation,
    a run that had run out of patience or passed a threshold.
    """

    def __init__(self) -> None:
        self.patience: dict[str, int] = {}
        self.limits: dict[str, list[Any]] = {}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self.patience = {callback.state_key: callback.patience for callback in _early_stopping(trainer)}

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["early_stopping_limits"] = {one.state_key: _limits(one) for one in _early_stopping(trainer)}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self.limits = checkpoint.get("early_stopping_limits", {})

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The state of the checkpoint is restored by now."""
        for callback in _early_stopping(trainer):
            callback.patience = self.patience[callback.state_key]
            passed = callback.stopping_reason not in (
                EarlyStoppingReason.NOT_STOPPED,
                EarlyStoppingReason.PATIENCE_EXHAUSTED,
            )
            passed = passed and self.limits.get(callback.state_key) == _limits(callback)
            if passed or callback.wait_count >= callback.patience:
                trainer.should_stop = True
                rank_zero_print(
                    f"Early stopping on {callback.monitor} has ended this run in epoch {callback.stopped_epoch}: "
                    f"raise its patience ({callback.patience}) or take it out of trainer.callbacks to go on."
                )


def _early_stopping(trainer: Trainer) -> list[EarlyStopping]:
    return [callback for callback in attributes_of(trainer).callbacks if isinstance(callback, EarlyStopping)]


def _limits(callback: EarlyStopping) -> list[Any]:
    return [getattr(callback, name) for name in LIMITS]
