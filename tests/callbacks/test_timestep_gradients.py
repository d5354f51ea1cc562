"""Gradients through time: against a plain loop and closed forms, and what a run logs of them and when."""

import math
from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from callbacks import TimestepGradients
from callbacks.timestep_gradients import measure_timestep_gradients, recorded_states
from datamodules import RunningAverageDataModule
from lab import read_metrics
from lit_models import LitImageClassifier, LitSequenceRegressor
from nets import LSTM, RNN, LSTMLayer, RNNLayer

SIGMA = {"tanh": torch.tanh, "relu": torch.relu, "identity": torch.clone}
GATES = ("/input", "/forget", "/candidate", "/output")


def build_task(kind: str, num_layers: int = 1, last_step_only: bool = False, **sizes: Any) -> LitSequenceRegressor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        options = {"num_layers": num_layers, **sizes}
        net = LSTM(1, 5, **options) if kind == "lstm" else RNN(1, 5, nonlinearity=kind, **options)
        return LitSequenceRegressor(net, last_step_only, optimizer=partial(torch.optim.SGD, lr=0.1))


def draw_batch() -> tuple[Tensor, Tensor]:
    """Sequences (batch, time, 1) and targets of their shape, in float64."""
    return tuple(torch.randn(2, 4, 7, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))


def plain_loop(task: LitSequenceRegressor, batch: tuple[Tensor, Tensor]) -> list[dict[str, Tensor]]:
    """What is to be measured of a recurrent net, from copies of its weights, one step and one gate at a time."""
    task, given, layers = deepcopy(task), batch[0].unbind(1), []
    for layer in task.net.recurrent_layers:
        weights = (layer.weight_ih, layer.weight_hh, layer.bias)
        gates = list(zip(*(weight.split(layer.hidden_size) for weight in weights), strict=True))
        hidden = cell = given[0].new_zeros(len(given[0]), layer.hidden_size)
        history = []
        for x in given:
            pre = [F.linear(x, w_x, b) + F.linear(hidden, w_h) for w_x, w_h, b in gates]
            if len(gates) == 1:
                hidden = cell = SIGMA[layer.nonlinearity](pre[0])
            else:
                cell = pre[1].sigmoid() * cell + pre[0].sigmoid() * pre[2].tanh()
                hidden = pre[3].sigmoid() * cell.tanh()
            history.append((hidden, hidden.clone(), cell))  # the copy goes to the next layer, or to the loss
            for state in history[-1]:
                state.retain_grad()
        given = [upwards for _, upwards, _ in history]
        layers.append(([w_h for _, w_h, _ in gates], *zip(*history, strict=True)))
    errors = task.readout(torch.stack(given, dim=1)) - batch[1]
    errors[:, -1 if task.last_step_only else 0 :].square().mean().backward()
    return [summarize(*layer) for layer in layers]


@torch.no_grad()
def summarize(weights: list[Tensor], hidden: list[Tensor], upwards: list[Tensor], cell: list[Tensor]) -> dict:
    norms, direct, of_cell = (
        torch.stack([h.grad.norm() for h in states]).double() for states in (hidden, upwards, cell)
    )
    slope, _ = np.polyfit(np.arange(len(norms))[norms > 0], norms[norms > 0].log(), 1)
    found = {
        "grad_norm": norms,
        "hidden_norm": torch.stack([h.norm() for h in hidden]),
        "vanishing_rate": torch.tensor(slope),
    }
    for weight, gate in zip(weights, GATES if len(weights) > 1 else [""], strict=True):
        found[f"spectral_radius{gate}"] = torch.linalg.eigvals(weight).abs().max()
        found[f"sigma_max{gate}"] = sigma = torch.linalg.matrix_norm(weight, ord=2)
    if len(weights) > 1:
        return {**found, "cell_grad_norm": of_cell}
    bound = [sum(sigma ** (s - t) * direct[s] for s in range(t, len(direct))) for t in range(len(direct))]
    return {**found, "bound": torch.stack(bound)}


def check(measured: list[dict], expected: list[dict]) -> None:
    """The same layers and quantities; the eigenvalues and the slope of float32 are less exact than the norms."""
    assert [set(layer) for layer in measured] == [set(layer) for layer in expected]
    for layer, of_loop in zip(measured, expected, strict=True):
        for name, value in of_loop.items():
            tolerance = {"rel": 1e-6, "abs": 0.0} if "norm" in name or name == "bound" else {"abs": 1e-5}
            assert layer[name].tolist() == pytest.approx(value.tolist(), **tolerance), name


