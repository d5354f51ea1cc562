"""As many outputs as the data have classes: one rule, for every task."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningDataModule
from tiny_graph import FEATURES, TinyGraph
from torch import nn

from datamodules import SurnamesDataModule
from lit_models import LitImageClassifier, LitLanguageModel, LitNodeClassifier, LitSegmenter, LitSequenceClassifier
from lit_models.class_counts import check_outputs, classes_of_data, names_of_outputs
from nets import GCN, RecurrentClassifier, RecurrentLanguageModel, UNet

NAMES = ("Novak", "Horak", "Polak", "Malak", "Orsini", "Bini", "Tini", "Vini")
OF_ALL = "the task num_classes={n} and the network {n} outputs: set model.num_classes and model.net.num_classes to 3"
OF_WRITER = "the network num_conditions={n}: set model.net.num_conditions to 3"


class Declared(LightningDataModule):
    """Data that say their classes and are never read."""

    num_classes = 3

    def train_dataloader(self) -> list[Any]:
        return []


@pytest.fixture
def surnames(tmp_path: Path) -> SurnamesDataModule:
    for language in ("Czech", "Irish", "Italian"):
        (tmp_path / f"{language}.txt").write_text("\n".join(NAMES), encoding="utf-8")
    return SurnamesDataModule("files", str(tmp_path), val_fraction=0.3, test_fraction=0.3, batch_size=4)


TASKS: dict[str, tuple[Callable[[int], Any], Callable[[Any], Any], str]] = {
    "images": (lambda n: LitImageClassifier(nn.Linear(4, n), n), lambda _: Declared(), OF_ALL),
    "pixels": (lambda n: LitSegmenter(UNet(1, n, base_channels=2, depth=1), n), lambda _: Declared(), OF_ALL),
    "sequences": (lambda n: LitSequenceClassifier(RecurrentClassifier(58, 4, n), n), lambda data: data, OF_ALL),
    "nodes": (lambda n: LitNodeClassifier(GCN(FEATURES, 4, n), n), lambda _: TinyGraph(), OF_ALL),
    "replicas": (
        lambda n: LitNodeClassifier(GCN(FEATURES, 4, n), n, num_replicas=2),
        lambda _: TinyGraph(),
        OF_ALL,
    ),
    "texts": (lambda n: LitLanguageModel(RecurrentLanguageModel(58, n, 4, 4)), lambda data: data, OF_WRITER),
}


@pytest.mark.parametrize("num_classes", [2, 5])
@pytest.mark.parametrize("name", TASKS)
def test_training_needs_as_many_outputs_as_the_data_have_classes(
    make_trainer: Callable, surnames: SurnamesDataModule, name: str, num_classes: int
) -> None:
    build, data, message = TASKS[name]
    with pytest.raises(ValueError, match=r"the data has 3 (classes|languages)") as refused:
        make_trainer().fit(build(num_classes), datamodule=data(surnames))
    assert message.format(n=num_classes) in str(refused.value)


def test_what_was_trained_with_more_outputs_is_tested_and_resumed(
    make_trainer: Callable, tiny_task: Callable, tiny_images: type, tmp_path: Path
) -> None:
    task, data, trainer = tiny_task(), tiny_images(), make_trainer()
    trainer.fit(task, datamodule=data)
    trainer.save_checkpoint(tmp_path / "wide.ckpt")
    data.num_classes = 2
    for run in (trainer.test, trainer.validate):
        assert run(task, datamodule=data, verbose=False)
    assert trainer.predict(task, datamodule=data)
    resumed = make_trainer(max_epochs=2)
    resumed.fit(tiny_task(), datamodule=data, ckpt_path=tmp_path / "wide.ckpt", weights_only=True)
    assert resumed.global_step == 2 * trainer.global_step
    with pytest.raises(ValueError, match="the data has 2 classes"):
        resumed.fit(tiny_task(), datamodule=data)


def test_data_say_their_classes_by_their_number_or_their_names() -> None:
    assert classes_of_data(SimpleNamespace(num_classes=4, class_names=None)) == 4
    assert classes_of_data(SimpleNamespace(class_names=("ash", "elm"))) == 2
    for silent in (None, SimpleNamespace(), SimpleNamespace(class_names=[])):
        assert classes_of_data(silent) is None


def test_outputs_without_a_class_are_predicted_by_their_number(
    make_trainer: Callable, surnames: SurnamesDataModule
) -> None:
    task = LitSequenceClassifier(RecurrentClassifier(58, 4, 5), 5)
    task.net.readout.bias.data = torch.tensor([0.0, 0, 0, 10, 20])
    (columns,) = make_trainer().predict(task, datamodule=surnames)
    assert set(columns["class_1"]) == {"4"} and set(columns["class_2"]) == {"3"}
    assert set(columns["class_3"]) <= {"Czech", "Irish", "Italian"}
    assert names_of_outputs(None, 2) == ["0", "1"]


def test_data_that_say_nothing_are_trained_on(make_trainer: Callable, tiny_task: Callable, tiny_images: type) -> None:
    data = tiny_images()
    data.setup("fit")
    trainer = make_trainer(fast_dev_run=True)
    trainer.fit(tiny_task(), data.train_dataloader(), data.val_dataloader())
    assert trainer.global_step == 1


@pytest.mark.parametrize("vocab_size", [30, 70])
def test_a_network_has_a_token_for_each_of_the_data_and_no_other(
    make_trainer: Callable, surnames: SurnamesDataModule, vocab_size: int
) -> None:
    tasks = (
        LitSequenceClassifier(RecurrentClassifier(vocab_size, 4, 3), 3),
        LitLanguageModel(RecurrentLanguageModel(vocab_size, 3, 4, 4)),
    )
    message = f"the data has 58 tokens and the network vocab_size={vocab_size}: set model.net.vocab_size to 58"
    for task in tasks:
        with pytest.raises(ValueError, match=message):
            make_trainer().fit(task, datamodule=surnames)


def test_a_network_that_does_not_say_its_outputs_is_found_out_by_them(
    make_trainer: Callable, tiny_images: type
) -> None:
    task = LitImageClassifier(nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), num_classes=3)
    with pytest.raises(ValueError, match=r"the network gives 5 outputs, but num_classes=3 of the task"):
        make_trainer(num_sanity_val_steps=0).fit(task, datamodule=tiny_images())
    check_outputs(torch.zeros(2, 6, 3), 3, dim=-1)
