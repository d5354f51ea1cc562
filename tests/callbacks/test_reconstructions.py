"""The pictures of an autoencoder: which files, what they show, and training that stays as it is."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, Trainer
from torch import Tensor, nn
from torch.testing import assert_close

from callbacks import Reconstructions
from datamodules import GaussianDataModule, SparseFeaturesDataModule
from datamodules.in_memory import InMemoryDataModule
from figures import draw_codes, draw_reconstructions
from lab.reconstruct import reconstruct
from lit_models import LitAutoencoder, LitSequenceRegressor
from nets import Autoencoder, RandomMask

pytestmark = pytest.mark.usefixtures("coarse_figures")


def flat_images() -> InMemoryDataModule:
    """20 images of 4×5 pixels to train on."""
    data = GaussianDataModule(20, num_samples=40, splits=(0.5, 0.3, 0.2), num_high_variance=2, batch_size=4)
    data.image_shape = (4, 5)
    return data


def vectors() -> InMemoryDataModule:
    return SparseFeaturesDataModule(20, num_train=20, num_eval=12, batch_size=4)  # without labels


def autoencoder(*hidden_dims: int, activation: type[nn.Module] = nn.ReLU, **arguments: object) -> LitAutoencoder:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Autoencoder(20, hidden_dims or (3,), activation)
        return LitAutoencoder(net, optimizer=partial(torch.optim.Adam, lr=0.01), **arguments)


@pytest.fixture
def train(make_trainer: Callable) -> Callable:
    """Trains epochs of five steps; gives the trainer, which knows the task and the data."""

    def run(
        *callbacks: Callback, task: LitAutoencoder, data: Callable = flat_images, max_epochs: int = 1
    ) -> tuple[Trainer, Tensor]:
        trainer = make_trainer(max_epochs=max_epochs, callbacks=list(callbacks))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trainer.fit(task, datamodule=data())
            return trainer, torch.get_rng_state()

    return run


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the figures that would be saved, which is quicker."""
    names: list[str] = []
    monkeypatch.setattr("callbacks.reconstructions.save_figure", lambda figure, name, *_: names.append(name))
    return names


@pytest.fixture
def drawn(saved: list[str], monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple]:
    """The last arguments of each drawing function."""
    seen: dict[str, tuple] = {}
    for function in (draw_reconstructions, draw_codes):
        name = function.__name__
        monkeypatch.setattr(f"callbacks.reconstructions.{name}", lambda *given, name=name: seen.update({name: given}))
    return seen


def test_draws_images_and_codes_when_training_and_testing_end(train: Callable) -> None:
    trainer, _ = train(Reconstructions(num_examples=2), task=autoencoder())
    trainer.test(trainer.lightning_module, datamodule=trainer.datamodule, verbose=False)
    files = sorted((Path(trainer.logger.log_dir) / "figures").iterdir())
    names = ["codes_test_5", "codes_val_5", "reconstructions_test_5", "reconstructions_val_5"]
    assert [path.stem for path in files] == names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)


@pytest.mark.parametrize(("every_n_epochs", "times"), [(None, 1), (1, 4), (2, 2), (3, 2)])
def test_draws_after_every_so_many_epochs_too(
    train: Callable, saved: list[str], drawn: dict, every_n_epochs: int | None, times: int
) -> None:
    train(Reconstructions(every_n_epochs=every_n_epochs), task=autoencoder(), max_epochs=4)
    assert saved == ["reconstructions_val", "codes_val"] * times


def test_a_code_of_one_number_has_no_plane(train: Callable, saved: list[str]) -> None:
    train(Reconstructions(), task=autoencoder(8, 1))
    assert saved == ["reconstructions_val"]


def test_data_without_images_and_labels_are_drawn_as_vectors(train: Callable, drawn: dict[str, tuple]) -> None:
    trainer, _ = train(Reconstructions(num_examples=3), task=autoencoder(), data=vectors)
    rows, shape, split = drawn["draw_reconstructions"]
    assert shape is None and split == "SparseFeatures, val" and len(rows["original"]) == 3
    codes, labels, names, _ = drawn["draw_codes"]
    assert codes.shape == (12, 3) and labels is names is None
    assert_close(rows["original"], trainer.datamodule.datasets["val"].tensors[0][:3])


