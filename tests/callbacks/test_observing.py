"""Observers leave training as it is: the same weights, to the last bit, with them and without."""

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

from callbacks import AttentionMaps, LearningCurves, Mistakes
from callbacks.observing import gather, undisturbed
from datamodules import RandomAffine

pytestmark = pytest.mark.usefixtures("coarse_figures")

OBSERVERS = {
    "attention maps": (lambda: AttentionMaps(every_n_epochs=1), {"attention_val", "attention_rollout_val"}),
    "learning curves": (LearningCurves, {"learning_curves"}),
    "mistakes": (Mistakes, {"confusion_matrix_val", "wrong_examples_val"}),
}


@pytest.fixture
def train(tiny_task: Callable, tiny_images: type, make_trainer: Callable) -> Callable:
    """Trains with dropout and augmentation, two epochs of five steps; gives the weights and the run folder."""

    def run(*callbacks: Callback) -> tuple[dict[str, Tensor], Path]:
        trainer = make_trainer(max_epochs=2, callbacks=list(callbacks))
        task, data = tiny_task(dropout=0.1), tiny_images(augmentation=RandomAffine(10, 0.1, 0.1))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trainer.fit(task, datamodule=data)
        assert trainer.global_step == 10
        return task.state_dict(), Path(trainer.logger.log_dir)

    return run


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("name", OBSERVERS)
def test_weights_are_bit_identical_with_and_without_an_observer(train: Callable, name: str) -> None:
    build, figures = OBSERVERS[name]
    with_it, run = train(build())
    without, _ = train()
    assert same(with_it, without)
    written = {path.stem.rpartition("_")[0] for path in (run / "figures").iterdir()}
    assert written == figures


@pytest.mark.parametrize("disturb", [lambda task: torch.rand(1), lambda task: task.net.eval()], ids=["draw", "mode"])
def test_the_comparison_notices_an_observer_that_disturbs(train: Callable, disturb: Callable) -> None:
    class Disturber(Callback):
        def on_train_batch_start(self, trainer: object, pl_module: object, batch: object, batch_idx: int) -> None:
            disturb(pl_module)

    assert not same(train(Disturber())[0], train()[0])


def test_undisturbed_is_evaluation_without_gradients_and_restores_the_mode_of_each_module() -> None:
    net = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Linear(2, 2), nn.Dropout()))
    net[1].eval()
    net[1][1].train()
    modes = [module.training for module in net.modules()]
    with undisturbed(net):
        assert not any(module.training for module in net.modules())
        assert not net(torch.ones(1, 2)).requires_grad
    assert [module.training for module in net.modules()] == modes == [True, True, False, False, True]
    assert torch.is_grad_enabled()


def test_undisturbed_restores_the_random_generators() -> None:
    def draw() -> tuple[float, float, float]:
        return torch.rand(1).item(), random.random(), float(np.random.rand())

    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    expected = draw()
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    with undisturbed(nn.Identity()):
        draw()
    assert draw() == expected


def test_undisturbed_restores_the_modes_after_an_error() -> None:
    net = nn.Dropout()
    with pytest.raises(RuntimeError, match="inside"), undisturbed(net):
        raise RuntimeError("inside")
    assert net.training and torch.is_grad_enabled()


def test_undisturbed_restores_the_random_generators_after_an_error() -> None:
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="inside"), undisturbed(nn.Identity()):
        torch.rand(1)
        raise RuntimeError("inside")
    assert torch.equal(torch.get_rng_state(), before)


def test_gather_of_one_process_is_its_own_value(make_trainer: Callable) -> None:
    value = object()
    assert gather(make_trainer(), value) == [value]
