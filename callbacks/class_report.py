"""What a classifier is worth class by class, and whether its probabilities can be believed."""

from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from callbacks.observing import gather
from lab.figures import save_figure
from lab.files import written_whole
from lab.loggers import run_dir
from nets.labels import check_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 15


class ClassReport(Callback):
    """At the end of a test, a table of the classes and a figure of the calibration.

    ``class_report.csv`` in the run folder, also printed: each class with its number of samples, precision, recall
    and F1 score, the most frequent first. ``reliability_<step>.png``, and ``test/ece``: the expected calibration error
    of "On Calibration of Modern Neural Networks" (Guo et al., 2017), https://arxiv.org/abs/1706.04599: the mean
    distance of confidence and accuracy in 15 equal bins of the confidence, weighted by samples.

    Works for a task whose test steps return ``{"logits": (B, C), "labels": (B,)}``.
    """

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.logits: list[Tensor] = []
        self.labels: list[Tensor] = []

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *args: Any
    ) -> None:
        self.logits.append(outputs["logits"].float().cpu())
        self.labels.append(check_labels(outputs["labels"], outputs["logits"].shape[-1], ndim=1).cpu())

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        empty = torch.zeros(0, dtype=torch.long)
        parts = gather(trainer, (torch.cat([*self.logits]) if self.logits else None, torch.cat([empty, *self.labels])))
        logits = torch.cat([of_process for of_process, _ in parts if of_process is not None])
        labels = torch.cat([of_process for _, of_process in parts])
        confidence, predicted = logits.softmax(dim=1).max(dim=1)
        bins = calibration_bins(confidence, predicted == labels)
        pl_module.log("test/ece", expected_calibration_error(*bins), rank_zero_only=True)
        names = getattr(trainer.datamodule, "class_names", None) or [str(n) for n in range(logits.shape[1])]
        rows = class_scores(predicted, labels, names)
        folder = run_dir(trainer)
        if folder is None or not trainer.is_global_zero:
            return
        with written_whole(folder / "class_report.csv") as part:
            lines = ["class,samples,precision,recall,f1"]
            lines += [",".join([name, str(count), *(f"{v:.4f}" for v in values)]) for name, count, *values in rows]
            part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        width = max(map(len, names))
        table = [f"{'':{width}}  samples  precision  recall     F1"]
        table += [f"{name:<{width}}  {n:>7}  {p:>9.3f}  {r:>6.3f}  {f1:>5.3f}" for name, n, p, r, f1 in rows]
        rank_zero_info("\n".join(table))
        save_figure(draw_reliability(*bins, folder.parent.name), "reliability", trainer)


def class_scores(predicted: Tensor, labels: Tensor, names: list[str]) -> list[tuple[str, int, float, float, float]]:
    """For each class, the most frequent first: its name, samples, precision, recall and F1 score (0 where undefined).

    Shapes:
        predicted (N,), labels (N,)
    """
    from sklearn.metrics import precision_recall_fscore_support

    classes = list(range(len(names)))
    scores = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=0.0)
    precision, recall, f1, samples = (values.tolist() for values in scores)
    return sorted(zip(names, samples, precision, recall, f1, strict=True), key=lambda row: -row[1])


def calibration_bins(confidence: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """In 15 equal bins (lower, upper] of the confidence: the samples, their mean confidence, and their accuracy.

    Shapes:
        confidence (N,) in [0, 1], right (N,) -> each (15,); confidence and accuracy are 0 in an empty bin
    """
    edges = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)[1:-1]
    number = torch.bucketize(confidence.double(), edges)
    counts = torch.bincount(number, minlength=BINS).double()
    sums = [torch.bincount(number, values.double(), minlength=BINS) for values in (confidence, right)]
    return counts, sums[0] / counts.clamp(min=1), sums[1] / counts.clamp(min=1)


def expected_calibration_error(counts: Tensor, confidence: Tensor, accuracy: Tensor) -> float:
    """The mean of |accuracy − confidence| over the bins, weighted by their samples."""
    return float(((accuracy - confidence).abs() * counts).sum() / counts.sum())


def draw_reliability(counts: Tensor, confidence: Tensor, accuracy: Tensor, title: str) -> "Figure":
    """Accuracy over confidence, which lies on the diagonal where probabilities can be believed, and how many are where.

    Shapes:
        all (15,), from ``calibration_bins``
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    error = expected_calibration_error(counts, confidence, accuracy)
    filled, centres, width = counts > 0, (torch.arange(BINS) + 0.5) / BINS, 1 / BINS
    above.bar(centres[filled].numpy(), accuracy[filled].numpy(), 0.9 * width, color="C0", label="accuracy")
    above.plot(confidence[filled].numpy(), accuracy[filled].numpy(), "ko", markersize=3, label="at the mean confidence")
    above.plot([0, 1], [0, 1], "k--", linewidth=1, label="as probable as it says")
    above.set_title(f"{title}: expected calibration error {error:.3f}", fontsize=11)
    above.set_ylabel("accuracy")
    above.set_xlim(0, 1)
    above.set_ylim(0, 1)
    above.legend(fontsize=9)
    below.bar(centres.numpy(), counts.numpy(), 0.9 * width, color="C7")
    below.set_xlabel("confidence: probability of the predicted class")
    below.set_ylabel("samples")
    return figure
