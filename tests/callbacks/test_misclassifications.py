"""Confusion matrices and wrong examples, counted by hand."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_graph import CLASSES, FEATURES, TinyGraph
from torch import Tensor

from callbacks import Misclassifications
from callbacks.observing import class_names_of
from figures import draw_confusion_matrix
from lit_models import LitNodeClassifier
from nets import GCN

pytestmark = pytest.mark.usefixtures("coarse_figures")


def logits_of(*sure: tuple[int, float]) -> Tensor:
    """Logits of three classes that give one class a probability and the others the rest in equal shares."""
    probabilities = torch.stack([torch.full((3,), (1 - probability) / 2) for _, probability in sure])
    for row, (predicted, probability) in zip(probabilities, sure, strict=True):
        row[predicted] = probability
    return probabilities.log()


def show(callback: Misclassifications, logits: Tensor, labels: list[int]) -> None:
    outputs = {"logits": logits, "labels": torch.tensor(labels)}
    images = torch.arange(len(labels)).float().view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
    callback.on_test_batch_end(None, None, outputs, (images, outputs["labels"]), 0)


def test_counts_and_keeps_the_surest_mistakes_over_all_batches() -> None:
    callback = Misclassifications(num_examples=2)
    show(callback, logits_of((0, 0.9), (1, 0.6), (2, 0.8), (2, 0.7)), [0, 0, 2, 1])
    show(callback, logits_of((2, 0.95), (0, 0.5)), [1, 0])
    assert callback.counts.view(3, 3).tolist() == [[2, 1, 0], [0, 0, 2], [0, 0, 1]]  # label × prediction
    kept = [(predicted, label, image[0, 0, 0].item()) for _, predicted, label, image in callback.wrong]
    assert kept == [(2, 1, 0.0), (2, 1, 3.0)]
    assert [probability for probability, *_ in callback.wrong] == pytest.approx([0.95, 0.7])


def test_labels_that_are_no_classes_are_named() -> None:
    for labels, message in (([0.0], "labels must be whole numbers"), ([3], "0 to 2, the 3 classes, but hold 3")):
        with pytest.raises(ValueError, match=message):
            show(Misclassifications(), logits_of((0, 0.9)), labels)


@pytest.mark.parametrize("hook", ["on_validation_epoch_start", "on_test_epoch_start"])
def test_an_epoch_starts_afresh(hook: str) -> None:
    callback = Misclassifications()
    show(callback, logits_of((0, 0.9)), [1])
    getattr(callback, hook)(None, None)
    assert callback.counts is None and callback.wrong == []


def test_the_matrix_of_a_run_counts_each_sample_once_and_agrees_with_the_accuracy(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable
) -> None:
    callback, data, task = Misclassifications(), tiny_images(), tiny_task()
    trainer = make_trainer(max_epochs=2, callbacks=[callback])
    trainer.fit(task, datamodule=data)
    counts = callback.counts.view(3, 3)
    assert counts.sum(dim=1).tolist() == torch.bincount(data.datasets["val"].tensors[1], minlength=3).tolist()
    assert counts.trace() / 11 == pytest.approx(float(trainer.callback_metrics["val/acc"]))
    (metrics,) = trainer.test(task, datamodule=data, verbose=False)
    assert callback.counts.sum() == 7
    assert callback.counts.view(3, 3).trace() / 7 == pytest.approx(metrics["test/acc"])
    assert len(callback.wrong) == 7 - callback.counts.view(3, 3).trace()
    names = {path.stem.rpartition("_")[0] for path in (Path(trainer.logger.log_dir) / "figures").iterdir()}
    assert names >= {"confusion_matrix_val", "confusion_matrix_test"}


def test_flat_inputs_have_a_matrix_and_no_pictures(tiny_task: Callable, make_trainer: Callable) -> None:
    callback = Misclassifications()
    outputs = {"logits": logits_of((0, 0.9), (1, 0.8)), "labels": torch.tensor([1, 1])}
    callback.on_test_batch_end(None, None, outputs, (torch.rand(2, 64), outputs["labels"]), 0)
    trainer = make_trainer()
    callback.on_test_end(trainer, tiny_task())
    names = [path.name for path in (Path(trainer.logger.log_dir) / "figures").iterdir()]
    assert names == ["confusion_matrix_test_0.png"]


def test_training_without_validation_draws_nothing(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, tmp_path: Path
) -> None:
    make_trainer(limit_val_batches=0, callbacks=[Misclassifications()]).fit(tiny_task(), datamodule=tiny_images())
    assert list(tmp_path.rglob("*.png")) == []


def test_the_sanity_check_is_not_drawn(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, tmp_path: Path
) -> None:
    trainer = make_trainer(max_epochs=2, check_val_every_n_epoch=3, callbacks=[Misclassifications()])
    trainer.fit(tiny_task(), datamodule=tiny_images())
    assert list(tmp_path.rglob("*.png")) == []


def test_number_of_examples_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="num_examples must be at least 1, but it is 0"):
        Misclassifications(num_examples=0)


def test_the_matrix_of_replicas_counts_all_of_them_and_agrees_with_their_mean_accuracy(
    make_trainer: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []

    def draw(counts: Tensor, names: list[str], title: str) -> object:
        titles.append(title)
        return draw_confusion_matrix(counts, names, title)

    monkeypatch.setattr("callbacks.misclassifications.draw_confusion_matrix", draw)
    torch.manual_seed(0)
    task, callback = LitNodeClassifier(GCN(FEATURES, 4, CLASSES), CLASSES, num_replicas=3), Misclassifications()
    data = TinyGraph(eval_batch_size=4)
    (metrics,) = make_trainer(callbacks=[callback]).test(task, datamodule=data, verbose=False)
    assert metrics["test/acc_std"] > 0  # else one replica would do
    counts = callback.counts.view(CLASSES, CLASSES)
    assert counts.sum() == 3 * 9 and counts.trace() / 27 == pytest.approx(metrics["test/acc"])
    assert titles == ["TinyGraph, test, all 3 replicas"]


def test_outputs_without_a_class_have_their_number(make_trainer: Callable, tiny_images: type) -> None:
    trainer = make_trainer()
    trainer.datamodule = tiny_images()
    assert class_names_of(trainer, 5) == ["ash", "elm", "oak", "3", "4"]
    assert class_names_of(trainer, 2) == ["ash", "elm"]


def test_a_graph_has_a_confusion_matrix_and_no_examples(make_trainer: Callable, tmp_path: Path) -> None:
    torch.manual_seed(0)
    task = LitNodeClassifier(GCN(FEATURES, 4, CLASSES), CLASSES)
    trainer = make_trainer(max_epochs=2, callbacks=[Misclassifications()])
    trainer.fit(task, datamodule=TinyGraph())
    trainer.test(task, datamodule=TinyGraph(), verbose=False)
    figures = {path.name.rsplit("_", 1)[0] for path in (tmp_path / "runs").rglob("*.png")}
    assert figures == {"confusion_matrix_val", "confusion_matrix_test"}
