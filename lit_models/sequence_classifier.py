"""Classification of sequences of tokens.

The training and evaluation steps are in ``classifier.py``; the optimizer, its schedule and checkpoints in ``task.py``.
"""

from typing import Any

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy

from lit_models.class_averages import ClassMean
from lit_models.class_counts import check_vocabulary, names_of_outputs
from lit_models.classifier import LitClassifier

SHOWN = 3  # classes of a prediction


class LitSequenceClassifier(LitClassifier):
    r"""Trains a network that maps sequences of tokens to logits with the cross-entropy.

    loss = −log softmax(net(tokens, lengths))_label, averaged over the batch; logs ``train/loss``, and for ``val`` and
    ``test`` the ``loss``, the accuracy ``acc``, and for unbalanced classes ``balanced_acc``, the mean over the classes
    of their recall, and ``macro_f1``, the mean of their F1 scores. For a class without samples see ``ClassMean``.

    Args:
        net: from tokens (B, T) and lengths (B,) to logits (B, C).
        num_classes: number of classes C, ≥ 2.
        label_smoothing: share of the target spread evenly over the classes in training, in [0, 1).
        optimizer: from parameters to an optimizer; AdamW with torch's defaults when None.
        scheduler: from an optimizer to a learning-rate scheduler; see ``LitTask``.

    Shapes:
        batch: tokens (B, T), lengths (B,), labels (B,) of integers in [0, C)

    Raises:
        ValueError: when an argument is out of its range, or the data or the network do not have ``num_classes``.
    """

    def __init__(
        self,
        net: nn.Module,
        num_classes: int,
        label_smoothing: float = 0.0,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        def metrics() -> dict[str, Metric]:
            return {
                "acc": MulticlassAccuracy(num_classes, average="micro"),
                "balanced_acc": ClassMean("recall", num_classes),
                "macro_f1": ClassMean("f1", num_classes),
            }

        super().__init__(net, num_classes, label_smoothing, metrics, optimizer, scheduler)
        self.save_arguments()

    def check_classes(self, exact: bool) -> None:
        """Raise ValueError unless the classes and the tokens of the task and the network are those of the data."""
        super().check_classes(exact)
        check_vocabulary(self.datamodule, self.net, exact)

    def setup(self, stage: str) -> None:
        """Check ``num_classes`` against data and network, and that ``predict`` was given names to classify."""
        super().setup(stage)
        if stage == "predict" and getattr(self.datamodule, "num_written", None) is not None:
            raise ValueError("a classifier reads names and writes none: leave out data.num_written.")

    def predict_step(self, batch: tuple[Any, ...], batch_idx: int) -> dict[str, Any]:
        """For each sequence its text, how it was read, and the three most probable classes with their probabilities.

        Shapes:
            tokens (B, T), lengths (B,), texts, B strings -> columns of B values
        """
        tokens, lengths, texts = batch
        data = self.datamodule
        names = names_of_outputs(data, self.num_classes)
        probabilities, classes = self.net(tokens, lengths).float().softmax(dim=-1).topk(min(SHOWN, self.num_classes))
        columns: dict[str, Any] = {"name": texts, "read_as": data.decode(tokens)}
        for place in range(classes.shape[1]):
            columns[f"class_{place + 1}"] = [names[number] for number in classes[:, place].tolist()]
            columns[f"probability_{place + 1}"] = probabilities[:, place]
        return columns
