"""The regressor's loss and its relative squared error against plain sums over a whole split; its readout."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from datamodules import LocalOperatorDataModule, RunningAverageDataModule
from lit_models import LitSequenceRegressor
from nets import LSTM, RNN, RelativeAttention1d

RECURRENT = {
    "rnn": partial(RNN, 1, 4, num_layers=2),
    "lstm": partial(LSTM, 1, 4),
    "gru": partial(nn.GRU, 1, 4, batch_first=True),
}
INPUTS, TARGETS = torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(0)).split([1, 2], dim=-1)


class Constant(nn.Module):
    """Gives one number at every step."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.full_like(inputs, self.value)


def small_data(**arguments: object) -> LocalOperatorDataModule:
    """Sequences of 8 steps, targets of their 6 central ones; 11 = 4 + 4 + 3 to validate and to test."""
    return LocalOperatorDataModule(
        **{"length": 8, "num_train": 10, "num_eval": 11, "batch_size": 4, "eval_batch_size": 4, **arguments}
    )


def small_net(seed: int = 0) -> RelativeAttention1d:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = RelativeAttention1d(2)
        nn.init.normal_(net.p)
        return net


def regressor(net: nn.Module | None = None, lr: float = 0.0, **arguments: object) -> LitSequenceRegressor:
    return LitSequenceRegressor(net or small_net(), optimizer=partial(torch.optim.SGD, lr=lr), **arguments)


def recurrent(kind: str, seed: int = 0, **arguments: object) -> LitSequenceRegressor:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return regressor(RECURRENT[kind](), **arguments)


def running_averages() -> RunningAverageDataModule:
    """Sequences of 5 steps; 7 = 4 + 3 to validate and to test."""
    return RunningAverageDataModule(seq_len=5, batch_size=3, num_batches=4, num_eval=7, eval_batch_size=4)


def plain_scores(net: nn.Module, dataset: object, last_step_only: bool = False) -> tuple[float, float]:
    """Mean-squared and relative squared error of a whole split at once, one number after the other."""
    inputs, targets = dataset.tensors
    with torch.no_grad():
        predictions = net(inputs)[:, 1:7]
    if last_step_only:
        predictions, targets = predictions[:, 5:], targets[:, 5:]
    pairs = list(zip(predictions.flatten().tolist(), targets.flatten().tolist(), strict=True))
    mean = sum(target for _, target in pairs) / len(pairs)
    squares = sum((prediction - target) ** 2 for prediction, target in pairs)
    return squares / len(pairs), squares / sum((target - mean) ** 2 for _, target in pairs)


@pytest.mark.parametrize("last_step_only", [False, True])
@pytest.mark.parametrize("split", ["val", "test"])
def test_metrics_of_an_epoch_are_exact_with_an_uneven_last_batch(
    make_trainer: Callable, split: str, last_step_only: bool
) -> None:
    task, data, trainer = regressor(last_step_only=last_step_only), small_data(), make_trainer()
    run = trainer.validate if split == "val" else trainer.test
    (metrics,) = run(task, datamodule=data, verbose=False)
    loss, rse = plain_scores(task.net, data.datasets[split], last_step_only)
    assert metrics == {f"{split}/loss": pytest.approx(loss), f"{split}/rse": pytest.approx(rse, rel=1e-5)}


def test_metrics_start_afresh_in_each_epoch(make_trainer: Callable) -> None:
    task, data, trainer = regressor(lr=0.1), small_data(), make_trainer(max_epochs=3)
    trainer.fit(task, datamodule=data)
    loss, rse = plain_scores(task.net, data.datasets["val"])
    assert float(trainer.callback_metrics["val/loss"]) == pytest.approx(loss)
    assert float(trainer.callback_metrics["val/rse"]) == pytest.approx(rse, rel=1e-5)


@pytest.mark.parametrize("low", [0.0, 1.0, 100.0])
def test_predicting_the_mean_has_a_relative_squared_error_of_one(make_trainer: Callable, low: float) -> None:
    data = small_data(low=low, high=low + 1)
    data.setup("test")
    mean = data.datasets["test"].tensors[1].double().mean().item()
    (metrics,) = make_trainer().test(regressor(Constant(mean)), datamodule=data, verbose=False)
    assert metrics["test/rse"] == pytest.approx(1, rel=1e-3)


