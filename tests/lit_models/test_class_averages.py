"""Means over classes, against scikit-learn over random predictions where classes are absent and pixels void."""

import math

import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, jaccard_score
from torch import Tensor

from lit_models import overlap_scores
from lit_models.class_averages import ClassMean, class_scores, mean_over_classes

VOID = 255
REFERENCES = {
    "recall": balanced_accuracy_score,
    "f1": lambda labels, predicted: f1_score(labels, predicted, average="macro"),
    "iou": lambda labels, predicted: jaccard_score(labels, predicted, average="macro"),
}


def draw(seed: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor, int]:
    """Predictions and labels of random subsets of random numbers of classes, some labels void."""
    generator = torch.Generator().manual_seed(seed)

    def below(high: int) -> int:
        return int(torch.randint(1, high + 1, (), generator=generator))

    num_classes = 1 + below(6)
    drawn = []
    for _ in range(2):
        classes = torch.randperm(num_classes, generator=generator)[: below(num_classes)]
        drawn.append(classes[torch.randint(len(classes), shape, generator=generator)])
    predicted, labels = drawn
    return predicted, labels.masked_fill(torch.rand(shape, generator=generator) < 0.2, VOID), num_classes


@pytest.mark.parametrize("score", REFERENCES)
@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true", "ignore:A single label was found")
def test_the_mean_over_batches_and_processes_is_that_of_scikit_learn(score: str) -> None:
    absent = 0
    for seed in range(60):
        predicted, labels, num_classes = draw(seed, (6, 2, 3))
        processes = [ClassMean(score, num_classes, ignore_index=VOID) for _ in range(2)]
        for number in range(6):  # batches of one image, the first one's share the larger
            processes[number // 4].update(predicted[number : number + 1], labels[number : number + 1])
        processes[0].merge_state(processes[1])
        known = labels != VOID
        absent += len(set(labels[known].tolist())) < num_classes
        expected = REFERENCES[score](labels[known].numpy(), predicted[known].numpy())
        assert processes[0].compute() == pytest.approx(expected, abs=1e-6), seed
    assert absent > 30


def test_a_class_without_samples_that_is_predicted_counts_for_f1_and_iou_and_not_for_recall() -> None:
    predicted, labels = torch.tensor([0, 0, 1, 1, 3, 0]), torch.tensor([0, 0, 1, 1, 0, 1])
    means = {}
    for score in REFERENCES:
        metric = ClassMean(score, 4)
        metric.update(predicted, labels)
        means[score] = metric.compute().item()
    assert means == {  # classes 0 and 1: 2 of 3 right, and each taken for once
        "recall": pytest.approx(2 / 3),
        "f1": pytest.approx((2 / 3 + 4 / 5 + 0) / 3),
        "iou": pytest.approx((2 / 4 + 2 / 3 + 0) / 3),
    }


def test_logits_stand_for_their_largest() -> None:
    logits, labels = torch.randn(30, 5, generator=torch.Generator().manual_seed(0)), torch.arange(30) % 4
    of_logits, of_classes = ClassMean("f1", 5), ClassMean("f1", 5)
    of_logits.update(logits, labels)
    of_classes.update(logits.argmax(dim=1), labels)
    assert of_logits.compute() == of_classes.compute()


def test_without_samples_there_is_no_mean() -> None:
    scores = class_scores(torch.zeros(3, 3, dtype=torch.long))
    assert all(math.isnan(mean_over_classes(of_classes)) for of_classes in scores.values())


def test_the_scores_of_pixels_are_the_same_ones() -> None:
    confusion = torch.tensor([[3, 1, 0], [2, 0, 0], [0, 0, 0]])
    scores, pixels = class_scores(confusion), overlap_scores(confusion)
    torch.testing.assert_close(pixels["iou"], scores["iou"], equal_nan=True)
    torch.testing.assert_close(pixels["dice"], scores["f1"], equal_nan=True)
    assert scores["recall"].tolist() == pytest.approx([3 / 4, 0, math.nan], nan_ok=True)


def test_a_score_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match='score must be one of recall, f1, iou, but it is "precision"'):
        ClassMean("precision", 3)
