"""The report of the classes and the calibration, against scores and probabilities counted by hand."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

import callbacks.class_report
from callbacks import ClassReport
from callbacks.class_report import calibration_bins, class_scores, draw_reliability, expected_calibration_error

pytestmark = pytest.mark.usefixtures("coarse_figures")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    monkeypatch.setattr(callbacks.class_report, "rank_zero_info", sentences.append)
    return sentences


def test_scores_of_the_classes_are_those_counted_by_hand_and_the_most_frequent_comes_first() -> None:
    labels = torch.tensor([0, 1, 1, 1, 1, 2, 2])
    predicted = torch.tensor([1, 1, 1, 1, 2, 2, 0])
    rows = class_scores(predicted, labels, ["a", "b", "c", "never"])
    assert rows == [
        ("b", 4, pytest.approx(3 / 4), pytest.approx(3 / 4), pytest.approx(3 / 4)),
        ("c", 2, pytest.approx(1 / 2), pytest.approx(1 / 2), pytest.approx(1 / 2)),
        ("a", 1, 0.0, 0.0, 0.0),
        ("never", 0, 0.0, 0.0, 0.0),
    ]


@pytest.mark.parametrize(("label", "message"), [(0.5, "must be whole numbers"), (3, "the 3 classes, but hold 3")])
def test_labels_that_are_no_classes_are_named(label: float, message: str) -> None:
    report = ClassReport()
    report.on_test_epoch_start(None, None)
    with pytest.raises(ValueError, match=message):
        report.on_test_batch_end(None, None, {"logits": torch.zeros(1, 3), "labels": torch.tensor([label])}, None)


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


def test_the_figure_shows_the_bins_that_hold_something() -> None:
    bins = calibration_bins(torch.tensor([0.3, 0.75, 0.81]), torch.tensor([True, True, False]))
    above, below = draw_reliability(*bins, "names").axes
    assert above.get_title() == "names: expected calibration error 0.587"
    assert [patch.get_height() for patch in above.patches] == [1.0, 1.0, 0.0]
    assert sum(patch.get_height() for patch in below.patches) == 3


def test_a_test_leaves_a_table_a_figure_and_the_error(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable, told: list[str]
) -> None:
    task, data, trainer = tiny_task(), tiny_images(), make_trainer(callbacks=[ClassReport()])
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
    assert [line.split()[0] for line in table.splitlines()[1:]] == [row["class"] for row in rows]


def test_the_weights_of_a_run_are_the_same_with_it_and_without(
    tiny_task: Callable, tiny_images: type, make_trainer: Callable
) -> None:
    weights = []
    for observers in ([], [ClassReport()]):
        torch.manual_seed(0)
        task, trainer = tiny_task(dropout=0.1), make_trainer(callbacks=observers)
        trainer.test(task, datamodule=tiny_images(), verbose=False)
        trainer.fit(task, datamodule=tiny_images())
        weights.append(task.net.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
