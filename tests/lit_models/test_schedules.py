"""WarmupCosine against its formula, alone and in the hands of a task."""

import math
from functools import partial

import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from lit_models import WarmupCosine


def optimizer_of(*rates: float) -> torch.optim.SGD:
    return torch.optim.SGD([{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in rates])


def formula(step: int, total: int, warmup: int) -> float:
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2 if step < total else 0.0


def curve(scheduler: WarmupCosine, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        scheduler.optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize(("total", "fraction", "warmup"), [(20, 0.25, 5), (10, 0.0, 0), (1, 0.5, 0), (8, 0.9, 7)])
def test_follows_its_formula_and_stays_at_zero_beyond_the_end(total: int, fraction: float, warmup: int) -> None:
    scheduler = WarmupCosine(optimizer_of(0.3), total_steps=total, warmup_fraction=fraction)
    expected = [0.3 * formula(step, total, warmup) for step in range(total + 3)]
    assert curve(scheduler, total + 3) == pytest.approx(expected, abs=1e-12)


def test_starts_above_zero_peaks_once_and_ends_near_zero() -> None:
    rates = curve(WarmupCosine(optimizer_of(1.0), total_steps=100, warmup_fraction=0.1), 100)
    assert rates[0] > 0 and rates.index(max(rates)) == 10 and max(rates) == 1.0
    assert rates[:11] == sorted(rates[:11]) and rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 1e-3


def test_each_group_of_parameters_keeps_its_own_peak() -> None:
    scheduler = WarmupCosine(optimizer_of(1.0, 0.1), total_steps=10)
    for _ in range(4):
        scheduler.optimizer.step()
        scheduler.step()
        assert scheduler.get_last_lr()[1] == pytest.approx(0.1 * scheduler.get_last_lr()[0])


def test_a_resumed_schedule_follows_the_curve_of_the_new_length() -> None:
    first = WarmupCosine(optimizer_of(1.0), total_steps=10, warmup_fraction=0.2)
    curve(first, 6)
    optimizer = optimizer_of(1.0)
    resumed = WarmupCosine(optimizer, total_steps=20, warmup_fraction=0.2)
    optimizer.load_state_dict(first.optimizer.state_dict())
    resumed.load_state_dict(first.state_dict())
    optimizer.step()
    resumed.step()
    assert curve(resumed, 13) == pytest.approx([formula(step, 20, 4) for step in range(7, 20)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "total_steps must be a number of steps ≥ 1, but it is None: give it, or set trainer.max_epochs"),
        ({"total_steps": 0}, "total_steps .* but it is 0"),
        ({"total_steps": -1}, "total_steps .* but it is -1"),
        ({"total_steps": math.inf}, "total_steps .* but it is inf"),
        ({"total_steps": 10, "warmup_fraction": 1.0}, r"warmup_fraction must be in \[0, 1\), but it is 1.0"),
        ({"total_steps": 10, "warmup_fraction": -0.1}, r"warmup_fraction must be in \[0, 1\), but it is -0.1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WarmupCosine(optimizer_of(1.0), **arguments)


class Rates(Callback):
    """Notes the learning rate that each batch is trained with."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_before_optimizer_step(self, trainer: object, pl_module: object, optimizer: torch.optim.Optimizer) -> None:
        self.seen.append(optimizer.param_groups[0]["lr"])


@pytest.mark.parametrize(("accumulate", "total"), [(1, 15), (2, 9)])
def test_a_task_gives_it_the_length_of_the_run(
    tiny_task: object, tiny_images: type, make_trainer: object, accumulate: int, total: int
) -> None:
    rates = Rates()
    trainer = make_trainer(max_epochs=3, accumulate_grad_batches=accumulate, callbacks=[rates])  # 5 batches an epoch
    task = tiny_task(lr=0.2, scheduler=partial(WarmupCosine, warmup_fraction=0.2))
    trainer.fit(task, datamodule=tiny_images())
    warmup = round(0.2 * total)
    assert rates.seen == pytest.approx([0.2 * formula(step, total, warmup) for step in range(total)])


def test_a_given_length_wins_over_that_of_the_run(tiny_task: object, tiny_images: type, make_trainer: object) -> None:
    rates = Rates()
    scheduler = partial(WarmupCosine, total_steps=4, warmup_fraction=0.0)
    make_trainer(callbacks=[rates]).fit(tiny_task(lr=1.0, scheduler=scheduler), datamodule=tiny_images())
    assert rates.seen == pytest.approx([formula(step, 4, 0) for step in range(5)])


def test_a_run_without_an_end_is_refused(tiny_task: object, tiny_images: type, make_trainer: object) -> None:
    trainer = make_trainer(max_epochs=-1)
    with pytest.raises(ValueError, match=r"total_steps .* but it is inf: give it, or set trainer.max_epochs"):
        trainer.fit(tiny_task(scheduler=WarmupCosine), datamodule=tiny_images())
