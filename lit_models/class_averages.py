"""What a class without samples counts for in a mean over classes: nothing, in every task.

Letters: C classes.
"""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix


def class_scores(confusion: Tensor) -> dict[str, Tensor]:
    r"""The recall, the F1 score (of pixels: the Dice coefficient) and the intersection over union of each class.

        recall = TP / (TP + FN),   F1 = 2 TP / (2 TP + FP + FN),   IoU = TP / (TP + FP + FN)

    A score whose denominator is 0 is undefined, and NaN: the recall of a class that is not in the truth, F1 and IoU of
    one that is in neither truth nor prediction. A class that is only predicted has F1 = IoU = 0.

    Args:
        confusion: samples or pixels by true class (rows) and predicted class (columns), as torchmetrics'
            ConfusionMatrix.

    Shapes:
        (C, C) -> "recall", "f1" and "iou", (C,) each
    """
    confusion = confusion.double()
    right, true, predicted = confusion.diagonal(), confusion.sum(dim=1), confusion.sum(dim=0)
    return {
        "recall": right / true,
        "f1": 2 * right / (true + predicted),
        "iou": right / (true + predicted - right),
    }


def mean_over_classes(scores: Tensor) -> Tensor:
    """The mean of the classes that have a score; NaN where none has.

    Of ``class_scores`` it is scikit-learn's ``balanced_accuracy_score``, ``f1_score`` and ``jaccard_score`` with
    ``average="macro"``. (torchmetrics' macro recall counts a class that is predicted alone as 0.)

    Shapes:
        (C,), NaN where undefined -> ()
    """
    return scores.nanmean()


class ClassMean(MulticlassConfusionMatrix):
    """The mean over classes of one of the ``class_scores``, exact over batches and processes.

    Args:
        score: "recall", "f1" or "iou".
        num_classes: number of classes C, ≥ 2.
        **arguments: those of torchmetrics' MulticlassConfusionMatrix, such as ``ignore_index``.

    Shapes:
        update with logits (B, C) or classes (B,), labels (B,) -> compute ()

    Raises:
        ValueError: when there is no such score.
    """

    higher_is_better = True

    def __init__(self, score: str, num_classes: int, **arguments: Any) -> None:
        super().__init__(num_classes, **arguments)
        known = tuple(class_scores(torch.zeros(1, 1)))
        if score not in known:
            raise ValueError(f'score must be one of {", ".join(known)}, but it is "{score}".')
        self.score = score

    def compute(self) -> Tensor:
        return mean_over_classes(class_scores(super().compute())[self.score]).float()