def test_a_perfect_prediction_has_a_relative_squared_error_of_zero(make_trainer: Callable) -> None:
    (metrics,) = make_trainer().test(regressor(nn.Identity()), datamodule=small_data(kernel=[1.0]), verbose=False)
    assert metrics == {"test/loss": 0.0, "test/rse": 0.0}


@pytest.mark.parametrize("last_step_only", [False, True])
def test_training_loss_is_the_mean_of_the_squares_over_the_samples_of_an_epoch(
    make_trainer: Callable, last_step_only: bool
) -> None:
    task, data, trainer = regressor(last_step_only=last_step_only), small_data(), make_trainer()  # 10 = 4 + 4 + 2
    trainer.fit(task, datamodule=data)
    loss, _ = plain_scores(task.net, data.datasets["train"], last_step_only)
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(loss)


def test_a_step_of_training_follows_the_gradient_of_the_loss(make_trainer: Callable) -> None:
    task, data = regressor(lr=1.0), small_data(batch_size=10)
    make_trainer(limit_val_batches=0).fit(task, datamodule=data)
    twin = small_net()
    inputs, targets = data.datasets["train"].tensors
    ((twin(inputs)[:, 1:7] - targets) ** 2).mean().backward()
    for name, parameter in twin.named_parameters():
        expected = parameter.detach() - parameter.grad
        torch.testing.assert_close(task.net.get_parameter(name).detach(), expected, atol=1e-5, rtol=1e-4)


def test_only_the_central_steps_count() -> None:
    targets = torch.tensor([3.0, 4.0])[None, :, None]
    task = LitSequenceRegressor(nn.Identity())
    for outer in (0.0, 99.0):
        inputs = torch.tensor([outer, 77.0, 4.0, 6.0, outer, 55.0])[None, :, None]
        assert task.training_step((inputs, targets), 0) == (1 + 4) / 2


def test_the_last_step_is_that_of_the_targets() -> None:
    task = LitSequenceRegressor(nn.Identity(), last_step_only=True)
    inputs, targets = torch.tensor([9.0, 9.0, 6.0, 9.0])[None, :, None], torch.tensor([5.0, 4.0])[None, :, None]
    assert task.training_step((inputs, targets), 0) == 4


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        ((2, 4, 1), (2, 6, 1)),  # more targets than steps
        ((2, 5, 1), (2, 4, 1)),  # no centre
        ((2, 4, 2), (2, 4, 1)),
        ((2, 4), (2, 4, 1)),
    ],
)
def test_outputs_that_do_not_fit_the_targets_are_refused(inputs: tuple, targets: tuple) -> None:
    task = LitSequenceRegressor(nn.Identity())
    shapes = ", ".join(map(str, inputs)), ", ".join(map(str, targets))
    message = rf"the network gives the shape \({shapes[0]}\), but the targets have \({shapes[1]}\): .* an even number"
    for step in (task.training_step, task.validation_step, task.test_step):
        with pytest.raises(ValueError, match=message):
            step((torch.zeros(inputs), torch.zeros(targets)), 0)


def test_a_checkpoint_holds_plain_values_and_reloads_with_the_same_network(
    tmp_path: Path, make_trainer: Callable
) -> None:
    task, trainer = regressor(lr=0.1, last_step_only=True), make_trainer()
    trainer.fit(task, datamodule=small_data())
    before = make_trainer().test(task, datamodule=small_data(), verbose=False)
    trainer.save_checkpoint(tmp_path / "task.ckpt")
    saved = torch.load(tmp_path / "task.ckpt", weights_only=True)
    assert saved["hyper_parameters"] == {"last_step_only": True, "output_size": 1, "scheduler": None}
    again = LitSequenceRegressor.load_from_checkpoint(tmp_path / "task.ckpt", net=small_net(seed=1), weights_only=True)
    assert again.last_step_only
    assert make_trainer().test(again, datamodule=small_data(), verbose=False) == before


def test_predict_gives_every_step_of_every_channel_in_a_row(make_trainer: Callable) -> None:
    task, data = regressor(), small_data()
    batches = make_trainer().predict(task, datamodule=data)
    assert [tuple(batch["prediction"].shape) for batch in batches] == [(4, 8), (4, 8), (3, 8)]
    with torch.no_grad():
        expected = task.net(data.datasets["test"].tensors[0])[..., 0]
    torch.testing.assert_close(torch.cat([batch["prediction"] for batch in batches]), expected)
    wide = LitSequenceRegressor(nn.Identity().bfloat16()).predict_step((torch.ones(2, 5, 3).bfloat16(),), 0)
    assert wide["prediction"].shape == (2, 15) and wide["prediction"].dtype == torch.float32


