"""Schedules of a resumed run against those of one that had its length from the start, learning rate by rate."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.cli import ReduceLROnPlateau
from torch.optim import lr_scheduler as of_torch

from lit_models import LitTask, WarmupCosine
from lit_models.scheduling import build_schedule, run_length, watches_metric

ONE_CYCLE = partial(of_torch.OneCycleLR, max_lr=0.1, three_phase=True)
TINY = {"limit_val_batches": 0}


class Rates(Callback):
    """Notes the learning rate and the momentum of each step."""

    def __init__(self) -> None:
        self.seen: list[tuple[float, Any]] = []

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LitTask, optimizer: torch.optim.Optimizer) -> None:
        group = optimizer.param_groups[0]
        self.seen.append((float(group["lr"]), group.get("betas", group.get("momentum"))))


@pytest.fixture
def rates(tmp_path: Path, tiny_task: Callable, tiny_images: type, make_trainer: Callable) -> Callable:
    """Trains and gives the rates of every step; 5 batches an epoch."""

    def of(scheduler: Any, resume: bool = False, adam: bool = False, **arguments: Any) -> list[tuple[float, Any]]:
        optimizer = partial(torch.optim.Adam if adam else torch.optim.SGD, lr=0.1, **{} if adam else {"momentum": 0.9})
        trainer = make_trainer(**TINY, callbacks=[seen := Rates()], **arguments)
        resumed = {"ckpt_path": tmp_path / "last.ckpt", "weights_only": True} if resume else {}
        trainer.fit(tiny_task(optimizer=optimizer, scheduler=scheduler), datamodule=tiny_images(), **resumed)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return seen.seen

    return of


def sequence(optimizer: torch.optim.Optimizer, length: int) -> of_torch.LRScheduler:
    parts = [of_torch.LinearLR(optimizer, 0.1, total_iters=2), of_torch.CosineAnnealingLR(optimizer, T_max=length)]
    return of_torch.SequentialLR(optimizer, parts, milestones=[2])


def chain(optimizer: torch.optim.Optimizer, length: int) -> of_torch.LRScheduler:
    parts = [of_torch.PolynomialLR(optimizer, total_iters=length), of_torch.ExponentialLR(optimizer, gamma=0.9)]
    return of_torch.ChainedScheduler(parts)


def decay(optimizer: torch.optim.Optimizer, total_steps: int) -> of_torch.LRScheduler:
    return of_torch.LambdaLR(optimizer, lambda step: 1 - step / (total_steps + 1))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(ONE_CYCLE, ONE_CYCLE, id="OneCycleLR"),
        pytest.param(WarmupCosine, WarmupCosine, id="WarmupCosine"),
        pytest.param(decay, decay, id="a function with total_steps"),
        *[
            pytest.param(partial(scheduler, **{name: 2}), partial(scheduler, **{name: 4}), id=scheduler.__name__)
            for scheduler, name in [
                (of_torch.CosineAnnealingLR, "T_max"),
                (of_torch.PolynomialLR, "total_iters"),
                (of_torch.LinearLR, "total_iters"),
                (of_torch.CosineAnnealingWarmRestarts, "T_0"),
            ]
        ],
        pytest.param(partial(of_torch.MultiStepLR, milestones=[1]), partial(of_torch.MultiStepLR, milestones=[3])),
        pytest.param(partial(sequence, length=2), partial(sequence, length=4), id="SequentialLR"),
        pytest.param(partial(chain, length=2), partial(chain, length=4), id="ChainedScheduler"),
    ],
)
def test_a_resumed_schedule_is_that_of_the_new_length(rates: Callable, before: Any, after: Any) -> None:
    adam = after is ONE_CYCLE  # of which it cycles a beta
    whole = rates(after, max_epochs=4, adam=adam)
    assert len(rates(before, max_epochs=2, adam=adam)) == 10
    assert rates(after, resume=True, max_epochs=4, adam=adam) == whole[10:]


@pytest.mark.parametrize(
    ("first", "then", "total"),
    [
        ({"max_epochs": 2}, {"max_epochs": 4, "accumulate_grad_batches": 2}, 10 + 2 * 3),
        ({"max_epochs": 2}, {"max_epochs": 3, "limit_train_batches": 3}, 10 + 3),
        ({"max_epochs": 2, "accumulate_grad_batches": 2}, {"max_epochs": 3}, 6 + 5),
        ({"max_epochs": -1, "max_steps": 10}, {"max_epochs": -1, "max_steps": 14}, 14),
        ({"max_epochs": 4}, {"max_epochs": 4}, 20),
        ({"max_epochs": 2}, {"max_epochs": 9, "max_steps": 13}, 13),
    ],
)
def test_the_length_counts_the_steps_made_and_those_to_come(
    rates: Callable, first: dict[str, Any], then: dict[str, Any], total: int
) -> None:
    expected = rates(partial(ONE_CYCLE, total_steps=total), max_epochs=-1, max_steps=total)
    made = len(rates(ONE_CYCLE, **first))
    assert rates(ONE_CYCLE, resume=True, **then) == expected[made:]


def test_a_run_resumed_at_its_end_makes_no_step(rates: Callable) -> None:
    rates(ONE_CYCLE, max_epochs=2)
    assert rates(ONE_CYCLE, resume=True, max_epochs=-1, max_steps=4) == []


def test_a_checkpoint_of_the_middle_of_an_epoch(
    tmp_path: Path, rates: Callable, tiny_task: Callable, tiny_images: type, make_trainer: Callable
) -> None:
    class Saves(Callback):
        def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
            if trainer.global_step == 3:
                trainer.save_checkpoint(tmp_path / "last.ckpt")

    task = tiny_task(optimizer=partial(torch.optim.SGD, lr=0.1, momentum=0.9), scheduler=ONE_CYCLE)
    make_trainer(**TINY, callbacks=[Saves()]).fit(task, datamodule=tiny_images())
    resumed = rates(ONE_CYCLE, resume=True, max_epochs=2)
    assert len(resumed) == 7 and resumed == rates(ONE_CYCLE, max_epochs=2)[3:]


@pytest.mark.parametrize("scheduler", [ONE_CYCLE, lambda optimizer: ONE_CYCLE(optimizer, total_steps=5)])
def test_a_schedule_of_batches_is_stepped_each_batch_however_it_is_built(rates: Callable, scheduler: Any) -> None:
    seen = rates(scheduler)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    expected = ONE_CYCLE(optimizer, total_steps=5)
    for rate, _ in seen:
        assert rate == expected.get_last_lr()[0]
        optimizer.step()
        expected.step()


def test_epochs_and_steps_per_epoch_are_heeded(rates: Callable) -> None:
    stated = rates(partial(ONE_CYCLE, epochs=4, steps_per_epoch=5))
    assert stated == rates(ONE_CYCLE, max_epochs=4)[:5]


@pytest.mark.parametrize(
    ("scheduler", "arguments", "message"),
    [
        (
            partial(ONE_CYCLE, total_steps=4),
            {},
            "ends after total_steps 4, but the run makes 5: set total_steps to 5",
        ),
        (partial(ONE_CYCLE, epochs=2, steps_per_epoch=2), {}, "ends after total_steps 4, but the run makes 5"),
        (partial(ONE_CYCLE, total_steps=4), {"max_epochs": -1}, "but the run has no known end: .* to at most 4"),
        (ONE_CYCLE, {"max_epochs": -1}, "total_steps must be a number of steps ≥ 1, but it is inf: give it, or set"),
        (partial(ONE_CYCLE, total_steps=0), {}, "total_steps must be a number of steps ≥ 1, but it is 0"),
    ],
)
def test_a_length_that_does_not_fit_is_refused_before_the_first_step(
    rates: Callable, scheduler: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        rates(scheduler, **arguments)


def test_what_watches_a_metric_is_known_by_its_step() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    assert watches_metric(of_torch.ReduceLROnPlateau(optimizer))
    assert not watches_metric(of_torch.StepLR(optimizer, 1)) and not watches_metric(sequence(optimizer, 2))


@pytest.mark.parametrize(
    ("monitor", "stated", "mode"),
    [("val/acc", {}, "max"), ("val/loss", {}, "min"), ("val/acc", {"mode": "max"}, "max")],
)
def test_a_plateau_has_the_direction_of_its_metric(
    tiny_task: Callable, recwarn: Any, monitor: str, stated: dict[str, str], mode: str
) -> None:
    task = tiny_task(scheduler=partial(ReduceLROnPlateau, monitor=monitor, **stated))
    assert task.configure_optimizers()["lr_scheduler"]["scheduler"].mode == mode
    assert not [warning for warning in recwarn if "is better" in str(warning.message)]


def test_a_direction_against_the_name_is_told_and_one_that_nobody_knows_asked_for(tiny_task: Callable) -> None:
    task = tiny_task(scheduler=lambda optimizer: ReduceLROnPlateau(optimizer, monitor="val/acc"))
    with pytest.warns(UserWarning, match=r"takes the lowest val/acc for the best \(mode min\), although"):
        task.configure_optimizers()
    with pytest.raises(ValueError, match=r'names "val/height", which .*: give it mode min or max'):
        tiny_task(scheduler=partial(ReduceLROnPlateau, monitor="val/height")).configure_optimizers()


def test_the_length_of_a_run_without_an_end_is_infinite(tiny_task: Callable, make_trainer: Callable) -> None:
    trainer = make_trainer(max_epochs=-1)
    assert run_length(trainer) == math.inf and run_length(make_trainer(max_epochs=-1, max_steps=7)) == 7
    task = tiny_task(scheduler=partial(of_torch.StepLR, step_size=1))
    optimizer = torch.optim.SGD(task.parameters(), lr=0.1)
    assert build_schedule(task, optimizer)["interval"] == "epoch"
