"""What every task shares: an injected network, optimizer and scheduler, and checkpoints without pickled objects."""

import inspect
import warnings
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from lit_models.class_counts import check_counts, classes_of_data
from lit_models.plain_values import plain, unloadable
from lit_models.schedule_steps import attach_steps, step_after_epoch
from lit_models.scheduling import build_schedule, stated_arguments


class LitTask(LightningModule):
    """A LightningModule around an injected network.

    A checkpoint of a run started by ``train.py`` holds the class paths of the network, the optimizer and the
    scheduler, and reloads by itself; one of a task built in Python holds the plain arguments only and reloads once
    the same ``net`` is passed. Either way it loads with ``weights_only=True``: NumPy's numbers, such as a learning rate
    out of ``np.logspace``, are saved as Python's, and a state that is no mere data is refused before training.

    All parameters are one group of the optimizer, so that its ``weight_decay`` falls on biases and on the weights of
    normalisation layers too. To leave them out, override ``configure_optimizers`` with groups of parameters.

    Args:
        net: the architecture.
        optimizer: from parameters to an optimizer; AdamW with torch's defaults when None.
        scheduler: from an optimizer to a learning-rate scheduler, stepped each epoch; one with an argument
            ``total_steps`` gets the length of the run and is stepped each batch, in a resumed run on the curve of the
            new length; one that watches a metric is stepped after each validation, which its ``patience`` counts.
    """

    num_classes: int  # of tasks that have classes

    def __init__(
        self,
        net: nn.Module,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__()
        self.net: Any = net  # of which a task may want more methods than those of a module
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
            frame = inspect.currentframe()
            self.save_hyperparameters(frame=frame.f_back if frame else None)

    @property
    def datamodule(self) -> Any:
        """The datamodule of the run, with attributes that only some have."""
        trainer: Any = self.trainer
        return trainer.datamodule

    def track(self, loss: Tensor, num_samples: int) -> Tensor:
        """Count a batch's loss into the epoch's ``train/loss`` and give it back: ``return self.track(loss, len(x))``.

        The mean over the samples of the epoch is logged once; ``self.log`` in every step would cost 0.5 ms of it.

        Shapes:
            loss () -> ()
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

    def setup(self, stage: str) -> None:
        """Raise ValueError unless each class of the data has its output."""
        self.check_classes(exact=False)

    def on_fit_start(self) -> None:
        """Raise ValueError where training begins with outputs that no class has; have the schedule looked after."""
        self.check_classes(exact=self.trainer.ckpt_path is None)
        attach_steps(self)

    def check_classes(self, exact: bool) -> None:
        """Raise ValueError unless the data have the classes of the task and the network, or fewer unless ``exact``."""
        if hasattr(self, "num_classes"):
            in_net = getattr(self.net, "num_classes", self.num_classes)
            counts = {"model.num_classes": self.num_classes, "model.net.num_classes": in_net}
            check_counts(classes_of_data(self.datamodule), "classes", counts, exact)

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer(self.parameters())  # one group: biases and norms are decayed too
        _make_plain(optimizer)
        if self.scheduler is None:
            return optimizer
        schedule = build_schedule(self, optimizer)
        _make_plain(optimizer, schedule["scheduler"])
        self.stated_schedules = [stated_arguments(schedule["scheduler"])]
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Step as ever; a factor that was computed by NumPy becomes a plain number."""
        super().lr_scheduler_step(scheduler, metric)
        _make_plain(getattr(scheduler, "optimizer", None), scheduler)

    def on_train_start(self) -> None:
        """Refuse a run whose checkpoints could not be loaded again."""
        trainer: Any = self.trainer
        states = {f"callback {callback.state_key}": callback.state_dict() for callback in trainer.callbacks}
        states |= {type(item).__name__: item.state_dict()["param_groups"] for item in trainer.optimizers}
        schedulers = [config.scheduler for config in trainer.lr_scheduler_configs]
        states |= {type(item).__name__: item.state_dict() for item in schedulers}
        for name, state in states.items() if trainer.checkpoint_callbacks else ():
            if kind := unloadable(plain(state)):
                raise ValueError(
                    f"the state of {name} holds a {kind}, but a checkpoint holds numbers, strings and tensors alone: "
                    f"give one of these, or set trainer.enable_checkpointing to false."
                )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Save numbers as plain ones and leave out what only a pickle could hold; keep an unfinished epoch's losses.

        What is left out is a hyperparameter or, with a warning, what a callback has come to hold.
        """
        checkpoint.setdefault("hyper_parameters", {})
        for name in checkpoint.keys() - {"state_dict"}:
            checkpoint[name] = plain(checkpoint[name])
        for name in checkpoint.keys() & {"hyper_parameters", "datamodule_hyper_parameters", "callbacks"}:
            left_out = [key for key, value in checkpoint[name].items() if unloadable(value)]
            if left_out and name == "callbacks":
                rank_zero_warn(f"The checkpoint leaves out the state of {left_out[0]}, which is no plain data.")
            checkpoint[name] = {key: value for key, value in checkpoint[name].items() if key not in left_out}
        checkpoint["tracked_loss"] = (self._loss_sum, self._sample_count)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._loss_sum, self._sample_count = checkpoint.get("tracked_loss", (torch.zeros(()), 0))


def _make_plain(optimizer: torch.optim.Optimizer | None, scheduler: Any = None) -> None:
    """Make plain numbers of what an optimizer and a scheduler were given, and what comes of it is plain as well."""
    for group in [optimizer.defaults, *optimizer.param_groups] if optimizer else ():
        group.update(plain(group))
    for part in (scheduler, *getattr(scheduler, "_schedulers", ())):  # those of a SequentialLR
        state = getattr(part, "__dict__", {})
        state.update(plain(state))
