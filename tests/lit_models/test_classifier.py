"""Labels that are no classes are named before they are learnt, wherever they come from."""

from collections.abc import Callable

import pytest
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from datamodules.in_memory import InMemoryDataModule
from lit_models import LitImageClassifier

WRONG = {
    "floats": (lambda labels: labels.float(), r"labels must be whole numbers, .* but are torch\.float32"),
    "counted from 1": (lambda labels: labels + 1, r"from 0 to 2, the 3 classes, but hold 3: subtract 1, if they begin"),
    "negative": (lambda labels: labels - 1, r"from 0 to 2, the 3 classes, but hold -1: correct them"),
    "ignored by PyTorch": (lambda labels: labels * 0 - 100, r"from 0 to 2, the 3 classes, but hold -100: correct them"),
    "a column": (lambda labels: labels[:, None], r"labels must have 1 dimension, .*squeeze\(1\) of a column"),
    "probabilities": (lambda labels: torch.eye(3)[labels], r"labels must be whole numbers, .*: take argmax over the"),
}


class Loaders(LightningDataModule):
    """Data that are not ours: plain loaders of pairs."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        super().__init__()
        self.pairs = TensorDataset(images, labels)

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.pairs, batch_size=4)

    val_dataloader = test_dataloader = train_dataloader


class InMemory(InMemoryDataModule):
    def __init__(self, images: Tensor, labels: Tensor) -> None:
        super().__init__(batch_size=4, eval_batch_size=4)
        self.pairs = images, labels

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        return dict.fromkeys(("train", "val") if training else ("test",), self.pairs)


def task() -> LitImageClassifier:
    return LitImageClassifier(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), num_classes=3)


@pytest.mark.parametrize("data", [Loaders, InMemory])
@pytest.mark.parametrize("command", ["fit", "test"])
@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG.keys())
def test_labels_that_are_no_classes_are_named(
    make_trainer: Callable, data: type, command: str, change: Callable, message: str
) -> None:
    labels = change(torch.arange(6) % 3)
    with pytest.raises(ValueError, match=message):
        getattr(make_trainer(num_sanity_val_steps=0), command)(task(), datamodule=data(torch.rand(6, 1, 2, 2), labels))


def test_one_wrong_label_among_many_is_named_before_the_first_step(make_trainer: Callable) -> None:
    labels = torch.zeros(100, dtype=torch.long)
    labels[99] = 3
    trainer = make_trainer(num_sanity_val_steps=0)
    with pytest.raises(ValueError, match="but hold 3: correct them"):
        trainer.fit(task(), datamodule=InMemory(torch.rand(100, 1, 2, 2), labels))
    assert trainer.global_step == 0


@pytest.mark.parametrize("step", ["training_step", "validation_step"])
def test_a_wrong_label_is_named_in_every_batch(step: str) -> None:
    with pytest.raises(ValueError, match="the 3 classes, but hold -100"):
        getattr(task(), step)((torch.rand(2, 1, 2, 2), torch.tensor([0, -100])), 7)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int16, torch.int32, torch.bool])
def test_whole_numbers_of_every_type_are_learnt_from(kind: torch.dtype) -> None:
    images, labels, task_of_types = torch.rand(4, 1, 2, 2), torch.tensor([0, 1, 1, 0]), task()
    losses = [task_of_types.training_step((images, given), 0) for given in (labels, labels.to(kind))]
    assert torch.equal(*losses)
