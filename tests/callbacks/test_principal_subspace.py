"""What is logged of a linear autoencoder, against NumPy, SciPy and autograd, and at optima that theory knows."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from scipy.linalg import subspace_angles
from torch import Tensor, nn
from torch.testing import assert_close

from callbacks import PrincipalSubspace
from datamodules.in_memory import InMemoryDataModule
from lab import read_metrics
from lit_models import LitAutoencoder
from nets import Autoencoder, GaussianNoise
from theory import regularized_linear_autoencoder_optimum

pytestmark = pytest.mark.usefixtures("coarse_figures")

NUM_TRAIN, DIMS, BOTTLENECK = 40, 6, 2
NAMES = {"pca/angle", "pca/loss", "pca/optimum", "pca/residual", "pca/orthonormality"}


class Cloud(InMemoryDataModule):
    """Samples of distinct variances around a point that is not the origin."""

    def __init__(self) -> None:
        super().__init__(batch_size=20)

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        generator = torch.Generator().manual_seed(0)
        scales = torch.tensor([3.0, 2.0, 1.2, 0.8, 0.5, 0.3])
        parts = (torch.randn(2 * NUM_TRAIN, DIMS, generator=generator) * scales + 1).split(NUM_TRAIN)
        return {"train": (parts[0],), "val": (parts[1],)} if training else {"test": (parts[1],)}


def inputs(centred: bool) -> Tensor:
    """X / √N of the training samples, (D, N)."""
    samples = Cloud().load(training=True)["train"][0].double().T
    return (samples - samples.mean(dim=1, keepdim=True) * centred) / NUM_TRAIN**0.5


def linear_autoencoder(w2: Tensor | None = None, bias: bool = False, **arguments: object) -> LitAutoencoder:
    """With the weights W₂ and W₁ = W₂ᵀ where they are given."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Autoencoder(DIMS, [BOTTLENECK], bias=bias)
        task = LitAutoencoder(net, optimizer=partial(torch.optim.Adam, lr=0.01), **arguments)
    if w2 is not None:
        net.decoder[0].weight.data = w2.float()
        net.encoder[0].weight.data = w2.T.float()
    return task


@pytest.fixture
def measure(make_trainer: Callable) -> Callable:
    """What a test logs of a task."""

    def run(task: LitAutoencoder) -> dict[str, float]:
        (metrics,) = make_trainer(callbacks=[PrincipalSubspace()]).test(task, datamodule=Cloud(), verbose=False)
        return {name: value for name, value in metrics.items() if name.startswith("pca/")}

    return run


def expected_metrics(net: Autoencoder, x: Tensor, weight_penalty: float) -> dict[str, float]:
    """The same by NumPy, SciPy and autograd."""
    w1, w2 = (layer.weight.detach().double().requires_grad_() for layer in (net.encoder[0], net.decoder[0]))
    loss = (x - w2 @ w1 @ x).square().sum() + weight_penalty * (w1.square().sum() + w2.square().sum())
    gradients = torch.autograd.grad(loss, (w1, w2))
    scale = 2 * x.square().sum() * (w1.norm() + w2.norm())
    variances, directions = np.linalg.eigh((x @ x.T).numpy())
    decoder, kept = w2.detach().numpy(), variances[::-1][:BOTTLENECK]
    shrunk = weight_penalty * (2 - weight_penalty / kept)
    metrics = {
        "pca/angle": np.degrees(subspace_angles(decoder, directions[:, -BOTTLENECK:]).max()),
        "pca/loss": loss.item(),
        "pca/optimum": variances[:-BOTTLENECK].sum() + shrunk.sum(),
        "pca/residual": (sum(gradient.norm() for gradient in gradients) / scale).item(),
        "pca/orthonormality": np.linalg.norm(decoder.T @ decoder - np.eye(BOTTLENECK)),
    }
    if weight_penalty:
        target = np.sqrt(1 - weight_penalty / kept)
        found = np.linalg.svd(decoder, compute_uv=False)
        metrics["pca/singular_values"] = (np.abs(found - target) / target).max()
    return metrics


@pytest.mark.parametrize("weight_penalty", [0.0, 0.5])
@pytest.mark.parametrize("bias", [False, True])
def test_metrics_of_random_weights_are_those_of_a_plain_recomputation(
    measure: Callable, bias: bool, weight_penalty: float
) -> None:
    task = linear_autoencoder(bias=bias, weight_penalty=weight_penalty)
    expected = expected_metrics(task.net, inputs(centred=bias), weight_penalty)
    assert expected["pca/angle"] > 10 and expected["pca/loss"] > 1.1 * expected["pca/optimum"]
    assert measure(task) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("bias", [False, True])
