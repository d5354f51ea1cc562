"""When a learning-rate schedule that watches a metric is stepped."""

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from lab.training.lightning_internals import epoch_is_complete, logged_now
from lit_models.scheduling import resume_schedule, watches_metric
from nets import is_replica_metric


class ScheduleSteps(Callback):
    """Steps a schedule that watches a metric after every validation that logged it, which its ``patience`` counts.

    It does so before a checkpoint is saved, so that none lacks the step. A metric that is logged in training is looked
    at after every epoch.

    Where a run is resumed, it takes care that a schedule follows the length of the run as it is now.
    """

    def __init__(self) -> None:
        self.validated = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        resume_schedule(pl_module)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.validated = True
            _step(pl_module)

    def after_epoch(self, pl_module: LightningModule) -> None:
        """Step on what training has logged by the end of an epoch.

        Raises:
            ValueError: when neither training nor a validation has logged the metric.
        """
        trainer = pl_module.trainer
        if not epoch_is_complete(trainer):
            return  # the epoch was broken off and will be taken up again
        _step(pl_module)
        logged = sorted(name for name in trainer.callback_metrics if not is_replica_metric(name))
        for config in _watching(trainer):
            if config.monitor not in logged and (self.validated or not trainer.enable_validation):
                raise ValueError(
                    f'the scheduler {type(config.scheduler).__name__} watches "{config.monitor}", which is not logged; '
                    f"choose one of {', '.join(logged)}."
                )


def attach_steps(task: LightningModule) -> None:
    """Have the trainer of a task look after its schedule, ahead of all callbacks that save anything.

    Raises:
        ValueError: when a schedule watches a metric that the run will not have.
    """
    trainer: Any = task.trainer
    for config in _watching(trainer):
        _check_watched(task, type(config.scheduler).__name__, config.monitor)
    others = [callback for callback in trainer.callbacks if not isinstance(callback, ScheduleSteps)]
    trainer.callbacks[:] = [ScheduleSteps(), *others] if trainer.lr_scheduler_configs else others


def step_after_epoch(task: LightningModule) -> None:
    """Step a schedule on what a task has logged at the end of an epoch: callbacks come before the task does that."""
    trainer: Any = task.trainer
    for callback in trainer.callbacks:
        if isinstance(callback, ScheduleSteps):
            callback.after_epoch(task)


def _step(task: LightningModule) -> None:
    """Step the schedules whose metric was logged in the loop that has just ended."""
    new = logged_now(task.trainer)
    for config in _watching(task.trainer):
        if config.monitor in new:
            task.lr_scheduler_step(config.scheduler, new[config.monitor])


def _watching(trainer: Trainer) -> list[Any]:
    return [config for config in trainer.lr_scheduler_configs if watches_metric(config.scheduler)]


def _check_watched(task: LightningModule, name: str, monitor: str) -> None:
    trainer: Any = task.trainer
    every = trainer.check_val_every_n_epoch or 1
    if monitor.startswith("train/"):
        return
    if not trainer.enable_validation:
        raise ValueError(
            f"the scheduler {name} watches {monitor}, but the run has no validation: raise trainer.limit_val_batches, "
            f"or watch train/loss with lightning.pytorch.cli.ReduceLROnPlateau."
        )
    if not trainer.fast_dev_run and 0 < trainer.max_epochs < every:
        raise ValueError(
            f"the scheduler {name} watches {monitor}, but the run ends after {trainer.max_epochs} epochs, before its "
            f"first validation: lower trainer.check_val_every_n_epoch, which is {every}."
        )