@pytest.mark.parametrize("num_replicas", [1, 2])
def test_shows_the_first_samples_and_what_the_first_replica_makes_of_them(
    train: Callable, drawn: dict[str, tuple], monkeypatch: pytest.MonkeyPatch, num_replicas: int
) -> None:
    monkeypatch.setattr("callbacks.reconstructions.SCATTERED", 9)
    trainer, _ = train(Reconstructions(num_examples=4), task=autoencoder(num_replicas=num_replicas))
    inputs, labels = trainer.datamodule.datasets["val"].tensors
    net = trainer.lightning_module.replicas()[0]
    rows, shape, title = drawn["draw_reconstructions"]
    assert list(rows) == ["original", "reconstruction"] and shape == (4, 5)
    assert title == drawn["draw_codes"][3]
    assert title.endswith(", val" if num_replicas == 1 else ", val, replica 0 of 2")
    assert_close(rows["original"], inputs[:4])
    assert_close(rows["reconstruction"], net(inputs[:4]).detach())
    codes, shown_labels, names, _ = drawn["draw_codes"]
    assert_close(codes, net.encode(inputs[:9]).detach())
    assert torch.equal(shown_labels, labels[:9]) and names == ("sum ≤ 0", "sum > 0")


@pytest.mark.parametrize("num_replicas", [1, 2])
@torch.no_grad()
def test_the_reconstruction_is_that_of_the_corrupted_row_and_the_code_that_of_clean_inputs(num_replicas: int) -> None:
    task, inputs = (
        autoencoder(corruption=RandomMask(0.5), num_replicas=num_replicas),
        torch.rand(6, 20, generator=torch.Generator().manual_seed(0)) + 1,
    )
    rows, codes = reconstruct(task.eval(), inputs, num_examples=4)
    assert list(rows) == ["original", "corrupted", "reconstruction"]
    lost = rows["corrupted"] == 0
    assert 0.2 < lost.float().mean() < 0.8 and torch.equal(rows["corrupted"][~lost], inputs[:4][~lost])
    net = task.replicas()[0]
    assert_close(rows["reconstruction"], net(rows["corrupted"]))
    assert_close(codes, net.encode(inputs))


def test_training_is_bit_identical_with_and_without_the_callback(
    train: Callable, saved: list[str], drawn: dict
) -> None:
    def state(*callbacks: Callback) -> tuple[dict[str, Tensor], dict, Tensor]:
        task = autoencoder(8, 3, activation=nn.Dropout, corruption=RandomMask(0.2))  # needs modes and random state
        trainer, random_state = train(*callbacks, task=task, max_epochs=2)
        assert all(module.training for module in task.net.modules()) and task.corruption.training
        return task.state_dict(), trainer.optimizers[0].state_dict(), random_state

    assert_close(state(Reconstructions(every_n_epochs=1)), state(), rtol=0, atol=0)
    assert len(saved) == 4


@pytest.mark.parametrize("name", ["num_examples", "every_n_epochs"])
def test_arguments_out_of_range_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, but it is 0"):
        Reconstructions(**{name: 0})


def test_tasks_that_reconstruct_nothing_and_data_without_datasets_are_refused(make_trainer: Callable) -> None:
    regressor, trainer = LitSequenceRegressor(nn.Linear(20, 1)), make_trainer(callbacks=[Reconstructions()])
    with pytest.raises(ValueError, match=r"needs a task such as lit_models.LitAutoencoder, .* LitSequenceRegressor"):
        trainer.test(regressor, datamodule=flat_images(), verbose=False)
    with pytest.raises(ValueError, match="Reconstructions needs a datamodule with datasets"):
        trainer.test(autoencoder(), datamodule=LightningDataModule(), verbose=False)
