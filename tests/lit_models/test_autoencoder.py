"""The autoencoder's task: losses by hand, a replica against a run of its own, and checkpoints of many at once."""

import math
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector
from torch.testing import assert_close

from datamodules import GaussianDataModule, SparseFeaturesDataModule
from lit_models import LitAutoencoder
from nets import Autoencoder, GaussianNoise, RandomMask, TiedAutoencoder

SEED = 5
SGD, ADAM, ADAMW = (partial(getattr(torch.optim, name), lr=0.02) for name in ("SGD", "Adam", "AdamW"))
LINEAR, NO_BIAS = partial(Autoencoder, 6, [3]), partial(Autoencoder, 6, [3], bias=False)
RELU, TIED = partial(Autoencoder, 6, [8, 3]), partial(TiedAutoencoder, 6, 3)


def gaussian(batch_size: int = 8) -> GaussianDataModule:
    """Samples of 6 numbers: 40 to train, 11 = 4 + 4 + 3 to validate and to test."""
    return GaussianDataModule(6, 62, (40 / 62, 11 / 62, 11 / 62), 2, 9.0, batch_size=batch_size, eval_batch_size=4)


def sparse() -> SparseFeaturesDataModule:
    """The same sizes, 40 = 16 + 16 + 8, and features of unequal importance."""
    return SparseFeaturesDataModule(6, 0.5, 0.5, num_train=40, num_eval=11, batch_size=16, eval_batch_size=4)


def noise_and_mask() -> nn.Module:
    return nn.Sequential(GaussianNoise(0.3), RandomMask(0.25))


