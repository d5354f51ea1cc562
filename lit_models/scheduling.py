"""How the learning-rate schedule of a task is built, and how it goes on in a resumed run."""

import inspect
import math
import warnings
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import LRSchedulerCallable
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau

from lab.directions import ask_for_mode, contradiction, mode_of
from lab.training.lightning_internals import first_of_chain
from lit_models.schedules import check_total_steps


def build_schedule(task: LightningModule, optimizer: Optimizer, steps_done: int = 0) -> dict[str, Any]:
    """The schedule of a task at its beginning, as Lightning's ``configure_optimizers`` returns it.

    One with an argument ``total_steps`` gets the length of the run where none is given, and is stepped each batch;
    one that watches a metric is left to ``ScheduleSteps``; any other is stepped each epoch.

    Args:
        task: its ``scheduler`` is from an optimizer to a schedule.
        optimizer: the optimizer.
        steps_done: steps that a resumed run has behind it, ≥ 0.

    Raises:
        ValueError: when the run has no known end, when it goes on after the last step of a ``OneCycleLR``, or when
            nothing says which way the metric is better that a schedule watches.
    """
    factory = cast(LRSchedulerCallable, task.scheduler)
    # What YAML names arrives as a partial of an opaque factory, all arguments of the class in its keywords.
    given = getattr(factory, "keywords", {})
    has_length = "total_steps" in {*given, *inspect.signature(factory).parameters}
    arguments: dict[str, Any] = _mode(factory)
    if has_length and not (given.get("epochs") and given.get("steps_per_epoch")):
        stated = given.get("total_steps")
        arguments["total_steps"] = run_length(task.trainer, steps_done) if stated is None else stated
        check_total_steps(arguments["total_steps"])
    scheduler = factory(optimizer, **arguments)
    if watches_metric(scheduler):
        monitor = getattr(scheduler, "monitor", "val/loss")
        if message := contradiction(type(scheduler).__name__, monitor, getattr(scheduler, "mode", None)):
            rank_zero_warn(message)
        # Never stepped by Lightning, which does so at the end of an epoch, be there a new value or not.
        return {"scheduler": scheduler, "monitor": monitor, "reduce_on_plateau": False, "frequency": 2**63 - 1}
    if isinstance(scheduler, OneCycleLR):
        _check_one_cycle(scheduler, run_length(task.trainer, steps_done))
    each_batch = has_length or "total_steps" in inspect.signature(type(scheduler)).parameters
    return {"scheduler": scheduler, "interval": "step" if each_batch else "epoch"}


def run_length(trainer: Trainer, steps_done: int = 0) -> float:
    """The steps of the optimizer from the start of a run to its end; infinite, or −1, where that is not known.

    Args:
        trainer: the trainer, where ``steps_done`` is more than 0 with its progress restored.
        steps_done: steps before the run was resumed, maybe of other batches or with other accumulation, ≥ 0.
    """
    length = trainer.estimated_stepping_batches
    if not steps_done or trainer.max_epochs == -1 or math.isinf(trainer.num_training_batches):
        return max(length, steps_done)
    epochs: Any = trainer.fit_loop.epoch_progress.current
    batches = trainer.fit_loop.epoch_loop.batch_progress.current
    per_epoch = math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
    within = batches.ready if epochs.ready > epochs.processed else 0  # batches of an epoch under way
    is_complete = within >= trainer.num_training_batches
    planned = epochs.processed * per_epoch + (per_epoch if is_complete else within // trainer.accumulate_grad_batches)
    length = max(trainer.max_epochs or 0, 1) * per_epoch + steps_done - planned
    return max(length if trainer.max_steps == -1 else min(length, trainer.max_steps), steps_done)


def watches_metric(scheduler: Any) -> bool:
    """Whether a schedule's ``step`` cannot do without the value of a metric, as that of ``ReduceLROnPlateau``."""
    first = next(iter(inspect.signature(scheduler.step).parameters.values()), None)
    return first is not None and first.default is first.empty and first.kind is first.POSITIONAL_OR_KEYWORD


def stated_arguments(scheduler: Any) -> dict[str, Any]:
    """What a schedule was built with, as far as it keeps that by its name, and the schedules inside it."""
    kept = vars(scheduler)
    names = inspect.signature(type(scheduler)).parameters.keys() - {"optimizer", "last_epoch", "schedulers"}
    stated = {name: kept[key] for name in names for key in (name, f"_{name}") if key in kept}
    return {**stated, "schedulers": [stated_arguments(inner) for inner in kept.get("_schedulers", [])]}


def resume_schedule(task: LightningModule) -> None:
    """Bring the schedule of a resumed run to where it would be, had it been as it is stated now from the start.

    What was restored of a schedule that has the length of the run belongs to the length of before. Others go on as
    they were restored, unless an argument such as ``T_max`` of ``CosineAnnealingLR`` has changed since.
    """
    stated_schedules = cast(list[dict[str, Any]], task.stated_schedules)
    for config, stated in zip(task.trainer.lr_scheduler_configs, stated_schedules, strict=False):
        scheduler, steps_done = config.scheduler, _steps_taken(config.scheduler)
        goes_on = config.interval == "epoch" and stated_arguments(scheduler) == stated
        if not steps_done or watches_metric(scheduler) or goes_on:
            continue
        for group in scheduler.optimizer.param_groups:
            _set_rate(group, group.get("initial_lr", group["lr"]))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=r".*optimizer\.step\(\)")  # those steps were made before
            config.scheduler = build_schedule(task, scheduler.optimizer, steps_done)["scheduler"]
            for _ in range(steps_done):
                task.lr_scheduler_step(config.scheduler, None)


def _mode(factory: LRSchedulerCallable) -> dict[str, str]:
    """The direction of what a plateau schedule watches, where it is built in Python and does not say it."""
    given, made = getattr(factory, "keywords", {}), getattr(factory, "func", factory)
    if not isinstance(made, type) or not issubclass(made, ReduceLROnPlateau) or "mode" in given:
        return {}
    monitor = given.get("monitor", "val/loss")
    mode = mode_of(monitor)
    if mode is None:
        raise ValueError(ask_for_mode(f"the scheduler {made.__name__}", monitor, "give it mode"))
    return {"mode": mode}


def _check_one_cycle(scheduler: OneCycleLR, length: float) -> None:
    total = scheduler.total_steps
    if not 1 <= length < math.inf:
        raise ValueError(
            f"the schedule OneCycleLR ends after total_steps {total}, but the run has no known end: set "
            f"trainer.max_epochs, or trainer.max_steps to at most {total}."
        )
    if length > total:
        raise ValueError(
            f"the schedule OneCycleLR ends after total_steps {total}, but the run makes {length}: set total_steps to "
            f"{length}, leave it out to have that of the run, or set trainer.max_steps to at most {total}."
        )


def _steps_taken(scheduler: Any) -> int:
    return max(0, int(getattr(first_of_chain(scheduler), "last_epoch", 0)))


def _set_rate(group: dict[str, Any], rate: Any) -> None:
    if isinstance(group["lr"], Tensor):
        group["lr"].copy_(torch.as_tensor(rate))
    else:
        group["lr"] = rate