def test_principal_components_are_the_optimum_and_others_a_saddle(measure: Callable, bias: bool) -> None:
    directions = torch.linalg.svd(inputs(centred=bias))[0]
    best = measure(linear_autoencoder(directions[:, :BOTTLENECK], bias=bias))
    assert best["pca/loss"] == pytest.approx(best["pca/optimum"], rel=1e-5)
    assert max(best[f"pca/{name}"] for name in ("angle", "residual", "orthonormality")) < 1e-4
    saddle = measure(linear_autoencoder(directions[:, [0, 2]], bias=bias))
    assert saddle["pca/angle"] == pytest.approx(90) and saddle["pca/residual"] < 1e-5
    assert saddle["pca/loss"] > 1.1 * saddle["pca/optimum"]


def test_the_regularised_optimum_has_its_singular_values_whatever_the_rotation_of_the_code(measure: Callable) -> None:
    optimum = regularized_linear_autoencoder_optimum(inputs(centred=False), BOTTLENECK, 0.5)
    rotation, _ = torch.linalg.qr(torch.randn(2, 2, generator=torch.Generator().manual_seed(0)).double())
    metrics = measure(linear_autoencoder(optimum.w2 @ rotation, weight_penalty=0.5))
    assert metrics["pca/loss"] == pytest.approx(metrics["pca/optimum"], rel=1e-5)
    assert max(metrics[f"pca/{name}"] for name in ("angle", "residual", "singular_values")) < 1e-4
    assert metrics["pca/orthonormality"] > 0.05  # which the penalty costs


def test_each_replica_is_measured_as_if_it_were_alone(measure: Callable) -> None:
    together = measure(task := linear_autoencoder(num_replicas=2))
    alone = [measure(LitAutoencoder(net)) for net in task.replicas()]
    assert alone[0]["pca/angle"] != alone[1]["pca/angle"]
    for name in NAMES - {"pca/optimum"}:
        values = [metrics[name] for metrics in alone]
        assert [together[f"{name}_replica_{number}"] for number in range(2)] == pytest.approx(values)
        assert together[name] == pytest.approx(sum(values) / 2) and f"{name}_std" in together
    assert {name for name in together if "optimum" in name} == {"pca/optimum"}  # the same for all


@pytest.fixture
def train(make_trainer: Callable) -> Callable:
    """Trains three epochs of two steps; gives the task, its trainer and the state of the random generator."""

    def run(*callbacks: Callback, **arguments: object) -> tuple[LitAutoencoder, Trainer, Tensor]:
        trainer = make_trainer(max_epochs=3, callbacks=list(callbacks))
        task = linear_autoencoder(**arguments)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trainer.fit(task, datamodule=Cloud())
            return task, trainer, torch.get_rng_state()

    return run


def test_logs_after_each_epoch_and_draws_when_training_ends(train: Callable) -> None:
    task, trainer, _ = train(PrincipalSubspace(), weight_penalty=0.1)
    metrics = read_metrics(trainer.logger.log_dir)
    names = {*NAMES, "pca/singular_values"}
    assert {name for name in metrics if name.startswith("pca/")} == names
    assert all(metrics[name][0] == [1, 3, 5] for name in names)
    expected = expected_metrics(task.net, inputs(centred=False), 0.1)
    assert {name: metrics[name][1][-1] for name in names} == pytest.approx(expected, rel=1e-4)
    figures = list((Path(trainer.logger.log_dir) / "figures").iterdir())
    assert [path.name for path in figures] == ["principal_subspace_6.png"]


def test_training_is_bit_identical_with_and_without_the_callback(
    train: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callbacks.principal_subspace.save_figure", lambda *arguments: None)

    def state(*callbacks: Callback) -> tuple[dict, dict, Tensor]:
        task, trainer, random_state = train(*callbacks, num_replicas=2)
        return task.state_dict(), trainer.optimizers[0].state_dict(), random_state

    assert_close(state(PrincipalSubspace()), state(), rtol=0, atol=0)


@pytest.mark.parametrize(
    "task",
    [
        LitAutoencoder(nn.Linear(DIMS, DIMS)),
        LitAutoencoder(Autoencoder(DIMS, [4, 2])),
        LitAutoencoder(Autoencoder(DIMS, [2]), corruption=GaussianNoise(0.1)),
    ],
    ids=["no autoencoder", "two hidden sizes", "corrupted"],
)
def test_what_is_no_linear_autoencoder_of_clean_inputs_is_refused(
    make_trainer: Callable, task: LightningModule
) -> None:
    with pytest.raises(
        ValueError, match=r"PrincipalSubspace needs nets.Autoencoder with one hidden size, narrower than"
    ):
        make_trainer(callbacks=[PrincipalSubspace()]).test(task, datamodule=Cloud(), verbose=False)


def test_data_without_datasets_are_refused(make_trainer: Callable) -> None:
    with pytest.raises(ValueError, match="PrincipalSubspace needs a datamodule with datasets"):
        make_trainer(callbacks=[PrincipalSubspace()]).fit(linear_autoencoder(), datamodule=LightningDataModule())
