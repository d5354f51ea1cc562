"""Observers leave training as it is: the same weights, to the last bit, with them and without."""

import random
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor, nn

from callbacks import AttentionMaps, LearningCurves, Misclassifications, TimestepGradients
from callbacks.observing import gather, rehearsal, undisturbed
from datamodules import RandomAffine, RunningAverageDataModule
from lit_models import LitSequenceRegressor
from nets import LSTM, RNN

pytestmark = pytest.mark.usefixtures("coarse_figures")

OBSERVERS = {
    "attention maps": (lambda: AttentionMaps(every_n_epochs=1), {"attention_val", "attention_rollout_val"}),
    "learning curves": (LearningCurves, {"learning_curves"}),
    "misclassifications": (Misclassifications, {"confusion_matrix_val", "wrong_examples_val"}),
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


def test_rehearsal_runs_in_the_mode_the_precision_and_the_random_numbers_of_the_step_that_follows(
    make_trainer: Callable,
) -> None:
    net, x = nn.Sequential(nn.Linear(3, 64), nn.Dropout()), torch.ones(1, 3)
    net[0].eval()
    trainer = make_trainer(precision="bf16-mixed")
    with torch.no_grad(), rehearsal(trainer, net):
        rehearsed = net(x)
        assert rehearsed.requires_grad and rehearsed.dtype == torch.bfloat16
        assert [module.training for module in net.modules()] == [True, False, True]
    assert not torch.is_autocast_enabled("cpu")
    with trainer.precision_plugin.train_step_context():
        assert torch.equal(net(x), rehearsed)


@pytest.mark.parametrize("error", [False, True])
def test_rehearsal_is_forgotten_also_after_an_error(make_trainer: Callable, error: bool) -> None:
    net = nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3, affine=False))
    buffers = dict(net.named_buffers())
    before = {name: buffer.clone() for name, buffer in buffers.items()}

    def draw() -> tuple[float, float, float]:
        return torch.rand(1).item(), random.random(), float(np.random.rand())

    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    expected = draw()
    torch.manual_seed(0), random.seed(0), np.random.seed(0)
    with suppress(RuntimeError), rehearsal(make_trainer(), net):
        net(torch.randn(4, 3)), draw()
        assert not same(dict(net.named_buffers()), before)
        if error:
            raise RuntimeError("inside")
    assert draw() == expected
    assert same(dict(net.named_buffers()), before)
    assert all(buffer is buffers[name] for name, buffer in net.named_buffers())  # as optimizers and DDP know them


class Regularized(nn.Module):
    """A recurrent network between layers that draw random numbers and keep running means."""

    def __init__(self, recurrent: nn.Module) -> None:
        super().__init__()
        self.recurrent, self.hidden_size = recurrent, recurrent.hidden_size
        self.norm, self.dropout = nn.BatchNorm1d(recurrent.hidden_size), nn.Dropout(0.2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | tuple]:
        hidden, last = self.recurrent(self.dropout(x))
        return self.dropout(self.norm(hidden.mT).mT), last


@pytest.fixture
def train_recurrent(make_trainer: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Trains on seven batches with dropout and batch norm, with a rehearsal of each step and without; gives both."""
    monkeypatch.setattr(TimestepGradients, "draw", lambda *arguments: None)

    def run(net: Callable, compile_by: Callable | None = None, **options: Any) -> list[dict[str, Tensor]]:
        weights = []
        for callbacks in ([TimestepGradients(1)], []):
            torch.manual_seed(0)
            optimizer = partial(torch.optim.SGD, lr=0.1, momentum=0.9)
            task = LitSequenceRegressor(Regularized(net(1, 5, 2)), optimizer=optimizer)
            if compile_by:
                torch.compiler.reset()
                task.net.compile(backend=compile_by)
            trainer = make_trainer(limit_val_batches=0, callbacks=callbacks, **options)
            trainer.fit(task, datamodule=RunningAverageDataModule(6, 4, num_batches=7, num_eval=1))
            weights.append(task.state_dict())
        return weights

    with torch.random.fork_rng():
        yield run


OPTIONS = {"": {}, "accumulated": {"accumulate_grad_batches": 3}, "bf16": {"precision": "bf16-mixed"}}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("net", [RNN, LSTM, partial(RNN, nonlinearity="identity")], ids=["tanh", "lstm", "identity"])
def test_weights_are_bit_identical_with_and_without_a_rehearsal_of_each_step(
    train_recurrent: Callable, net: Callable, options: dict
) -> None:
    with_it, without = train_recurrent(net, **options)
    assert same(with_it, without)
    assert without["net.norm.num_batches_tracked"] == 7


def test_what_is_compiled_is_compiled_as_often_with_rehearsals_and_trained_alike(train_recurrent: Callable) -> None:
    compiled = []

    def backend(graph: torch.fx.GraphModule, inputs: list) -> Callable:
        compiled.append([node.target for node in graph.graph.nodes])
        return graph.forward

    with_it, without = train_recurrent(RNN, backend)
    assert same(with_it, without)
    half = len(compiled) // 2
    assert half > 0 and compiled[:half] == compiled[half:]


def test_gather_of_one_process_is_its_own_value(make_trainer: Callable) -> None:
    value = object()
    assert gather(make_trainer(), value) == [value]
