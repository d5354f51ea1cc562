"""What every task shares: an injected network, optimizer and scheduler, and checkpoints without pickled objects."""

import inspect
import warnings
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lit_models.schedule_steps import attach_steps, step_after_epoch
from lit_models.scheduling import build_schedule, stated_arguments


class LitTask(LightningModule):
    """A LightningModule around an injected network.

    A checkpoint of a run started by ``train.py`` holds the class paths of the network, the optimizer and the
    scheduler, and reloads by itself; one of a task built in Python holds the plain arguments only and reloads once
    the same ``net`` is passed. Either way it loads with ``weights_only=True``.

    Args:
        net: the architecture.
        optimizer: from parameters to an optimizer; AdamW with torch's defaults when None.
        scheduler: from an optimizer to a learning-rate scheduler, stepped each epoch; one with an argument
            ``total_steps`` gets the length of the run and is stepped each batch, in a resumed run on the curve of the
            new length; one that watches a metric is stepped after each validation, which its ``patience`` counts.
    """

    def __init__(
        self,
        net: nn.Module,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        # No default class in the signature: the command line would lend its arguments to whichever class replaces it.
        self.optimizer = optimizer or torch.optim.AdamW
        self.scheduler = scheduler
        self.stated_schedules: list[dict[str, Any]] = []
        self._loss_sum, self._sample_count = torch.zeros(()), 0

    def save_arguments(self) -> None:
        """Save the arguments of the ``__init__`` that calls this as hyperparameters.

        Without Lightning's advice to leave the network out: a run of ``train.py`` saves its class path instead of
        the network, and ``on_save_checkpoint`` leaves it out of what is built in Python.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is already saved during checkpointing.*")
            self.save_hyperparameters(frame=inspect.currentframe().f_back)

    def track(self, loss: Tensor, num_samples: int) -> Tensor:
        """Count a batch's loss into the epoch's ``train/loss`` and give it back: ``return self.track(loss, len(x))``.

        The mean over the samples of the epoch is logged once; ``self.log`` in every step would cost 0.5 ms of it.
        """
        self._loss_sum = self._loss_sum.to(loss.device) + loss.detach() * num_samples
        self._sample_count += num_samples
        return loss

    def on_train_epoch_end(self) -> None:
        """Log ``train/loss``, exact over processes and over batches of unequal size."""
        sums = torch.stack([self._loss_sum, torch.as_tensor(float(self._sample_count), device=self._loss_sum.device)])
        loss_sum, sample_count = self.trainer.strategy.reduce(sums, reduce_op="sum")
        if sample_count > 0:  # a run resumed at the very end of an epoch has nothing to add
            self.log("train/loss", loss_sum / sample_count)
        self._loss_sum, self._sample_count = torch.zeros(()), 0
        step_after_epoch(self)

    def check_classes(self, num_classes: int) -> None:
        """Raise ValueError unless the data and the network have the classes of the task."""
        in_data = getattr(self.trainer.datamodule, "num_classes", num_classes)
        in_net = getattr(self.net, "num_classes", num_classes)
        if in_data > num_classes or in_net != num_classes:
            raise ValueError(
                f"the data has {in_data} classes, the task num_classes={num_classes} and the network "
                f"{in_net} outputs: set model.num_classes and model.net.num_classes to {in_data}."
            )

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.parameters())
        if self.scheduler is None:
            return optimizer
        schedule = build_schedule(self, optimizer)
        self.stated_schedules = [stated_arguments(schedule["scheduler"])]
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def on_fit_start(self) -> None:
        attach_steps(self)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out the hyperparameters that only a pickle could hold, and keep the losses of an unfinished epoch."""
        hparams = checkpoint.get("hyper_parameters", {})
        checkpoint["hyper_parameters"] = {name: value for name, value in hparams.items() if _is_plain(value)}
        checkpoint["tracked_loss"] = (self._loss_sum, self._sample_count)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._loss_sum, self._sample_count = checkpoint.get("tracked_loss", (torch.zeros(()), 0))


def _is_plain(value: Any) -> bool:
    """Whether a value is built from numbers, strings and None alone."""
    if isinstance(value, dict):
        return all(_is_plain(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return type(value) in (int, float, bool, str, type(None))
