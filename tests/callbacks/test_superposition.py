"""Which features a matrix keeps, on matrices made by hand, and what is logged and drawn of them."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor, nn
from torch.testing import assert_close

from callbacks import Superposition
from callbacks.superposition import kept_features
from datamodules import SparseFeaturesDataModule
from figures import draw_superposition
from lab import read_metrics
from lit_models import LitAutoencoder
from nets import TiedAutoencoder

pytestmark = pytest.mark.usefixtures("coarse_figures")

ANTIPODAL = torch.tensor([[1.0, -0.7], [0.0, 0.0]])
PENTAGON = torch.stack([torch.tensor([math.cos(x), math.sin(x)]) for x in 2 * math.pi * torch.arange(5) / 5], dim=1)
LOST = torch.tensor([[0.3, 0.5, 0.0], [0.3, 0.0, 0.0]])  # the longest is exactly 1/2
COS_72, COS_144 = math.cos(math.radians(72)), -math.cos(math.radians(144))
MATRICES = {
    "antipodal pair": (ANTIPODAL, (2, 1.0, 0.0, 0.0)),
    "orthonormal": (torch.eye(3), (3, 0.0, 0.0, 0.0)),
    "pentagon": (PENTAGON, (5, COS_144, COS_72, math.sqrt(3 / 8))),  # √((n − K) / (K(n − 1)))
    "pentagon of other lengths": (PENTAGON * torch.tensor([0.6, 1, 2, 0.7, 9]), (5, COS_144, COS_72, math.sqrt(3 / 8))),
    "pair among others": (torch.cat([LOST, ANTIPODAL, LOST], dim=1), (2, 1.0, 0.0, 0.0)),
    "pair in one dimension": (torch.tensor([[1.0, -1.0, 0.0, 0.0]]), (2, 1.0, 0.0, 1.0)),
    "same direction": (torch.tensor([[1.0, 2.0], [1.0, 2.0]]), (2, 1.0, 1.0, 0.0)),
    "none": (LOST, (0, 0.0, 0.0, 0.0)),
    "one": (torch.cat([LOST, torch.eye(2)[:, :1]], dim=1), (1, 0.0, 0.0, 0.0)),
}


def features(**arguments: object) -> SparseFeaturesDataModule:
    return SparseFeaturesDataModule(**{"num_features": 5, "num_train": 20, "num_eval": 6, "batch_size": 4, **arguments})


def tied_autoencoder(**arguments: object) -> LitAutoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LitAutoencoder(TiedAutoencoder(5, 2), optimizer=partial(torch.optim.Adam, lr=0.01), **arguments)


@pytest.mark.parametrize("name", MATRICES)
def test_kept_features_are_those_of_the_matrix(name: str) -> None:
    weight, expected = MATRICES[name]
    before = weight.clone()
    assert kept_features(weight) == pytest.approx(expected, abs=1e-6)
    assert torch.equal(weight, before)


@pytest.mark.parametrize("num_replicas", [1, 2])
def test_a_test_logs_what_each_replica_keeps(make_trainer: Callable, num_replicas: int) -> None:
    task = tied_autoencoder(num_replicas=num_replicas)
    weights = [PENTAGON, torch.cat([LOST, ANTIPODAL], dim=1)][:num_replicas]
    task.net.weight.data = torch.stack(weights) if num_replicas > 1 else weights[0]
    trainer = make_trainer(callbacks=[Superposition()])
    (metrics,) = trainer.test(task, datamodule=features(), verbose=False)
    for place, name in enumerate(("kept", "overlap", "positive_overlap", "welch_bound")):
        values = [kept_features(weight)[place] for weight in weights]
        assert metrics[f"superposition/{name}"] == pytest.approx(sum(values) / num_replicas)
        if num_replicas > 1:
            each = [metrics[f"superposition/{name}_replica_{number}"] for number in range(num_replicas)]
            assert each == pytest.approx(values)
    assert len({name for name in metrics if name.startswith("superposition/")}) == (4 if num_replicas == 1 else 16)
    assert not (Path(trainer.logger.log_dir) / "figures").exists()


@pytest.fixture
def train(make_trainer: Callable) -> Callable:
    """Trains two epochs of five steps; gives the task, its trainer and the state of the random generator."""

    def run(*callbacks: Callback) -> tuple[LitAutoencoder, Trainer, Tensor]:
        trainer, task = make_trainer(max_epochs=2, callbacks=list(callbacks)), tied_autoencoder(num_replicas=2)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trainer.fit(task, datamodule=features())
            return task, trainer, torch.get_rng_state()

    return run


def test_draws_the_first_replica_when_training_ends(train: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[dict[str, list[Tensor]]] = []

    def note(weights: dict[str, list[Tensor]], kept: dict[str, list[tuple]]) -> object:
        drawn.append(weights)
        assert kept == {title: [kept_features(weight) for weight in of] for title, of in weights.items()}
        return draw_superposition(weights, kept)

    monkeypatch.setattr("callbacks.superposition.draw_superposition", note)
    task, trainer, _ = train(Superposition())
    assert [path.name for path in (Path(trainer.logger.log_dir) / "figures").iterdir()] == ["superposition_10.png"]
    assert not {name for name in read_metrics(trainer.logger.log_dir) if name.startswith("superposition/")}
    ((title, weights),) = drawn[0].items()
    assert title == "tiny on SparseFeatures, replica 0 of 2"  # the experiment, by the folder of its runs
    assert_close(torch.stack(weights), task.net.weight.detach())  # the first above, all below


def test_training_is_bit_identical_with_and_without_the_callback(train: Callable) -> None:
    def state(*callbacks: Callback) -> tuple[dict, dict, Tensor]:
        task, trainer, random_state = train(*callbacks)
        return task.state_dict(), trainer.optimizers[0].state_dict(), random_state

    assert_close(state(Superposition()), state(), rtol=0, atol=0)


def test_another_network_is_refused(make_trainer: Callable) -> None:
    with pytest.raises(ValueError, match=r"Superposition needs nets.TiedAutoencoder, but the network is Linear: take"):
        make_trainer(callbacks=[Superposition()]).fit(LitAutoencoder(nn.Linear(5, 5)), datamodule=features())
