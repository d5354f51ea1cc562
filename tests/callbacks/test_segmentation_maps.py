"""The pictures of a segmentation: which files, what they show, and training that stays as it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.testing import assert_close
from torch.utils.data import DataLoader

from callbacks import SegmentationMaps

pytestmark = pytest.mark.usefixtures("coarse_figures")

VOID = 255


class Segmenter(LightningModule):
    """A convolution with all that tells training from evaluation."""

    ignore_index, num_classes = VOID, 3

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.net = nn.Sequential(nn.Conv2d(channels, 3, 3, padding=1), nn.BatchNorm2d(3), nn.Dropout(0.3))
        self.seen: list[tuple[int, ...]] = []

    def segment(self, images: Tensor) -> Tensor:
        assert not self.training and not torch.is_grad_enabled()
        self.seen.append(tuple(images.shape))
        return self.net(images)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return cross_entropy(self.net(batch[0]), batch[1].long(), ignore_index=VOID)

    def test_step(self, batch: list[Tensor], batch_idx: int) -> None:
        pass

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Shapes(LightningDataModule):
    """Random images and masks; those to validate and to test are of unequal sizes."""

    class_names = ("ground", "disc", "ring")

    def __init__(self, channels: int = 1, dtype: torch.dtype = torch.uint8) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(1)
        sizes = {"train": [(8, 8)] * 6, "val": [(8 + n, 12 - n) for n in range(7)], "test": [(9, 5), (6, 6)]}
        self.datasets = {
            split: [self.example(channels, *size, dtype) for size in of_split] for split, of_split in sizes.items()
        }

    def example(self, channels: int, height: int, width: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        mask = torch.randint(3, (height, width), generator=self.generator)
        mask[0, 0] = VOID
        return torch.rand(channels, height, width, generator=self.generator), mask.to(dtype)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.datasets["train"], batch_size=2, shuffle=True)

    def test_dataloader(self) -> DataLoader:
        return DataLoader(self.datasets["test"])


@pytest.fixture
def train(make_trainer: Callable) -> Callable:
    """Trains epochs of three steps; gives the trainer, which knows the task and the data."""

    def run(*callbacks: Callback, channels: int = 1, **arguments: Any) -> tuple[Trainer, Tensor]:
        trainer = make_trainer(callbacks=list(callbacks), **arguments)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trainer.fit(Segmenter(channels), datamodule=Shapes(channels))
            return trainer, torch.get_rng_state()

    return run


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """The name of each figure that would be saved, and what it is drawn from."""
    calls: list[tuple] = []
    monkeypatch.setattr("callbacks.segmentation_maps.draw_segmentation_maps", lambda *arguments: arguments)
    save = "callbacks.segmentation_maps.save_figure"
    monkeypatch.setattr(save, lambda arguments, name, trainer: calls.append((name, *arguments)))
    return calls


@pytest.mark.parametrize("channels", [1, 3])
def test_draws_when_training_and_testing_end(train: Callable, channels: int) -> None:
    trainer, _ = train(SegmentationMaps(), channels=channels)
    trainer.test(trainer.lightning_module, datamodule=trainer.datamodule, verbose=False)
    files = sorted((Path(trainer.logger.log_dir) / "figures").iterdir())
    assert [path.stem for path in files] == ["segmentation_test_3", "segmentation_val_3"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)


@pytest.mark.parametrize(("every_n_epochs", "times"), [(None, 1), (1, 4), (2, 2), (3, 2)])
def test_draws_after_every_so_many_epochs_too(
    train: Callable, drawn: list, every_n_epochs: int | None, times: int
) -> None:
    train(SegmentationMaps(every_n_epochs=every_n_epochs), max_epochs=4)
    assert [name for name, *_ in drawn] == ["segmentation_val"] * times


def test_shows_examples_from_all_over_the_split_with_the_current_weights(train: Callable, drawn: list) -> None:
    trainer, _ = train(SegmentationMaps(num_examples=3))
    ((_, images, masks, predictions, names, ignore_index),) = drawn
    task, examples = trainer.lightning_module.eval(), [trainer.datamodule.datasets["val"][n] for n in (0, 2, 4)]
    assert names == ["ground", "disc", "ring"] and ignore_index == VOID
    assert task.seen == [(1, 1, 8, 12), (1, 1, 10, 10), (1, 1, 12, 8)]
    for image, mask, prediction, example in zip(images, masks, predictions, examples, strict=True):
        assert_close((image, mask), (example[0], example[1].long()))
        assert torch.equal(prediction, task.net(image[None]).argmax(dim=1)[0])


def test_shows_all_of_a_small_split_and_numbers_for_want_of_names(
    train: Callable, drawn: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shapes, "class_names", None)
    train(SegmentationMaps(num_examples=100))
    assert [len(values) for values in drawn[0][1:4]] == [7, 7, 7] and drawn[0][4] == ["0", "1", "2"]


def test_runs_in_the_precision_of_the_network(train: Callable, drawn: list) -> None:
    train(SegmentationMaps(), precision="bf16-true")
    assert all(image.dtype == torch.float32 for image in drawn[0][1])


def test_only_the_first_process_draws(train: Callable, drawn: list, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trainer, "is_global_zero", False)
    trainer, _ = train(SegmentationMaps())
    assert not drawn and not trainer.lightning_module.seen


def test_training_is_bit_identical_with_and_without_the_callback(train: Callable, drawn: list) -> None:
    def state(*callbacks: Callback) -> tuple[dict[str, Tensor], Tensor]:
        trainer, random_state = train(*callbacks, max_epochs=3)
        assert all(module.training for module in trainer.lightning_module.net.modules())
        return trainer.lightning_module.state_dict(), random_state

    assert_close(state(SegmentationMaps(every_n_epochs=1)), state(), rtol=0, atol=0)
    assert len(drawn) == 3


def test_what_is_compiled_is_not_compiled_again_for_each_size(make_trainer: Callable, drawn: list) -> None:
    compiled = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> Callable:
        compiled.append(graph)
        return graph.forward

    torch.compiler.reset()
    task = Segmenter()
    task.net.compile(backend=backend)
    make_trainer(callbacks=[SegmentationMaps(every_n_epochs=1)], max_epochs=2).fit(task, datamodule=Shapes())
    assert len(compiled) == 1 and len(drawn) == 2


@pytest.mark.parametrize(("name", "least", "value"), [("num_examples", 1, 0), ("every_n_epochs", 1, 0)])
def test_arguments_out_of_range_are_refused(name: str, least: int, value: int) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be at least {least}, but it is {value}\."):
        SegmentationMaps(**{name: value})


def test_tasks_and_data_without_masks_are_refused(make_trainer: Callable, tiny_task: Callable) -> None:
    trainer = make_trainer(callbacks=[SegmentationMaps()])
    with pytest.raises(ValueError, match=r"a task that segments images, .* but the task is LitImageClassifier: take"):
        trainer.test(tiny_task(), datamodule=Shapes(), verbose=False)
    with pytest.raises(ValueError, match=r"datasets of images and masks, but the data are LightningDataModule: take"):
        trainer.test(Segmenter(), datamodule=LightningDataModule(), verbose=False)
