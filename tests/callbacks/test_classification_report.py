"""The report of the classes and the calibration, against scores and probabilities counted by hand."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score
from tiny_graph import CLASSES, FEATURES, TinyGraph
from torchmetrics.functional.classification import multiclass_calibration_error

import callbacks.classification_report
from callbacks import ClassificationReport
from callbacks.calibration import calibration_bins, expected_calibration_error
from callbacks.classification_report import UNDEFINED, class_scores
from figures import draw_reliability
from lit_models import LitNodeClassifier
from nets import GCN

pytestmark = pytest.mark.usefixtures("coarse_figures")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    monkeypatch.setattr(callbacks.classification_report, "rank_zero_info", sentences.append)
    return sentences


def test_scores_of_the_classes_are_those_counted_by_hand_and_the_most_frequent_comes_first() -> None:
    labels = torch.tensor([0, 1, 1, 1, 1, 2, 2])
    predicted = torch.tensor([1, 1, 1, 1, 2, 2, 0])
    rows = class_scores(predicted, labels, ["a", "b", "c", "never"])
    assert rows == [
        ("b", 4, pytest.approx(3 / 4), pytest.approx(3 / 4), pytest.approx(3 / 4)),
        ("c", 2, pytest.approx(1 / 2), pytest.approx(1 / 2), pytest.approx(1 / 2)),
        ("a", 1, 0.0, 0.0, 0.0),
        ("never", 0, *[pytest.approx(math.nan, nan_ok=True)] * 3),
    ]


@pytest.mark.parametrize(("label", "message"), [(0.5, "must be whole numbers"), (3, "the 3 classes, but hold 3")])
def test_labels_that_are_no_classes_are_named(label: float, message: str) -> None:
    report = ClassificationReport()
    report.on_test_epoch_start(None, None)
    with pytest.raises(ValueError, match=message):
        report.on_test_batch_end(None, None, {"logits": torch.zeros(1, 3), "labels": torch.tensor([label])}, None)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
def test_the_means_of_the_scores_that_are_defined_are_those_of_scikit_learn() -> None:
    generator, absent = torch.Generator().manual_seed(0), 0
    for _ in range(20):
        predicted, labels = (torch.randint(6, (9,), generator=generator) for _ in range(2))
        rows = class_scores(predicted, labels, list("abcdef"))
        recalls, f1s = (torch.tensor([row[place] for row in rows]) for place in (3, 4))
        absent += bool(recalls.isnan().any())
        assert recalls.nanmean() == pytest.approx(balanced_accuracy_score(labels, predicted))
        assert f1s.nanmean() == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert absent > 5


def test_bins_count_and_average_their_samples() -> None:
    confidence = torch.tensor([0.10, 0.12, 0.5, 0.99, 1.0])
    counts, mean, accuracy = calibration_bins(confidence, torch.tensor([True, False, True, True, False]))
    assert {place: int(count) for place, count in enumerate(counts) if count} == {1: 2, 7: 1, 14: 2}
    assert mean[[1, 7, 14]].tolist() == pytest.approx([0.11, 0.5, 0.995])
    assert accuracy[[1, 7, 14]].tolist() == [0.5, 1.0, 0.5]
    assert mean[0] == accuracy[0] == 0  # nothing there
    error = expected_calibration_error(counts, mean, accuracy)
    assert error == pytest.approx((2 * 0.39 + 1 * 0.5 + 2 * 0.495) / 5)


def test_what_is_as_probable_as_it_says_has_no_error_and_what_is_too_sure_has_it() -> None:
    confidence = torch.full((100,), 0.7)
    for hits, error in {70: 0.0, 40: 0.3, 95: 0.25}.items():
        assert expected_calibration_error(*calibration_bins(confidence, torch.arange(100) < hits)) == pytest.approx(
            error, abs=1e-6
        )


def test_the_error_is_that_of_torchmetrics() -> None:
    torch.manual_seed(0)
    logits, labels = 2 * torch.randn(500, 5), torch.randint(5, (500,))
    confidence, predicted = logits.softmax(dim=1).max(dim=1)
    error = expected_calibration_error(*calibration_bins(confidence, predicted == labels))
    assert error == pytest.approx(float(multiclass_calibration_error(logits, labels, 5, n_bins=15)), abs=1e-6)


def test_a_test_leaves_a_table_a_figure_and_the_error(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, told: list[str]
) -> None:
    task, data, trainer = tiny_task(), tiny_images(), make_trainer(callbacks=[ClassificationReport()])
    (metrics,) = trainer.test(task, datamodule=data, verbose=False)
    images, labels = data.datasets["test"].tensors
    with torch.no_grad():
        probabilities = task.net.eval()(images).softmax(dim=1)
    error = multiclass_calibration_error(probabilities, labels, 3, n_bins=15)
    assert metrics["test/ece"] == pytest.approx(float(error), abs=1e-6)
    folder = Path(trainer.logger.log_dir)
    with (folder / "class_report.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["class"] for row in rows} == {"ash", "elm", "oak"}
    assert sum(int(row["samples"]) for row in rows) == 7
    assert list((folder / "figures").glob("reliability_*.png"))
    (table,) = told
    assert table.splitlines()[0].split() == ["samples", "precision", "recall", "F1"]
    assert [line.split()[0] for line in table.splitlines()[1:4]] == [row["class"] for row in rows]
    never = rows[[row["precision"] for row in rows].index("")]  # predicted
    line = next(line for line in table.splitlines() if line.startswith(never["class"]))
    assert line.split() == [never["class"], never["samples"], "–", "0.000", "0.000"]
    assert table.splitlines()[4:] == [UNDEFINED]


def test_the_report_of_replicas_is_their_mean_and_says_so(
    make_trainer: Callable, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: list[str] = []

    def draw(*arguments: object) -> object:
        titles.append(arguments[3])
        return draw_reliability(*arguments)

    monkeypatch.setattr("callbacks.classification_report.draw_reliability", draw)
    torch.manual_seed(0)
    task = LitNodeClassifier(GCN(FEATURES, 4, CLASSES), CLASSES, num_replicas=3)
    trainer, data = make_trainer(callbacks=[ClassificationReport()]), TinyGraph(eval_batch_size=4)
    (metrics,) = trainer.test(task, datamodule=data, verbose=False)
    graph, tables, errors = data.graph, [], []
    for net in task.replicas():
        probabilities = net.eval()(graph.x, graph.edge_index)[graph.test_mask].softmax(dim=1)
        labels = graph.y[graph.test_mask]
        errors.append(float(multiclass_calibration_error(probabilities, labels, CLASSES, n_bins=15)))
        tables.append({row[0]: row[2:] for row in class_scores(probabilities.argmax(dim=1), labels, data.class_names)})
    assert metrics["test/ece"] == pytest.approx(sum(errors) / 3, abs=1e-6)
    assert [metrics[f"test/ece_replica_{number}"] for number in range(3)] == pytest.approx(errors, abs=1e-6)
    with (Path(trainer.logger.log_dir) / "class_report.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        values = torch.tensor([table[row["class"]] for table in tables])
        known = values[~values[:, 1].isnan(), 1]
        assert (row["samples"], row["replicas"]) == ("3", "3")
        assert float(row["recall"]) == pytest.approx(known.mean().item(), abs=1e-4)
        assert float(row["recall_std"]) == pytest.approx(known.std().item(), abs=1e-4)
    assert told[0].splitlines()[-1] == "mean of 3 replicas"
    assert titles == ["tiny on TinyGraph, mean of 3 replicas"]


def test_the_weights_of_a_run_are_the_same_with_it_and_without(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable
) -> None:
    weights = []
    for observers in ([], [ClassificationReport()]):
        torch.manual_seed(0)
        task, trainer = tiny_task(dropout=0.1), make_trainer(callbacks=observers)
        trainer.test(task, datamodule=tiny_images(), verbose=False)
        trainer.fit(task, datamodule=tiny_images())
        weights.append(task.net.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
