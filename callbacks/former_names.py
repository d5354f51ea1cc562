"""Callbacks under the names that they had before, so that configs with these names still work."""

from lightning.pytorch.utilities import rank_zero_info

from callbacks.classification_report import ClassificationReport
from callbacks.misclassifications import Misclassifications

RENAMED = "callbacks.{} is now called callbacks.{}: the old name works, and means the same."


class ClassReport(ClassificationReport):
    """The former name of ``ClassificationReport``."""

    def __init__(self) -> None:
        rank_zero_info(RENAMED.format("ClassReport", "ClassificationReport"))


class Mistakes(Misclassifications):
    """The former name of ``Misclassifications``.

    Args:
        num_examples: how many wrong examples are shown at most, ≥ 1.

    Raises:
        ValueError: when ``num_examples`` is below 1.
    """

    def __init__(self, num_examples: int = 16) -> None:
        super().__init__(num_examples)
        rank_zero_info(RENAMED.format("Mistakes", "Misclassifications"))
