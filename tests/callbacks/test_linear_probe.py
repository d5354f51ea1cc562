"""The probe beside scikit-learn's logistic regression, for every kind of task, and training that stays as it is."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils.data import TensorDataset

from callbacks import LinearProbe
from callbacks.linear_probe import encode, fit_linear_classifier
from datamodules import DigitsDataModule, LocalOperatorDataModule, SparseFeaturesDataModule
from lab import read_metrics
from lit_models import LitAutoencoder, LitSequenceRegressor, LitTask
from nets import Autoencoder, GaussianNoise

COUNTS = ("every_n_epochs", "num_labels", "epochs", "batch_size")
NUM_TRAIN, NUM_VAL, NUM_TEST = 1293, 144, 360


def digits(batch_size: int = 500, flatten: bool = True) -> DigitsDataModule:
    return DigitsDataModule(flatten, batch_size=batch_size)


def autoencoder(*hidden_dims: int, activation: type[nn.Module] = nn.ReLU, **arguments: object) -> LitAutoencoder:
    """Of the digits, the same weights each time; linear with a bottleneck of 16 by default."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Autoencoder(64, hidden_dims or (16,), activation)
        return LitAutoencoder(net, optimizer=partial(torch.optim.Adam, lr=2e-3), **arguments)


def encoded(monkeypatch: pytest.MonkeyPatch, task: LightningModule) -> list[Tensor]:
    """The inputs of every call of ``encode`` from now on."""
    seen, original = [], task.encode
    monkeypatch.setattr(task, "encode", lambda inputs: (seen.append(inputs), original(inputs))[1])
    return seen


class Pixels(LitTask):
    """Fits a mean image; its representation of an image is the image."""

    def encode(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)  # (B, 64)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        return (self.net.weight - self.encode(batch[0])).square().mean()

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        self.log("val/loss", self.training_step(batch, batch_idx))


@pytest.mark.parametrize(("max_epochs", "hidden_dims"), [(0, (16,)), (3, (32, 16))])
def test_accuracy_is_within_a_point_of_scikit_learns_on_the_same_features(
    make_trainer: Callable, max_epochs: int, hidden_dims: tuple[int, ...]
) -> None:
    data, task = digits(100), autoencoder(*hidden_dims)
    probe = LinearProbe(every_n_epochs=10, epochs=100, lr=0.3, weight_penalty=1 / (2 * NUM_TRAIN))
    trainer = make_trainer(max_epochs=max_epochs, callbacks=[probe])
    trainer.fit(task, datamodule=data)
    (metrics,) = trainer.test(task, datamodule=data, verbose=False)
    inputs, labels = data.datasets["train"].tensors
    reference = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=1000))
    reference.fit(task.net.encode(inputs).detach(), labels)
    inputs, labels = data.datasets["test"].tensors
    expected = reference.score(task.net.encode(inputs).detach(), labels)
    assert metrics["probe/test_acc"] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("weight_penalty", [0.3, 0.01])
def test_under_a_penalty_each_replica_has_the_weights_and_probabilities_of_scikit_learn(weight_penalty: float) -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 200, 5, generator=generator).double() * torch.tensor([1, 10, 0.1, 3, 1]) + 4
    scores = features[0] @ torch.randn(5, 3, generator=generator).double()
    labels = (scores + torch.randn(200, 3, generator=generator) * scores.std()).argmax(dim=1)
    training = {"epochs": 300, "lr": 0.1, "batch_size": 1000, "weight_penalty": weight_penalty}
    classifier = fit_linear_classifier(features, labels, 3, generator=generator, **training)
    mean, scale = features.mean(dim=1, keepdim=True), features.std(dim=1, keepdim=True, correction=0)
    origin, logits = classifier(mean), classifier(features)
    weights = classifier(mean + scale * torch.eye(5)) - origin  # (R, K, C), of standard features
    for replica, inputs in enumerate(features):
        standardised, inverse = StandardScaler().fit_transform(inputs), 1 / (2 * weight_penalty * len(labels))
        reference = LogisticRegression(C=inverse, tol=1e-8, max_iter=1000).fit(standardised, labels)
        assert_close(weights[replica].T, torch.from_numpy(reference.coef_), atol=1e-4, rtol=0)
        expected = torch.from_numpy(reference.predict_proba(standardised))
        assert_close(logits[replica].softmax(dim=-1), expected, atol=1e-4, rtol=0)


def logits_of(features: Tensor) -> Tensor:
    """What a classifier makes of the features (R, B, K) that it was fitted to, with alternating labels."""
    training = {"epochs": 5, "lr": 0.1, "batch_size": 20, "weight_penalty": 0.01}
    labels, generator = torch.arange(features.shape[1]) % 3, torch.Generator().manual_seed(0)
    return fit_linear_classifier(features, labels, 3, generator=generator, **training)(features)