def test_forward_is_the_network() -> None:
    task, inputs = regressor(), torch.rand(2, 8, 1)
    assert torch.equal(task(inputs), task.net(inputs))


@pytest.mark.parametrize("output_size", [1, 2])
@pytest.mark.parametrize("kind", RECURRENT)
def test_prediction_of_a_recurrent_network_is_linear_in_every_hidden_state(kind: str, output_size: int) -> None:
    task = recurrent(kind, output_size=output_size).requires_grad_(False)
    predictions, (all_h, *_) = task(INPUTS), task.net(INPUTS)
    assert predictions.shape == (3, 5, output_size)
    expected = [[task.readout.weight @ h_t + task.readout.bias for h_t in row] for row in all_h]
    torch.testing.assert_close(predictions, torch.stack([torch.stack(row) for row in expected]))
    assert torch.equal(task.predict_step((INPUTS,), 0)["prediction"], predictions.flatten(1))


@pytest.mark.parametrize("last_step_only", [False, True])
@pytest.mark.parametrize("kind", RECURRENT)
def test_metrics_of_a_recurrent_network(make_trainer: Callable, kind: str, last_step_only: bool) -> None:
    task, data = recurrent(kind, last_step_only=last_step_only), running_averages()
    (metrics,) = make_trainer().test(task, datamodule=data, verbose=False)
    inputs, targets = data.datasets["test"].tensors
    counted = slice(-1 if last_step_only else 0, None)
    squares, targets = (task(inputs) - targets)[:, counted].square(), targets[:, counted]
    rse = squares.sum() / (targets - targets.mean()).square().sum()
    assert metrics == {"test/loss": pytest.approx(squares.mean().item()), "test/rse": pytest.approx(rse.item())}


@pytest.mark.parametrize("last_step_only", [False, True])
@pytest.mark.parametrize("kind", RECURRENT)
def test_batch_loss_is_that_of_a_training_step_but_is_not_counted(kind: str, last_step_only: bool) -> None:
    task = recurrent(kind, last_step_only=last_step_only, output_size=2)
    squares = (task(INPUTS) - TARGETS).square()
    loss = task.batch_loss((INPUTS, TARGETS))
    torch.testing.assert_close(loss, squares[:, -1].mean() if last_step_only else squares.mean())
    assert loss.requires_grad and task._sample_count == 0
    assert task.training_step((INPUTS, TARGETS), 0) == loss and task._sample_count == 3


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_checkpoint_reloads_the_readout_that_was_trained(tmp_path: Path, make_trainer: Callable, kind: str) -> None:
    task, trainer = recurrent(kind, lr=0.1, output_size=2), make_trainer()
    trainer.fit(task, DataLoader(TensorDataset(INPUTS, TARGETS)), DataLoader(TensorDataset(INPUTS, TARGETS)))
    trainer.save_checkpoint(tmp_path / "task.ckpt")
    first, other = recurrent(kind, output_size=2).readout, recurrent(kind, seed=1).net
    assert not (first.weight == task.readout.weight).any() and not (first.bias == task.readout.bias).any()
    again = LitSequenceRegressor.load_from_checkpoint(tmp_path / "task.ckpt", net=other, weights_only=True)
    torch.testing.assert_close(again.state_dict(), task.state_dict(), rtol=0, atol=0)
    batches = make_trainer().predict(again, running_averages())
    assert [batch["prediction"].shape for batch in batches] == [(4, 10), (3, 10)]


def test_a_network_that_is_not_recurrent_has_no_readout() -> None:
    task = regressor(output_size=2)
    assert task.readout is None and list(task.state_dict()) == [f"net.{name}" for name in task.net.state_dict()]


@pytest.mark.parametrize("net", [RECURRENT["rnn"](), nn.Identity()])
def test_a_readout_without_columns_is_refused(net: nn.Module) -> None:
    with pytest.raises(ValueError, match="output_size must be at least 1, but it is 0"):
        LitSequenceRegressor(net, output_size=0)


def test_a_network_that_takes_time_first_is_refused() -> None:
    with pytest.raises(ValueError, match="GRU must have batch_first=True, as the batches have, but it is False"):
        LitSequenceRegressor(nn.GRU(1, 3))
