"""Classification of images.

The training and evaluation steps are in ``classifier.py``; the optimizer, its schedule and checkpoints in ``task.py``.
"""

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy

from lit_models.classifier import LitClassifier


class LitImageClassifier(LitClassifier):
    r"""Trains a network that maps images to logits with the cross-entropy.

    loss = −log softmax(net(image))_label, averaged over the batch; logs ``train/loss``, ``val/loss``, ``val/acc``,
    ``test/loss`` and ``test/acc``, each exact over processes and over a last batch that is smaller.

    Args:
        net: from images (B, I, S, S) to logits (B, C).
        num_classes: number of classes C, ≥ 2.
        label_smoothing: share of the target spread evenly over the classes in training, in [0, 1).
        optimizer: from parameters to an optimizer; AdamW with torch's defaults when None.
        scheduler: from an optimizer to a learning-rate scheduler; see ``LitTask``.

    Shapes:
        batch: images (B, I, S, S), labels (B,) of integers in [0, C)

    Raises:
        ValueError: when an argument is out of its range, or the data or the network do not have ``num_classes``.
    """

    def __init__(
        self,
        net: nn.Module,
        num_classes: int = 10,
        label_smoothing: float = 0.0,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        def metrics() -> dict[str, Metric]:
            return {"acc": MulticlassAccuracy(num_classes, average="micro")}

        super().__init__(net, num_classes, label_smoothing, metrics, optimizer, scheduler)
        self.save_arguments()

    def predict_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> dict[str, Tensor]:
        """The most probable class, its probability, and the probabilities of all classes.

        Shapes:
            images (B, I, S, S) -> class (B,), probability (B,), probabilities (B, C)
        """
        probabilities = self.net(batch[0]).float().softmax(dim=-1)
        probability, predicted = probabilities.max(dim=-1)
        return {"class": predicted, "probability": probability, "probabilities": probabilities}
