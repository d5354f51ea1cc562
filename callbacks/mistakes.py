"""Which classes a classifier confuses, and where it is wrong with the most confidence."""

from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.observing import class_names_of, evaluated, gather
from lab.figures import save_figure
from lab.titles import data_name, joined, replicas_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Wrong = tuple[float, int, int, Tensor]  # probability, predicted class, label, image


class Mistakes(Callback):
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
        self.wrong: list[Wrong] = []

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


def draw_confusion_matrix(counts: Tensor, names: list[str], title: str) -> "Figure":
    """How often each class (rows) is taken for each class (columns), mistakes in red.

    Args:
        counts: how often.
        names: the name of each class.
        title: which split of which data it is; how many are right is added.

    Shapes:
        counts (C, C) of integers, label × prediction
    """
    from matplotlib.figure import Figure

    total, right = int(counts.sum()), int(counts.trace())
    side = 0.52 * len(names)
    figure = Figure(figsize=(side + 1.8, side + 1.6), layout="constrained")
    axes = figure.subplots()
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    wrong = shares.clone().fill_diagonal_(0)
    axes.imshow(wrong.numpy(), cmap="Reds", vmin=0, vmax=max(0.02, 1.6 * float(wrong.max())))
    for label in range(len(names)):
        for predicted in range(len(names)):
            if count := int(counts[label, predicted]):
                weight = "bold" if label == predicted else "normal"
                axes.text(predicted, label, str(count), ha="center", va="center", fontsize=9, fontweight=weight)
    rotation = 0 if max(map(len, names)) <= 2 else 45
    axes.set_xticks(range(len(names)), names, rotation=rotation, ha="center" if rotation == 0 else "right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks([edge - 0.5 for edge in range(len(names) + 1)], minor=True)
    axes.set_yticks([edge - 0.5 for edge in range(len(names) + 1)], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(f"{title}: {right} of {total} right ({right / total:.2%})", fontsize=11)
    return figure


def draw_wrong_examples(wrong: list[Wrong], names: list[str], title: str) -> "Figure":
    """Images with what they are and what they were taken for, the surest mistake first."""
    from matplotlib.figure import Figure

    columns = min(8, len(wrong))
    rows = -(-len(wrong) // columns)
    figure = Figure(figsize=(max(1.5 * columns, 4.5), 1.95 * rows + 0.5), layout="constrained")
    figure.suptitle(f"{title}: most confidently wrong", fontsize=12)
    for axes in (grid := figure.subplots(rows, columns, squeeze=False)).flat:
        axes.set_axis_off()
    for axes, (probability, predicted, label, image) in zip(grid.flat, wrong, strict=False):
        axes.imshow(image.float().movedim(0, -1).squeeze(-1).numpy(), cmap="gray_r" if len(image) == 1 else None)
        axes.set_title(f"is {names[label]}\nread {names[predicted]} ({probability:.0%})", fontsize=9)
    return figure
