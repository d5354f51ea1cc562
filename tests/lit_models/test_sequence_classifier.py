"""The classifier of sequences: its scores against scikit-learn's over a whole split, and what it predicts."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from torch import Tensor
from torch.nn import functional as F

from datamodules import SurnamesDataModule
from lit_models import LitSequenceClassifier
from nets import RecurrentClassifier

LISTS = {
    "Czech": ["Novák", "Dvořák", "Horák", "Polák", "Sedlák", "Zelák", "Malák", "Hudák"],
    "Irish": ["O'Brien", "O'Shea", "O'Dea", "O'Hara"],
    "Italian": ["Rossini", "Bellini", "Puccini", "Martini", "Morini", "Fellini", "Bini", "Orsini", "Tini", "Vini"],
}


@pytest.fixture
def data(tmp_path: Path) -> SurnamesDataModule:
    for language, names in LISTS.items():
        (tmp_path / f"{language}.txt").write_text("\n".join(names), encoding="utf-8")
    fractions = {"val_fraction": 0.4, "test_fraction": 0.3}
    return SurnamesDataModule("files", str(tmp_path), batch_size=3, eval_batch_size=3, **fractions)


def classifier(num_classes: int = 3, net_classes: int = 3, **arguments: object) -> LitSequenceClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        net = RecurrentClassifier(58, 6, net_classes, cell="gru")
    return LitSequenceClassifier(net, num_classes, optimizer=partial(torch.optim.SGD, lr=0.1), **arguments)


def read(task: LitSequenceClassifier, data: SurnamesDataModule, split: str) -> tuple[Tensor, Tensor]:
    """Logits in double precision and labels of a whole split at once."""
    tokens, lengths, labels = data.datasets[split].tensors
    with torch.no_grad():
        return task.net.eval()(tokens, lengths).double(), labels


@pytest.mark.parametrize("split", ["val", "test"])
def test_scores_of_a_split_are_exact_and_those_of_scikit_learn(
    data: SurnamesDataModule, make_trainer: Callable, split: str
) -> None:
    task = classifier(label_smoothing=0.2)
    trainer = make_trainer()
    run = trainer.validate if split == "val" else trainer.test
    (metrics,) = run(task, datamodule=data, verbose=False)
    logits, labels = read(task, data, split)
    assert len(set(labels.tolist())) == 3 and len(labels) % 3  # all classes, and a last batch that is smaller
    predicted = logits.argmax(dim=-1)
    assert metrics == {
        f"{split}/loss": pytest.approx(float(F.cross_entropy(logits, labels))),  # not smoothed
        f"{split}/acc": pytest.approx(accuracy_score(labels, predicted)),
        f"{split}/balanced_acc": pytest.approx(balanced_accuracy_score(labels, predicted)),
        f"{split}/macro_f1": pytest.approx(f1_score(labels, predicted, average="macro")),
    }


def test_a_class_without_samples_that_is_predicted_is_no_recall_of_0() -> None:
    task, logits = classifier(4, 4), torch.eye(4)[torch.tensor([0, 0, 1, 1, 3, 0])]
    labels = torch.tensor([0, 0, 1, 1, 0, 1])
    for part in (slice(0, 4), slice(4, 6)):
        for metric in task.test_metrics.values():
            metric.update(logits[part], labels[part])
    assert task.test_metrics["balanced_acc"].compute() == pytest.approx(2 / 3)
    assert task.test_metrics["macro_f1"].compute() == pytest.approx((2 / 3 + 4 / 5) / 3)


def test_the_training_loss_is_the_smoothed_cross_entropy(data: SurnamesDataModule, make_trainer: Callable) -> None:
    task = classifier(label_smoothing=0.2)
    data.setup("fit")
    start = {name: value.clone() for name, value in task.net.state_dict().items()}
    trainer = make_trainer(max_steps=1)
    data.batch_size = 100  # all in one step
    trainer.fit(task, datamodule=data)
    logits, labels = read(classifier(), data, "train")
    targets = 0.8 * F.one_hot(labels, 3) + 0.2 / 3
    expected = -(targets * logits.log_softmax(dim=-1)).sum(dim=-1).mean()
    assert float(trainer.callback_metrics["train/loss"]) == pytest.approx(float(expected))
    assert not torch.equal(task.net.readout.weight, start["readout.weight"])


def test_given_names_come_back_with_their_three_most_probable_languages(
    data: SurnamesDataModule, make_trainer: Callable
) -> None:
    task = classifier()
    data.setup("fit")
    data.names = ["Dvořák", "O’Hara", "Dvorak"]
    (columns,) = make_trainer().predict(task, datamodule=data)
    assert columns["name"] == ["Dvořák", "O’Hara", "Dvorak"]
    assert columns["read_as"] == ["Dvorak", "O'Hara", "Dvorak"]
    probabilities = torch.stack([columns[f"probability_{place}"] for place in (1, 2, 3)], dim=1)
    assert bool((probabilities.diff(dim=1) <= 0).all())
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(3))
    assert {columns[f"class_{place}"][0] for place in (1, 2, 3)} == set(LISTS)
    assert [columns[f"class_{place}"][0] for place in (1, 2, 3)] == [
        columns[f"class_{place}"][2] for place in (1, 2, 3)
    ]


def test_of_two_classes_two_are_shown(data: SurnamesDataModule, make_trainer: Callable) -> None:
    data.languages = ["Czech", "Italian"]
    data.setup("fit")
    data.names = ["Rossini"]
    (columns,) = make_trainer().predict(classifier(2, 2), datamodule=data)
    assert list(columns) == ["name", "read_as", "class_1", "probability_1", "class_2", "probability_2"]


def test_more_languages_than_outputs_are_refused_before_training(
    data: SurnamesDataModule, make_trainer: Callable
) -> None:
    message = (
        "the data has 3 classes, the task num_classes=2 and the network 2 outputs: set model.num_classes and "
        "model.net.num_classes to 3"
    )
    with pytest.raises(ValueError, match=message):
        make_trainer().fit(classifier(2, 2), datamodule=data)


def test_a_classifier_writes_no_names(data: SurnamesDataModule, make_trainer: Callable) -> None:
    data.num_written = 2
    with pytest.raises(ValueError, match=r"a classifier reads names and writes none: leave out data.num_written"):
        make_trainer().predict(classifier(), datamodule=data)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "num_classes must be at least 2, but it is 1"),
        ({"label_smoothing": 1.0}, r"label_smoothing must be in \[0, 1\), but it is 1.0"),
        ({"label_smoothing": -0.1}, r"label_smoothing must be in \[0, 1\), but it is -0.1"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        classifier(**arguments)
