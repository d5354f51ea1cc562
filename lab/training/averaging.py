"""Averaged weights: the checkpoints of a run hold those that its validations judged."""

from typing import Any, cast

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from torch import nn
from torch.optim.swa_utils import AveragedModel

from lab.training.lightning_internals import AveragingBase, map_tensors

WEIGHTS = ("state_dict", "current_model_state", "averaging_state")


class ExactAveraging(AveragingBase):
    """What Lightning's WeightAveraging lacks, mixed into it and its subclasses by ``make_exact``.

    Validation is of the averaged weights, ``state_dict`` of a checkpoint holds them, and test loads them. Lightning's
    own cannot copy a task that a command line has built while there are several processes; updates the average at the
    end of an epoch between a validation and the checkpoint that it decides; loads the weights without averaging for a
    test right after training; exchanges the two where a validation is broken off; and overwrites the weights that
    training goes on with before the last checkpoint is written.
    """

    _exchanged = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Copy the weights, without the arguments and hooks of the task, which know its trainer and its data."""
        if stage == "fit":
            pl_module.configure_model()
            weights = nn.Module()
            weights.__dict__.update({name: vars(pl_module)[name] for name in ("_parameters", "_buffers", "_modules")})
            self.average(weights, pl_module.device)

    def on_exchange(self) -> None:
        self._exchanged = not self._exchanged

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: the average over epochs is updated when the checkpoints of this one have been taken."""

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._update_after(trainer.current_epoch - 1, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Nothing: the last checkpoint has yet to be written."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._update_after(trainer.current_epoch - 1, pl_module)
        super().on_train_end(trainer, pl_module)

    def _update_after(self, epoch: int, pl_module: LightningModule) -> None:
        if epoch > self.latest_update_epoch and self.should_update(epoch_idx=epoch):
            cast(AveragedModel, self.average_model).update_parameters(pl_module)  # made in setup
            self.latest_update_epoch = epoch

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "latest_update_epoch": self.latest_update_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self.latest_update_epoch = state_dict.get("latest_update_epoch", self.latest_update_epoch)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self.average_model is None:
            return
        if self._exchanged:
            pair = checkpoint["current_model_state"], checkpoint["state_dict"]
            checkpoint["state_dict"], checkpoint["current_model_state"] = pair
        for name in WEIGHTS:  # they change before a checkpoint is written that is due later
            checkpoint[name] = map_tensors(lambda tensor: tensor.detach().clone(), dict(checkpoint[name]))

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.state.fn == "fit":
            super().on_load_checkpoint(trainer, pl_module, checkpoint)


def make_exact(callback: WeightAveraging) -> None:
    """Mix ``ExactAveraging`` into the class of a callback, which keeps its name, and with it its key in checkpoints."""
    if not isinstance(callback, ExactAveraging):
        kind = type(callback)
        names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
        callback.__class__ = type(kind.__name__, (ExactAveraging, kind), names)
