"""Callbacks of Lightning's that would make a run another one than its folder says, and what to type instead."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import (
    BackboneFinetuning,
    BaseFinetuning,
    BatchSizeFinder,
    EarlyStopping,
    LearningRateFinder,
    ModelCheckpoint,
    ModelPruning,
    OnExceptionCheckpoint,
    SpikeDetection,
    StochasticWeightAveraging,
    WeightAveraging,
)
from lightning.pytorch.callbacks import ProgressBar as Bar
from torch import nn

from lab.errors import LabError
from lab.training.averaging import make_exact
from lab.training.checkpoint_callback import ThrottledCheckpoint
from lab.training.freezing import FrozenWeights
from lab.training.lightning_internals import attributes_of

REFUSED: dict[type[Callback], str] = {
    BatchSizeFinder: (
        "would train with another batch size than config.yaml says: leave it out, type --data.batch_size, and hold "
        "several against each other with sweep.py --grid data.batch_size=64,128."
    ),
    LearningRateFinder: (
        "would train with another learning rate than config.yaml says: leave it out, type --model.optimizer.lr, and "
        "hold several against each other with sweep.py --grid model.optimizer.lr=0.001,0.003."
    ),
    StochasticWeightAveraging: (
        "averages weights that are validated, kept in best.ckpt and tested without their average: type "
        "lightning.pytorch.callbacks.WeightAveraging or lightning.pytorch.callbacks.EMAWeightAveraging instead."
    ),
    ModelPruning: (
        "prunes after a validation what best.ckpt then holds, and no checkpoint holds its masks: leave it out, and "
        "prune the trained network in Python with torch.nn.utils.prune."
    ),
    OnExceptionCheckpoint: (
        "lets a later fit begin with what an earlier one left in its folder: leave it out, since last.ckpt is kept "
        "whatever ends a run, and type --ckpt_path last to resume from it."
    ),
}
OUTSIDE_OF_FIT = (BatchSizeFinder, BackboneFinetuning)  # they act, or fail, there too


def check_callbacks(command: str, trainer: Trainer, model: LightningModule, checkpoint_keys: Collection[str]) -> None:
    """Refuse the callbacks that cannot do in a run what they are there for; others, whoever wrote them, may stay.

    Args:
        command: fit, validate, test or predict.
        trainer: whose callbacks these are.
        model: what is trained.
        checkpoint_keys: the keys of the checkpoint that the command starts from.

    Raises:
        LabError: before anything is trained.
    """
    callbacks = attributes_of(trainer).callbacks
    rules: dict[type[Callback], str | Callable[..., str | None]] = {**REFUSED, **CONDITIONS}
    for callback in callbacks:
        for kind, rule in rules.items():
            if isinstance(callback, kind) and (command == "fit" or kind in OUTSIDE_OF_FIT):
                reason = rule if isinstance(rule, str) else rule(callback, trainer, model)
                if reason:
                    raise LabError(f"the callback {type(callback).__name__} {reason}")
    averages = [callback for callback in callbacks if isinstance(callback, WeightAveraging)]
    for callback in averages:
        make_exact(callback)
    if any(isinstance(callback, BaseFinetuning) for callback in callbacks):
        callbacks.insert(0, FrozenWeights())
    if command == "fit" and "averaging_state" in checkpoint_keys and not averages:
        raise LabError(
            "the run of this checkpoint averages its weights, and goes on only with that callback: give its config, "
            "config.yaml in its run folder, or leave --ckpt_path out."
        )


def has_bar(callbacks: Callback | Sequence[Callback] | None) -> bool:
    """Whether a progress bar is among the callbacks of a config, in whose place no other is to be drawn."""
    return any(isinstance(item, Bar) for item in (callbacks if isinstance(callbacks, list) else [callbacks]))


def _backbone_finetuning(callback: Callback, trainer: Trainer, model: LightningModule) -> str | None:
    if isinstance(getattr(model, "backbone", None), nn.Module):
        return None
    return (
        f"unfreezes model.backbone, which {type(model).__name__} does not have (its network is model.net): leave it "
        f"out, or name a subclass of BaseFinetuning that says which layers are frozen."
    )


def _spike_detection(callback: SpikeDetection, *_: Any) -> str | None:
    try:
        callback.load_state_dict(callback.state_dict())
    except AttributeError:  # lightning 2.6.6 names an attribute that is not there
        return (
            "of this version of lightning cannot load its own state, so that no checkpoint of the run could be resumed "
            "or tested: leave it out, and set trainer.gradient_clip_val against steps that are too large."
        )
    return None


def _early_stopping(callback: EarlyStopping, trainer: Trainer, model: LightningModule) -> str | None:
    every, epochs = trainer.check_val_every_n_epoch, trainer.max_epochs
    if not callback.monitor.startswith("val/") or attributes_of(trainer).fast_dev_run:
        return None
    if trainer.limit_val_batches == 0:
        return f"watches {callback.monitor}, but trainer.limit_val_batches is 0: leave one of the two out."
    if every and epochs and 0 < epochs < every:
        return (
            f"watches {callback.monitor}, but trainer.check_val_every_n_epoch {every} is more than trainer.max_epochs "
            f"{epochs}: lower it, or leave the callback out."
        )
    return None


def _model_checkpoint(callback: ModelCheckpoint, trainer: Trainer, model: LightningModule) -> str | None:
    if isinstance(callback, ThrottledCheckpoint):
        return None
    names = {callback.filename, callback.CHECKPOINT_NAME_LAST if callback.save_last else None}
    own = Path(trainer.default_root_dir, "checkpoints").resolve()
    place = own if callback.dirpath is None else Path(callback.dirpath).resolve()
    taken = sorted({"best", "last"} & names)
    if place != own or not taken:
        return None
    return (
        f"would write {taken[0]}.ckpt in {own.parent.name}/checkpoints, where the run keeps its own: give it another "
        f"filename or dirpath, without save_last."
    )


CONDITIONS: dict[type[Callback], Callable[[Any, Trainer, LightningModule], str | None]] = {  # None where it works
    BackboneFinetuning: _backbone_finetuning,
    SpikeDetection: _spike_detection,
    EarlyStopping: _early_stopping,
    ModelCheckpoint: _model_checkpoint,
}