@pytest.mark.parametrize("last_step_only", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2, 3])
@pytest.mark.parametrize("kind", [*SIGMA, "lstm"])
def test_every_number_is_that_of_a_plain_loop(kind: str, num_layers: int, last_step_only: bool) -> None:
    task = build_task(kind, num_layers, last_step_only).double()
    measured = measure_timestep_gradients(task, draw_batch())
    check(measured, plain_loop(task, draw_batch()))
    for layer in measured:
        assert not any(value.requires_grad for value in layer.values())
        assert "bound" not in layer or (layer["bound"] >= layer["grad_norm"] * (1 - 1e-6)).all()


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_the_bound_of_a_linear_network_with_a_loss_of_the_last_step_is_exact(gain: float) -> None:
    task = build_task("identity", last_step_only=True, recurrent_gain=gain).double()
    (measured,) = measure_timestep_gradients(task, draw_batch())
    assert_close(measured["bound"], measured["grad_norm"], rtol=1e-5, atol=0.0)
    assert_close(
        measured["bound"], measured["bound"][-1] * gain ** torch.arange(6.0, -1.0, -1.0).double(), rtol=1e-5, atol=0.0
    )
    expected = {"spectral_radius": gain, "sigma_max": gain, "vanishing_rate": -math.log(gain)}
    assert {name: measured[name].item() for name in expected} == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("layer", [partial(RNNLayer, nonlinearity="relu"), LSTMLayer])
def test_a_single_layer_is_a_network_too(layer: Callable) -> None:
    task = LitSequenceRegressor(layer(1, 3)).double()
    check(measure_timestep_gradients(task, draw_batch()), plain_loop(task, draw_batch()))


