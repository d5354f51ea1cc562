"""Flags that another flag makes void are reported before anything is trained."""

from collections.abc import Collection
from typing import Any

from lab.errors import LabError

LIMITS = {"validate": "limit_val_batches", "test": "limit_test_batches", "predict": "limit_predict_batches"}
OF_CHECKPOINTS = ("monitor", "monitor_mode", "save_every_minutes")


def refuse_void(command: str, config: Any, typed: Collection[str]) -> None:
    """Refuse a command that would do nothing of what it is there for, and typed flags that another one makes void.

    Args:
        command: fit, validate, test or predict.
        config: the arguments of the command.
        typed: the keys that were typed, besides those of config files.

    Raises:
        LabError: with what to change.
    """
    trainer = config.trainer
    if trainer.barebones:
        raise LabError("trainer.barebones keeps no metrics and no checkpoint, and a run is to keep both: leave it out.")
    if trainer.fast_dev_run:
        return
    needed = ["limit_train_batches", "max_epochs", "max_steps"] if command == "fit" else [LIMITS[command]]
    for key in needed:
        if trainer[key] == 0:
            verb = "train" if command == "fit" else command
            raise LabError(f"trainer.{key} is 0, so that there is nothing to {verb}: leave it out, or raise it.")
    if command == "fit" and config.test_after_fit and trainer.limit_test_batches == 0:
        raise LabError(
            "test_after_fit is true, but trainer.limit_test_batches is 0, so that there is nothing to test: leave the "
            "limit out, or type --test_after_fit false."
        )
    void = [key for key in OF_CHECKPOINTS if key in typed]
    if command == "fit" and trainer.enable_checkpointing is False and void:
        raise LabError(
            f"--{void[0]} is about checkpoints, but trainer.enable_checkpointing is false: leave one of the two out."
        )
