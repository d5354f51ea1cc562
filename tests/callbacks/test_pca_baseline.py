"""Principal components as a baseline, held against scikit-learn's."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule
from sklearn.decomposition import PCA
from torch import Tensor, nn

from callbacks import LinearProbe, PCABaseline
from datamodules import DigitsDataModule, SparseFeaturesDataModule
from lab import read_metrics
from lit_models import LitAutoencoder
from nets import Autoencoder, TiedAutoencoder


def digits() -> DigitsDataModule:
    return DigitsDataModule(flatten=True, batch_size=500)


def digits_autoencoder(bottleneck: int, **arguments: object) -> LitAutoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LitAutoencoder(Autoencoder(64, [bottleneck]), **arguments)


def parts_of(data: LightningDataModule) -> dict[str, Tensor]:
    for stage in ("fit", "test"):
        data.setup(stage)
    return {split: dataset.tensors[0] for split, dataset in data.datasets.items()}


@pytest.fixture
def tested(make_trainer: Callable) -> Callable:
    """Tests a task in a fresh trainer; gives what was logged."""

    def run(task: LitAutoencoder, data: LightningDataModule, *callbacks: Callback) -> dict[str, float]:
        return make_trainer(callbacks=list(callbacks)).test(task, datamodule=data, verbose=False)[0]

    return run


@pytest.mark.parametrize("bottleneck", [1, 16, 40])
def test_the_error_is_that_of_scikit_learns_components_of_the_training_samples(
    tested: Callable, bottleneck: int
) -> None:
    metrics = tested(digits_autoencoder(bottleneck), digits(), PCABaseline())
    parts = {split: inputs.double().numpy() for split, inputs in parts_of(digits()).items()}
    reference = PCA(bottleneck, svd_solver="full").fit(parts["train"])
    errors = parts["test"] - reference.inverse_transform(reference.transform(parts["test"]))
    assert metrics["pca/test_mse"] == pytest.approx((errors**2).mean(), rel=1e-5)
    assert set(metrics) == {"test/loss", "pca/test_mse"}


def test_the_bottleneck_counts_whatever_the_network_the_replicas_and_the_data_without_labels(tested: Callable) -> None:
    data = SparseFeaturesDataModule(num_features=12, num_train=400, num_eval=50)
    metrics = tested(LitAutoencoder(TiedAutoencoder(12, 4), num_replicas=2), data, PCABaseline())
    parts = {split: inputs.double().numpy() for split, inputs in parts_of(data).items()}
    reference = PCA(4, svd_solver="full").fit(parts["train"])
    errors = parts["test"] - reference.inverse_transform(reference.transform(parts["test"]))
    assert metrics["pca/test_mse"] == pytest.approx((errors**2).mean(), rel=1e-5)  # not weighted by importance


def test_a_bottleneck_wider_than_the_inputs_leaves_no_error(tested: Callable) -> None:
    assert 0 <= tested(digits_autoencoder(70), digits(), PCABaseline())["pca/test_mse"] < 1e-12


def test_the_probe_of_the_run_reads_the_components_of_scikit_learn_and_the_raw_inputs(tested: Callable) -> None:
    probe = LinearProbe(epochs=10, lr=0.3, num_labels=500)
    metrics = tested(digits_autoencoder(10, num_replicas=2), digits(), PCABaseline(), probe)
    parts = parts_of(data := digits())
    reference = PCA(10, svd_solver="full").fit(parts["train"].double())

    def codes(inputs: Tensor) -> Tensor:
        return torch.from_numpy(reference.transform(inputs.double())).float()[None]

    expected = probe.score(codes, data, "test").item()
    assert 0.8 < expected < 0.95
    assert metrics["pca/test_acc"] == pytest.approx(expected, abs=1.01 / 360)  # rounding may turn one sample
    assert metrics["raw/test_acc"] == pytest.approx(probe.score(lambda inputs: inputs[None], data, "test").item())
    assert len({metrics[f"{features}/test_acc"] for features in ("pca", "raw", "probe")}) == 3


def test_logs_nothing_in_training_and_leaves_it_as_it_is(make_trainer: Callable) -> None:
    def train(*callbacks: Callback) -> tuple[dict[str, Tensor], set[str]]:
        trainer, task = make_trainer(callbacks=list(callbacks)), digits_autoencoder(8)
        trainer.fit(task, datamodule=digits())
        return task.state_dict(), set(read_metrics(trainer.logger.log_dir))

    (weights, names), (expected, expected_names) = train(PCABaseline()), train()
    assert names == expected_names == {"train/loss", "val/loss"}
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_networks_without_a_bottleneck_and_data_without_datasets_are_refused(tested: Callable) -> None:
    with pytest.raises(ValueError, match=r"needs a network with a bottleneck, .* but the network is Identity: take"):
        tested(LitAutoencoder(nn.Identity()), digits(), PCABaseline())
    with pytest.raises(ValueError, match="PCABaseline needs a datamodule with datasets"):
        trainer = SimpleNamespace(datamodule=LightningDataModule())
        PCABaseline().setup(trainer, digits_autoencoder(2), "test")