@pytest.mark.parametrize("kind", ["relu", "lstm"])
def test_a_frozen_network_has_the_same_gradients_through_time(kind: str) -> None:
    task = build_task(kind, 2).double()
    measured = measure_timestep_gradients(task, draw_batch())
    assert_close(measure_timestep_gradients(task.requires_grad_(False), draw_batch()), measured, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("asked", [(), (None, None, False), (None, None, True)])
def test_a_recurrent_network_is_found_inside_of_another(asked: tuple) -> None:
    class Inside(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            outputs, _, *states = self[1](self[0](x), *asked)  # the parts that it returns when nobody looks
            assert len(states) == (asked[-1:] == (True,))
            return self[2](outputs)

    task = build_task("relu", 2).double()
    around = LitSequenceRegressor(Inside(nn.Identity(), task.net, task.readout))
    check(measure_timestep_gradients(around, draw_batch()), plain_loop(task, draw_batch()))


@pytest.mark.parametrize("kind", ["tanh", "lstm"])
def test_the_loss_goes_back_scaled_and_the_scale_is_divided_out(kind: str) -> None:
    task, batch = build_task(kind, 2), [part.float() for part in draw_batch()]
    plain, scaled, lost = (measure_timestep_gradients(task, batch, scale) for scale in (1.0, 1024.0, 1e-60))
    assert_close(scaled, plain, rtol=1e-5, atol=0.0)
    assert not any(value.any() for layer in lost for name, value in layer.items() if "grad_norm" in name)


def test_gradients_of_parameters_are_left_alone_and_hooks_removed_also_after_an_error() -> None:
    task = build_task("lstm", 2).double()
    task.batch_loss(draw_batch()).backward()
    before = [parameter.grad.clone() for parameter in task.parameters()]
    measure_timestep_gradients(task, draw_batch())
    assert all(map(torch.equal, before, [parameter.grad for parameter in task.parameters()]))
    with pytest.raises(ValueError, match="the input must be"), recorded_states(task.net):
        task.net(torch.zeros(2, 3, 4))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in task.modules())


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize(("kind", "suffix"), [("identity", ""), ("lstm", "/input")])
def test_weights_that_are_not_finite_have_no_radius(kind: str, suffix: str, value: float) -> None:
    task = build_task(kind, 2).double()
    task.net.recurrent_layers[0].weight_hh.data[0, 0] = value
    first, second = measure_timestep_gradients(task, draw_batch())
    for name in ("spectral_radius", "sigma_max"):
        assert first[name + suffix].isnan() and second[name + suffix].isfinite()
    assert first["vanishing_rate"].isnan()


class Witness(Callback):
    """Keeps the step, the weights and the batch before each batch, and the number of every batch for which it ran."""

    def __init__(self) -> None:
        self.seen, self.calls = [], []

    def setup(self, trainer: Any, pl_module: LightningModule, stage: str) -> None:
        pl_module.net.register_forward_pre_hook(lambda *_: self.calls.append(len(self.seen) - 1))

    def on_train_batch_start(self, trainer: Any, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        weights = {name: value.clone() for name, value in pl_module.state_dict().items()}
        self.seen.append((trainer.global_step, weights, batch))


def logged(layers: list[dict[str, Tensor]]) -> dict[str, float]:
    """Numbers by the names under which those of 12 steps are logged."""
    named = {}
    for number, layer in enumerate(layers, start=1):
        for name, value in layer.items():
            of_steps = {f"/t_{t:02d}": of_t for t, of_t in enumerate(value, start=1)} if value.dim() else {"": value}
            named |= {f"gradients/layer_{number}/{name}{suffix}": of_t.item() for suffix, of_t in of_steps.items()}
    return named


@pytest.mark.parametrize(
    ("kind", "precision", "every_n_steps", "accumulate", "steps"),
    [
        ("tanh", "32-true", 1, 3, [0, 1, 2, 3, 4, 5]),  # of three batches, three, and one, in each of two epochs
        ("lstm", "32-true", 2, 3, [0, 2, 4]),
        ("tanh", "bf16-mixed", 5, 1, [0, 5, 10]),
        ("lstm", "bf16-mixed", 5, 1, [0, 5, 10]),
    ],
)
def test_a_run_logs_what_a_plain_loop_finds_and_runs_the_logged_batches_twice(
    make_trainer: Callable, kind: str, precision: str, every_n_steps: int, accumulate: int, steps: list[int]
) -> None:
    witness, observer = Witness(), TimestepGradients(every_n_steps)
    mixed, tolerance = (True, 0.03) if precision == "bf16-mixed" else (False, 1e-4)
    options = {"max_epochs": 2, "precision": precision, "accumulate_grad_batches": accumulate, "limit_val_batches": 0}
    observer._draw = lambda trainer: None  # which takes longer than all else
    trainer = make_trainer(callbacks=[witness, observer], **options)
    trainer.fit(build_task(kind, 2), datamodule=RunningAverageDataModule(12, 4, num_batches=7, num_eval=1))
    metrics = {key: of_key for key, of_key in read_metrics(trainer.logger.log_dir).items() if "gradients/" in key}
    firsts = {step: number for number, (step, _, _) in reversed([*enumerate(witness.seen)])}
    assert list(reversed(firsts.values())) == ([0, 3, 6, 7, 10, 13] if accumulate == 3 else [*range(14)])
    assert sorted(witness.calls) == sorted([*range(14), *(firsts[step] for step in steps)])
    assert {tuple(logged_steps) for logged_steps, _ in metrics.values()} == {tuple(steps)}
    for index, step in enumerate(steps):
        _, weights, batch = witness.seen[firsts[step]]
        twin = build_task(kind, 2)
        twin.load_state_dict(weights)
        twin, batch = (twin, batch) if mixed else (twin.double(), [part.double() for part in batch])
        with torch.autocast("cpu", torch.bfloat16) if mixed else nullcontext():
            expected = logged(plain_loop(twin, batch))
        assert {name: values[index] for name, (_, values) in metrics.items()} == pytest.approx(expected, tolerance)


def test_the_scale_of_mixed_precision_is_used_and_only_the_first_process_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, name = [], "callbacks.timestep_gradients.measure_timestep_gradients"
    monkeypatch.setattr(name, lambda task, batch, scale: asked.append((batch, scale)) or [])
    plugin = SimpleNamespace(scaler=SimpleNamespace(get_scale=lambda: 8.0), train_step_context=nullcontext)
    shared = {"global_step": 0, "accumulate_grad_batches": 1, "precision_plugin": plugin, "loggers": []}
    for first in (False, True):
        trainer = SimpleNamespace(is_global_zero=first, **shared)
        TimestepGradients().on_train_batch_start(trainer, nn.Identity(), "batch", 0)
    assert asked == [("batch", 8.0)]


GRU = nn.GRU(1, 5, batch_first=True)
REFUSED = {
    "needs a network with nets.RNN or nets.LSTM, but the network is GRU: take": LitSequenceRegressor(GRU),
    r"needs a task with batch_loss\(batch\), .* but the task is LitImageClassifier": LitImageClassifier(RNN(1, 5), 3),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_measured_is_refused(message: str, make_trainer: Callable) -> None:
    trainer, data = make_trainer(callbacks=[TimestepGradients()]), RunningAverageDataModule(6, 4, num_batches=2)
    with pytest.raises(ValueError, match=message):
        trainer.fit(REFUSED[message], datamodule=data)


def test_a_network_that_does_not_run_its_layers_is_refused() -> None:
    task = LitSequenceRegressor(nn.Linear(1, 1))
    task.net.unused = RNN(1, 5)
    with pytest.raises(ValueError, match=r"that runs its nets.RNN or nets.LSTM, but Linear ran none for this batch"):
        measure_timestep_gradients(task, [part.float() for part in draw_batch()])


def test_a_step_that_never_comes_is_refused() -> None:
    with pytest.raises(ValueError, match="every_n_steps must be at least 1, but it is 0"):
        TimestepGradients(0)
