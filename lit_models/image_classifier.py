"""Classification of whole images."""

from typing import Any

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassAccuracy

from lit_models.task import LitTask


class LitImageClassifier(LitTask):
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
        super().__init__(net, optimizer, scheduler)
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, but it is {num_classes}.")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), but it is {label_smoothing}.")
        self.save_arguments()
        self.num_classes, self.label_smoothing = num_classes, label_smoothing
        self.val_acc = MulticlassAccuracy(num_classes, average="micro")
        self.test_acc = MulticlassAccuracy(num_classes, average="micro")

    def setup(self, stage: str) -> None:
        """Hold the number of classes of the data and of the network against ``num_classes``."""
        in_data = getattr(self.trainer.datamodule, "num_classes", self.num_classes)
        in_net = getattr(self.net, "num_classes", self.num_classes)
        if in_data > self.num_classes or in_net != self.num_classes:
            raise ValueError(
                f"the data has {in_data} classes, the task num_classes={self.num_classes} and the network "
                f"{in_net} outputs: set model.num_classes and model.net.num_classes to {in_data}."
            )

    def forward(self, images: Tensor) -> Tensor:
        """The logits (B, C) of the images."""
        return self.net(images)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        loss = F.cross_entropy(self.net(images), labels, label_smoothing=self.label_smoothing)
        return self.track(loss, len(labels))

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        return self._evaluate("val", self.val_acc, batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> dict[str, Tensor]:
        return self._evaluate("test", self.test_acc, batch)

    def predict_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> dict[str, Tensor]:
        """The most probable class, its probability, and the probabilities of all classes.

        Shapes:
            images (B, I, S, S) -> class (B,), probability (B,), probabilities (B, C)
        """
        probabilities = self.net(batch[0]).float().softmax(dim=-1)
        probability, predicted = probabilities.max(dim=-1)
        return {"class": predicted, "probability": probability, "probabilities": probabilities}

    def _evaluate(self, split: str, accuracy: MulticlassAccuracy, batch: tuple[Tensor, Tensor]) -> dict[str, Any]:
        images, labels = batch
        logits = self.net(images)
        loss = F.cross_entropy(logits, labels)
        accuracy.update(logits, labels)
        self.log(f"{split}/loss", loss, batch_size=len(labels), sync_dist=True)
        self.log(f"{split}/acc", accuracy, batch_size=len(labels))
        return {"loss": loss, "logits": logits.detach(), "labels": labels}
