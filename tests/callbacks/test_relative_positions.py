"""The construction beside what was learned: its error, the figures, and training that stays as it is."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from torch import Tensor, nn
from torch.testing import assert_close

from callbacks import RelativePositions
from datamodules import LocalOperatorDataModule
from figures import draw_relative_positions
from lit_models import LitSequenceRegressor
from nets import RelativeAttention1d

pytestmark = pytest.mark.usefixtures("coarse_figures")

OPERATORS = {"conv": {}, "max_pool": {"operator": "max_pool"}, "wide max_pool": {"operator": "max_pool", "k": 2}}


def small_data(**arguments: object) -> LocalOperatorDataModule:
    return LocalOperatorDataModule(**{"length": 8, "num_train": 20, "num_eval": 7, "batch_size": 4, **arguments})


@pytest.fixture
def train(make_trainer: Callable) -> Callable:
    """Trains two epochs of five steps; gives the task and its trainer."""

    def run(*callbacks: Callback, max_distance: int = 3, **arguments: object) -> tuple[LitSequenceRegressor, Trainer]:
        trainer = make_trainer(max_epochs=2, callbacks=list(callbacks))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = RelativeAttention1d(max_distance)
            task = LitSequenceRegressor(net, optimizer=partial(torch.optim.SGD, lr=0.1))
            trainer.fit(task, datamodule=small_data(**arguments))
        assert trainer.global_step == 10
        return task, trainer

    return run


def figures(trainer: Trainer) -> list[str]:
    return sorted(path.name for path in (Path(trainer.logger.log_dir) / "figures").glob("*"))


@pytest.mark.parametrize("max_distance", [2, 3, 7, 12])  # the largest distance of the data is 7
@pytest.mark.parametrize("operator", OPERATORS)
def test_the_construction_has_next_to_no_error_where_the_untrained_layer_has_some(
    make_trainer: Callable, monkeypatch: pytest.MonkeyPatch, operator: str, max_distance: int
) -> None:
    monkeypatch.setattr("callbacks.relative_positions.save_figure", lambda *arguments: None)
    trainer = make_trainer(callbacks=[RelativePositions()])
    task = LitSequenceRegressor(RelativeAttention1d(max_distance).set_scalars(0, 0, 1, torch.zeros(25)))
    (metrics,) = trainer.test(task, datamodule=small_data(**OPERATORS[operator]), verbose=False)
    assert 0 <= metrics["test/constructed_rse"] < 1e-8
    assert metrics["test/rse"] > 0.1
    assert task.net.max_distance == max_distance and (task.net.p == 0).all()  # it was left alone


@pytest.mark.parametrize("operator", ["conv", "max_pool"])
def test_draws_when_training_and_testing_end(train: Callable, operator: str) -> None:
    task, trainer = train(RelativePositions(), **OPERATORS[operator])
    assert figures(trainer) == ["relative_positions_val_10.png"]
    trainer.test(task, datamodule=trainer.datamodule, verbose=False)
    assert figures(trainer) == ["relative_positions_test_10.png", "relative_positions_val_10.png"]
    for name in figures(trainer):
        assert (Path(trainer.logger.log_dir) / "figures" / name).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("operator", ["conv", "max_pool"])
def test_weights_are_bit_identical_with_and_without_the_callback(train: Callable, operator: str) -> None:
    with_it, without = (train(*callbacks, **OPERATORS[operator])[0] for callbacks in ([RelativePositions()], []))
    for name, value in without.state_dict().items():
        assert torch.equal(with_it.state_dict()[name], value), name


def test_the_figure_shows_the_learned_layer_the_construction_and_the_first_sequence(
    make_trainer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def note(*arguments: object) -> object:
        seen.append(arguments)
        return draw_relative_positions(*arguments)

    monkeypatch.setattr("callbacks.relative_positions.draw_relative_positions", note)
    net, data = RelativeAttention1d(2), small_data()
    nn.init.normal_(net.p, generator=torch.Generator().manual_seed(0))
    make_trainer(callbacks=[RelativePositions()]).test(LitSequenceRegressor(net), datamodule=data, verbose=False)
    ((learned, constructed, scalars, targets, predictions, title),) = seen
    assert_close(learned, net.p.detach())
    weights: Tensor = constructed.exp() / constructed.exp().sum()
    assert_close(weights, torch.tensor([0.0, 1 / 3, 0.0, 2 / 3, 0.0]), atol=1e-6, rtol=0)  # i − j = 1 is the first tap
    inputs, expected = (tensor[:1] for tensor in data.datasets["test"].tensors)
    assert_close(targets, expected[0, :, 0])
    assert_close(predictions[0], net(inputs)[0, :, 0].detach())
    assert_close(predictions[1][1:-1], targets, atol=1e-5, rtol=0)
    assert scalars[1] == "w_q w_k = 0, w_v = 3" and title == "convolution with [2.0, 0.0, 1.0]"


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.Identity(), "needs nets.RelativeAttention1d with embed_dim=1, but the network is Identity"),
        (RelativeAttention1d(3, embed_dim=2), "needs nets.RelativeAttention1d with embed_dim=1"),
        (RelativeAttention1d(1), 'max_distance=1 of the network is less than 2, the reach of the operator "max_pool"'),
    ],
)
def test_networks_that_do_not_fit_are_refused(make_trainer: Callable, net: nn.Module, message: str) -> None:
    trainer = make_trainer(callbacks=[RelativePositions()])
    with pytest.raises(ValueError, match=message):
        trainer.fit(LitSequenceRegressor(net), datamodule=small_data(operator="max_pool", k=2))


def test_other_data_are_refused(make_trainer: Callable, tiny_images: type) -> None:
    for data in (tiny_images(), LightningDataModule()):
        with pytest.raises(ValueError, match=r"RelativePositions needs datamodules.LocalOperatorDataModule"):
            make_trainer(callbacks=[RelativePositions()]).fit(
                LitSequenceRegressor(RelativeAttention1d(3)), datamodule=data
            )
