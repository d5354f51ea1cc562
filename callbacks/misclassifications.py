"""The confusion matrix of a classifier, and the examples that it gets wrong with the highest confidence."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.observing import class_names_of, evaluated, gather
from figures import draw_confusion_matrix, draw_wrong_examples
from figures.confusion import WrongExample
from lab.figures import save_figure
from lab.titles import data_name, joined, replicas_of


class Misclassifications(Callback):
    """Draws a confusion matrix and the most confidently wrong examples, of validation and of test.

    Works for a task whose evaluation steps return ``{"logits": (B, C), "labels": (B,)}``, or logits (R, B, C) of R
    replicas, whose predictions are counted together; examples are shown where the batches are ``(images, labels)``.
    Draws when training ends, from the last validation epoch, and when testing ends.

    Args:
        num_examples: how many wrong examples are shown at most, ≥ 1.

    Raises:
        ValueError: when ``num_examples`` is below 1.
    """

    def __init__(self, num_examples: int = 16) -> None:
        if num_examples < 1:
            raise ValueError(f"num_examples must be at least 1, but it is {num_examples}.")
        self.num_examples = num_examples
        self._forget()

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._forget()

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._forget()

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *args: Any
    ) -> None:
        if not trainer.sanity_checking:
            self._remember(outputs, batch)

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *args: Any
    ) -> None:
        self._remember(outputs, batch)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, pl_module, "test")

    def _forget(self) -> None:
        self.counts: Tensor | None = None
        self.wrong: list[WrongExample] = []

    def _remember(self, outputs: dict[str, Tensor], batch: Any) -> None:
        logits, labels = evaluated(outputs)
        num_replicas, _, num_classes = logits.shape
        probability, predicted = logits.flatten(0, 1).softmax(dim=-1).max(dim=-1)
        labels = labels.repeat(num_replicas)
        inputs = batch[0] if isinstance(batch, tuple | list) else logits[0]  # a graph has no input a label
        counts = torch.bincount(labels * num_classes + predicted, minlength=num_classes**2).cpu()
        self.counts = counts if self.counts is None else self.counts + counts
        wrong = (predicted != labels).nonzero()[:, 0]
        surest = wrong[probability[wrong].argsort(descending=True)[: self.num_examples]].tolist()
        self.wrong += [
            (float(probability[i]), int(predicted[i]), int(labels[i]), inputs[i % len(inputs)].cpu()) for i in surest
        ]
        self.wrong = sorted(self.wrong, key=lambda item: -item[0])[: self.num_examples]

    def _draw(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        parts = [part for part in gather(trainer, (self.counts, self.wrong)) if part[0] is not None]
        if not parts or not trainer.is_global_zero:
            return
        counts = torch.stack([part[0] for part in parts]).sum(dim=0)
        counts = counts.view(int(len(counts) ** 0.5), -1)
        wrong = sorted((item for part in parts for item in part[1]), key=lambda item: -item[0])[: self.num_examples]
        names, shown = class_names_of(trainer, len(counts)), replicas_of(pl_module, "all")
        title = joined(data_name(trainer), split, shown)
        save_figure(draw_confusion_matrix(counts, names, title), f"confusion_matrix_{split}", trainer, shown)
        if wrong and wrong[0][3].ndim == 3:
            save_figure(draw_wrong_examples(wrong, names, title), f"wrong_examples_{split}", trainer, shown)