def test_replicas_are_fitted_as_if_each_were_alone() -> None:
    features = torch.randn(3, 50, 4, generator=torch.Generator().manual_seed(0)).double()
    alone = torch.cat([logits_of(part[None]) for part in features])
    assert_close(logits_of(features), alone, rtol=1e-9, atol=1e-12)


def test_a_dead_feature_changes_nothing() -> None:
    features, dead = torch.randn(1, 50, 4, generator=torch.Generator().manual_seed(0)), torch.full((1, 50, 1), 0.3)
    assert_close(logits_of(torch.cat([features, dead], dim=2)), logits_of(features), rtol=0, atol=1e-4)
    assert logits_of(torch.zeros(1, 50, 2)).isfinite().all()


def test_the_seed_of_the_data_draws_as_many_labels_as_were_asked_for() -> None:
    numbers = TensorDataset(torch.arange(30.0)[:, None], torch.arange(30) // 15)  # each sample is its own number

    def drawn(seed: int, num_labels: int | None) -> list[float]:
        seen, data = [], SimpleNamespace(seed=seed, datasets={"train": numbers, "val": numbers})
        LinearProbe(num_labels=num_labels, epochs=1).score(lambda x: (seen.append(x), x[None])[1], data, "val")
        return seen[0].flatten().tolist()

    few = drawn(0, 8)
    assert len(set(few)) == 8 and drawn(0, 8) == few and drawn(1, 8) != few
    assert drawn(0, None) == list(range(30))


def test_permuted_labels_give_chance() -> None:
    data, probe = digits(), LinearProbe(epochs=10, lr=0.3)
    data.setup("fit"), data.setup("test")
    assert probe.score(lambda x: x[None], data, "test") > 0.9
    labels = data.datasets["train"].tensors[1]
    labels.copy_(labels[torch.randperm(NUM_TRAIN, generator=torch.Generator().manual_seed(0))])
    assert probe.score(lambda x: x[None], data, "test") < 0.18  # 0.1 ± 0.016 were they independent


def test_every_sample_is_encoded_once_per_probe(make_trainer: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callbacks.linear_probe.ENCODED_AT_ONCE", 500)
    task = autoencoder()
    seen = encoded(monkeypatch, task)
    make_trainer(max_epochs=2, callbacks=[LinearProbe(epochs=3)]).fit(task, datamodule=digits())
    assert [len(inputs) for inputs in seen] == [500, 500, 293, NUM_VAL] * 2  # and none in the check before training


class Watched(LinearProbe):
    """Notes what a probe must leave as it was."""

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.net.encoder.train()  # a mode that is not everywhere the same
        before = [module.training for module in pl_module.modules()], torch.get_rng_state().tolist()
        super().on_validation_epoch_end(trainer, pl_module)
        assert ([module.training for module in pl_module.modules()], torch.get_rng_state().tolist()) == before
        assert all(parameter.grad is None or not parameter.grad.any() for parameter in pl_module.parameters())


def test_training_is_bit_identical_with_and_without_the_probe(make_trainer: Callable) -> None:
    def train(*callbacks: Callback) -> tuple[dict[str, Tensor], dict, Tensor]:
        task = autoencoder(32, 16, activation=nn.Dropout, corruption=GaussianNoise(0.3))  # needs modes and random state
        trainer = make_trainer(max_epochs=2, callbacks=list(callbacks))
        with torch.random.fork_rng():
            torch.manual_seed(1)
            trainer.fit(task, datamodule=digits(200))
            return task.state_dict(), trainer.optimizers[0].state_dict(), torch.get_rng_state()

    assert_close(train(Watched(epochs=2, num_labels=100)), train(), rtol=0, atol=0)


def test_the_probes_of_replicas_are_those_of_separate_tasks(make_trainer: Callable) -> None:
    def probed(task: LitAutoencoder) -> dict[str, float]:
        trainer = make_trainer(callbacks=[LinearProbe(epochs=10, lr=0.3)])
        return trainer.test(task, datamodule=digits(), verbose=False)[0]

    task = autoencoder(4, num_replicas=3)
    together = probed(task)
    alone = [probed(LitAutoencoder(net))["probe/test_acc"] for net in task.replicas()]
    logged = [together[f"probe/test_acc_replica_{number}"] for number in range(3)]
    assert logged == pytest.approx(alone, abs=1.01 / NUM_TEST)  # rounding may turn one sample
    assert max(alone) > min(alone) + 0.02 and together["probe/test_acc"] == pytest.approx(sum(logged) / 3)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("flatten", [True, False])
def test_any_task_with_encode_is_probed_and_can_be_monitored(
    make_trainer: Callable, tmp_path: Path, flatten: bool, precision: str
) -> None:
    task, data = autoencoder(32, 8) if flatten else Pixels(nn.Linear(64, 1)), digits(flatten=flatten)
    probe = LinearProbe(epochs=5, lr=0.3)
    best = ModelCheckpoint(tmp_path / "checkpoints", monitor="probe/val_acc", mode="max")
    trainer = make_trainer(max_epochs=2, precision=precision, callbacks=[best, probe], enable_checkpointing=True)
    trainer.fit(task, datamodule=data)
    logged = read_metrics(trainer.logger.log_dir)["probe/val_acc"][1]
    with torch.no_grad():
        expected = probe.score(lambda inputs: encode(task, inputs), data, "val").item()
    assert logged[-1] == pytest.approx(expected) and expected > 0.3
    assert best.best_model_score == pytest.approx(max(logged)) and Path(best.best_model_path).is_file()


def test_probes_after_every_so_many_epochs_and_after_the_last(make_trainer: Callable) -> None:
    trainer = make_trainer(max_epochs=5, callbacks=[LinearProbe(every_n_epochs=2, epochs=1)])
    trainer.fit(autoencoder(), datamodule=digits())  # of three steps an epoch
    metrics = read_metrics(trainer.logger.log_dir)
    assert metrics["probe/val_acc"][0] == [5, 11, 14] and "probe/test_acc" not in metrics


def test_a_test_without_training_fits_the_classifier_to_the_training_samples_alone(
    make_trainer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, task = digits(), autoencoder()
    seen = encoded(monkeypatch, task)
    (metrics,) = make_trainer(callbacks=[LinearProbe(epochs=5)]).test(task, datamodule=data, verbose=False)
    assert set(metrics) == {"test/loss", "probe/test_acc"}
    assert_close(seen, [data.datasets[split].tensors[0] for split in ("train", "test")], rtol=0, atol=0)


def test_prediction_needs_no_labels_and_no_training_samples(make_trainer: Callable) -> None:
    data = digits()
    make_trainer(callbacks=[LinearProbe(num_labels=10**6)]).predict(autoencoder(), datamodule=data)
    assert set(data.datasets) == {"test"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda labels: labels / 255, r"labels must be whole numbers, .* but are torch\.float32"),
        (lambda labels: labels + 1, "from 0 to 9, the 10 classes, but hold 10: subtract 1, if they begin at 1"),
        (lambda labels: -labels, "from 0 to 9, the 10 classes, but hold -9"),
        (lambda labels: labels[:, None], "labels must have 1 dimension"),
    ],
)
def test_labels_that_are_no_classes_are_named(make_trainer: Callable, change: Callable, message: str) -> None:
    data = digits()
    data.setup("fit")
    data.datasets["train"].tensors = (data.datasets["train"].tensors[0], change(data.datasets["train"].tensors[1]))
    with pytest.raises(ValueError, match=message):
        make_trainer(callbacks=[LinearProbe()]).test(autoencoder(), datamodule=data, verbose=False)


@pytest.mark.parametrize(
    ("task", "data", "message"),
    [
        (lambda: LitSequenceRegressor(nn.Identity()), digits, "needs a task with encode, .* is LitSequenceRegressor"),
        (autoencoder, LightningDataModule, "LinearProbe needs a datamodule with datasets"),
        (autoencoder, lambda: SparseFeaturesDataModule(num_train=9), "needs labels, but SparseFeaturesDataModule has"),
        (autoencoder, lambda: LocalOperatorDataModule(num_train=9), "needs labels, but LocalOperatorDataModule has"),
        (autoencoder, digits, "num_labels=1294 of LinearProbe is more than the 1293 training samples"),
    ],
)
def test_tasks_and_data_that_do_not_fit_are_refused(
    make_trainer: Callable, task: Callable, data: Callable, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_trainer(callbacks=[LinearProbe(num_labels=1294)]).test(task(), datamodule=data(), verbose=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        *(({name: 0}, f"{name} must be at least 1, but it is 0") for name in COUNTS),
        ({"lr": 0.0}, "lr must be > 0 and weight_penalty ≥ 0 in LinearProbe, but they are 0.0 and 0.0"),
        ({"lr": float("nan")}, "but they are nan and 0.0"),
        ({"weight_penalty": -0.1}, "and weight_penalty ≥ 0 in LinearProbe, but they are 0.03 and -0.1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LinearProbe(**arguments)