def task(seed: int = SEED, build: Callable = LINEAR, **arguments: object) -> LitAutoencoder:
    """What a run with this seed builds first."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LitAutoencoder(build(), **{"optimizer": SGD, **arguments})


def batch(length: int = 5) -> Tensor:
    return torch.randn(length, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def plain_losses(net: nn.Module, x: Tensor, y: Tensor, penalty: float, importance: Tensor | None) -> tuple[Tensor, ...]:
    """The objective and the mean-squared error, one sample after the other."""
    squares = [(net(row) - target).square() for row, target in zip(x, y, strict=True)]
    mean = sum((row if importance is None else row * importance).sum() for row in squares) / len(y)
    matrices = [value for name, value in net.named_parameters() if name.endswith("weight")]
    penalised = mean + penalty * sum((matrix**2).sum() for matrix in matrices)
    return penalised if penalty > 0 else mean / 6, sum(row.sum() for row in squares) / y.numel()


@pytest.mark.parametrize(
    ("build", "optimizer", "precision", "tolerance"),
    [(build, optimizer, "64-true", 1e-10) for build in (LINEAR, RELU) for optimizer in (SGD, ADAM)]
    + [(LINEAR, SGD, "32-true", 1e-5), (RELU, ADAM, "32-true", 1e-5)],
)
def test_a_replica_is_the_same_experiment_as_a_run_of_its_own(
    make_trainer: Callable, build: Callable, optimizer: Callable, precision: str, tolerance: float
) -> None:
    arguments = {"build": build, "optimizer": optimizer, "corruption": noise_and_mask()}
    runs = [task(num_replicas=2, **arguments), task(SEED, **arguments), task(SEED + 1, **arguments)]
    for run in runs:
        trainer = make_trainer(max_epochs=10, precision=precision, limit_val_batches=0, logger=False)
        trainer.fit(run, datamodule=gaussian())
        assert trainer.global_step == 50
    for seed, replica, alone in zip((SEED, SEED + 1), runs[0].replicas(), runs[1:], strict=True):
        start, end = (parameters_to_vector(run.net.parameters()) for run in (task(seed, **arguments), alone))
        assert_close(parameters_to_vector(replica.parameters()), end, rtol=0, atol=tolerance)
        assert (end - start).norm() > 0.2  # it did learn


def test_corruption_is_a_function_of_seed_and_position_and_leaves_the_random_state_alone() -> None:
    run, inputs, before = task(corruption=noise_and_mask(), num_replicas=2), batch(), torch.get_rng_state()
    corrupted = run.corrupt(inputs, 3, 1, 0)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(7)
    assert torch.equal(run.corrupt(inputs, 3, 1, 0), corrupted)
    for number in range(2):
        assert torch.equal(task(SEED + number, corruption=noise_and_mask()).corrupt(inputs, 3, 1, 0), corrupted[number])
    others = [run.corrupt(inputs, *position)[0] for position in ((1, 3, 0), (3, 1, 1), (3, 2, 0), (2, 1, 0))]
    assert not any(torch.equal(other, same) for other in (*others, corrupted[1]) for same in (corrupted[0], inputs))
    assert all(torch.equal(same, inputs) for same in run.eval().corrupt(inputs, 3, 1, 0))
    assert task(num_replicas=2).corrupt(inputs, 3, 1, 0) is inputs


def test_a_resumed_run_ends_as_an_uninterrupted_one_bit_for_bit(tmp_path: Path, make_trainer: Callable) -> None:
    build = partial(task, corruption=noise_and_mask(), num_replicas=2, optimizer=ADAM)
    fit = partial(make_trainer, val_check_interval=2)
    whole, halved = build(), build()
    keep = ModelCheckpoint(tmp_path / "kept", "{step}", save_top_k=-1, save_on_train_epoch_end=False)
    fit(max_epochs=3, callbacks=[keep], enable_checkpointing=True).fit(whole, datamodule=gaussian())
    stopped = fit(max_epochs=1)
    stopped.fit(halved, datamodule=gaussian())
    stopped.save_checkpoint(tmp_path / "stopped.ckpt")
    for path, step in ((tmp_path / "stopped.ckpt", 5), (tmp_path / "kept" / "step=7.ckpt", 7)):  # 7: within an epoch
        assert torch.load(path, weights_only=True)["global_step"] == step
        resumed, trainer = build(), fit(max_epochs=3)
        torch.rand(step)
        trainer.fit(resumed, datamodule=gaussian(), ckpt_path=path, weights_only=True)
        assert trainer.global_step == 15
        for name, value in whole.state_dict().items():
            assert torch.equal(resumed.state_dict()[name], value), name
            assert not torch.equal(halved.state_dict()[name], value), name


@pytest.mark.parametrize("num_replicas", [1, 3])
@pytest.mark.parametrize("weight_penalty", [0.0, 0.3])
@pytest.mark.parametrize("build", [LINEAR, RELU, TIED])
def test_loss_is_the_mean_over_replicas_of_the_error_to_clean_inputs_and_its_gradient_that_of_the_sum(
    build: Callable, weight_penalty: float, num_replicas: int
) -> None:
    arguments = {"build": build, "corruption": noise_and_mask(), "weight_penalty": weight_penalty}
    run, inputs = task(num_replicas=num_replicas, **arguments).double(), batch()
    run.trainer = SimpleNamespace(current_epoch=3, global_rank=1)
    twins = [task(SEED + number, build=build).net.double() for number in range(num_replicas)]
    pairs = list(zip(twins, run.corrupt(inputs, 3, 4, 1).view(num_replicas, *inputs.shape), strict=True))
    for importance in (None, torch.linspace(0.1, 2.0, 6, dtype=torch.float64)):
        run.importance = importance
        loss = run.training_step((inputs, torch.zeros(5)), 4)
        losses = [plain_losses(twin, rows, inputs, weight_penalty, importance)[0] for twin, rows in pairs]
        assert_close(loss, sum(losses) / num_replicas)
        gradients = torch.autograd.grad(loss, list(run.net.parameters()))
        for (name, _), gradient in zip(run.net.named_parameters(), gradients, strict=True):
            copies = [twin.get_parameter(name) for twin in twins]
            expected = torch.stack(torch.autograd.grad(sum(losses), copies, retain_graph=True))
            assert_close(gradient, expected if num_replicas > 1 else expected[0])


@pytest.mark.parametrize("num_replicas", [1, 2])
def test_penalised_loss_of_a_linear_autoencoder_is_that_of_the_paper(num_replicas: int) -> None:
    run = task(build=NO_BIAS, weight_penalty=0.2, num_replicas=num_replicas).double()
    run.trainer, x, expected = SimpleNamespace(current_epoch=0, global_rank=0), batch(7).mT, []  # a sample is a column
    for net in run.replicas():
        w1, w2 = net.encoder[0].weight, net.decoder[0].weight
        expected.append(((x - w2 @ w1 @ x) ** 2).sum() / 7 + 0.2 * (w1**2).sum() + 0.2 * (w2**2).sum())
    assert_close(run.training_step((x.mT,), 0), sum(expected) / num_replicas)


@pytest.mark.parametrize(("optimizer", "agree"), [(SGD, True), (ADAM, True), (ADAMW, False)])
def test_weight_decay_of_twice_the_penalty_is_the_penalty_unless_it_is_decoupled(
    make_trainer: Callable, optimizer: Callable, agree: bool
) -> None:
    run, data = task(build=NO_BIAS, weight_penalty=0.1, optimizer=partial(optimizer, weight_decay=0.0)), gaussian(40)
    make_trainer(max_epochs=20, precision="64-true").fit(run, datamodule=data)
    inputs = data.datasets["train"].tensors[0].double()  # every epoch is one batch of all
    distances = []
    for weight_penalty, weight_decay in ((0.1, 0.0), (0.0, 0.2)):
        net = task(build=NO_BIAS).net.double()
        steps = optimizer(net.parameters(), weight_decay=weight_decay)
        for _ in range(20):
            steps.zero_grad()
            error = (net(inputs) - inputs).square().sum() / 40
            (error + weight_penalty * sum(weight.square().sum() for weight in net.parameters())).backward()
            steps.step()
        distances.append((parameters_to_vector(net.parameters()) - parameters_to_vector(run.net.parameters())).norm())
    assert distances[0] < 1e-10
    assert distances[1] < 1e-10 if agree else distances[1] > 0.05


@pytest.mark.parametrize("num_replicas", [1, 3])
@pytest.mark.parametrize("weight_penalty", [0.0, 0.1])
@pytest.mark.parametrize("make_data", [gaussian, sparse])
def test_metrics_of_clean_inputs_are_exact_with_an_uneven_last_batch_and_start_afresh(
    make_trainer: Callable, make_data: Callable, weight_penalty: float, num_replicas: int
) -> None:
    still = partial(torch.optim.SGD, lr=0.0)
    run = task(num_replicas=num_replicas, weight_penalty=weight_penalty, optimizer=still)
    trainer, data = make_trainer(max_epochs=2), make_data()

    def expected(split: str) -> dict[str, float]:
        inputs, metrics = data.datasets[split].tensors[0], {}
        arguments = inputs, inputs, weight_penalty, getattr(data, "importance", None)
        pairs = [[value.item() for value in plain_losses(net, *arguments)] for net in run.replicas()]
        names = ["loss"] if make_data is gaussian and weight_penalty == 0 else ["loss", "mse"]
        for name, values in zip(names, zip(*pairs, strict=True), strict=False):
            metrics[f"{split}/{name}"] = statistics.mean(values)
            if num_replicas > 1:
                metrics[f"{split}/{name}_std"] = statistics.stdev(values)
                metrics |= {f"{split}/{name}_replica_{number}": value for number, value in enumerate(values)}
        return metrics

    trainer.fit(run, datamodule=data)
    assert trainer.callback_metrics["train/loss"].item() == pytest.approx(expected("train")["train/loss"], rel=1e-5)
    for parameter in run.net.parameters():
        parameter.data.mul_(2)
    run.corruption = noise_and_mask()  # evaluation reconstructs clean inputs
    metrics = [evaluate(run, datamodule=data, verbose=False)[0] for evaluate in (trainer.validate, trainer.test)]
    assert metrics[0] | metrics[1] == pytest.approx(expected("val") | expected("test"), rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("num_replicas", [1, 3])
def test_codes_and_predictions_are_those_of_each_replica(make_trainer: Callable, num_replicas: int) -> None:
    run, inputs, leading = task(num_replicas=num_replicas), batch().float(), (num_replicas,)[: num_replicas - 1]
    nets = run.replicas()
    codes, outputs = (torch.stack([call(inputs) for call in calls]) for calls in ([net.encode for net in nets], nets))
    assert_close(run.encode(inputs), codes.view(*leading, 5, 3))
    assert_close(run(inputs), outputs.view(*leading, 5, 6))
    assert_close(run.decode(run.encode(inputs)), run(inputs))
    predicted = run.predict_step((inputs, torch.zeros(5)), 0)
    assert_close(predicted["code"], torch.cat([*codes], dim=1))  # (5, R·3)
    errors = torch.stack([((output - inputs) ** 2).sum(dim=1) / 6 for output in outputs], dim=1)
    assert_close(predicted["mse"].view(5, num_replicas), errors)
    batches = make_trainer().predict(run, datamodule=gaussian())
    assert [(len(rows["mse"]), len(rows["code"])) for rows in batches] == [(4, 4), (4, 4), (3, 3)]


def test_a_checkpoint_of_replicas_reloads_and_one_is_a_plain_autoencoder(
    tmp_path: Path, make_trainer: Callable
) -> None:
    run, trainer = task(num_replicas=3, weight_penalty=0.1, corruption=noise_and_mask()), make_trainer()
    trainer.fit(run, datamodule=gaussian())
    trainer.save_checkpoint(tmp_path / "task.ckpt")
    hparams = torch.load(tmp_path / "task.ckpt", weights_only=True)["hyper_parameters"]
    assert hparams == {"weight_penalty": 0.1, "num_replicas": 3, "scheduler": None}
    net, inputs = LINEAR(), batch().float()
    again = LitAutoencoder.load_from_checkpoint(tmp_path / "task.ckpt", net=net, weights_only=True)
    assert torch.equal(again(inputs), run(inputs)) and again.weight_penalty == 0.1
    assert type(again.replicas()[1]) is Autoencoder
    net.load_state_dict(again.replicas()[1].state_dict())
    assert_close(net(inputs), run(inputs)[1])


@pytest.mark.parametrize("num_replicas", [1, 3])
def test_mixed_precision_takes_nearly_the_same_steps(make_trainer: Callable, num_replicas: int) -> None:
    ends = []
    for precision in ("32-true", "bf16-mixed"):
        run = task(num_replicas=num_replicas, corruption=noise_and_mask(), weight_penalty=0.01)
        make_trainer(precision=precision).fit(run, datamodule=gaussian())
        ends.append(parameters_to_vector(run.net.parameters()))
    assert ends[1].dtype == torch.float32 and 0 < (ends[0] - ends[1]).abs().max() < 0.02


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [("weight_penalty", value, "a finite number ≥ 0") for value in (-0.1, math.nan, math.inf)]
    + [("num_replicas", value, "at least 1") for value in (0, -2)],
)
def test_arguments_out_of_range_are_refused(name: str, value: float, rule: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be {rule}, but it is {value}"):
        task(**{name: value})
