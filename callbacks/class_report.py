"""What a classifier is worth class by class, and whether its probabilities can be believed.

Letters: R replicas, B batch, N samples, C classes.
"""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

from callbacks.observing import class_names_of, evaluated, gather, log_replicas
from lab.figures import save_figure
from lab.files import written_whole
from lab.run_folder import run_dir
from lab.titles import joined, replicas_of, title_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 15
SCORES = ("precision", "recall", "f1")
Row = tuple[str, int, float, float, float]  # a class, its samples, and its scores
UNDEFINED = "–: the precision of a class never predicted, the recall of one without samples; left out of every mean"


class ClassReport(Callback):
    """At the end of a test, a table of the classes and a figure of the calibration.

    ``class_report.csv`` in the run folder, also printed: each class with its number of samples, precision, recall
    and F1 score, the most frequent first; an undefined score is an empty cell, and a dash in print, see
    ``class_scores``. ``reliability_<step>.png``, and ``test/ece``: the expected calibration error of "On Calibration of
    Modern Neural Networks" (Guo et al., 2017), https://arxiv.org/abs/1706.04599: the mean distance of confidence and
    accuracy in 15 equal bins of the confidence, weighted by samples. Of R > 1 replicas the scores are means over the
    replicas, beside their standard deviations ``…_std``.

    Works for a task whose test steps return ``{"logits": (B, C) or (R, B, C), "labels": (B,)}``.
    """

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.logits: list[Tensor] = []
        self.labels: list[Tensor] = []

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, *args: Any
    ) -> None:
        logits, labels = evaluated(outputs)
        self.logits.append(logits.cpu())
        self.labels.append(labels.cpu())

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        empty = torch.zeros(0, dtype=torch.long)
        both = (torch.cat(self.logits, dim=1) if self.logits else None, torch.cat([empty, *self.labels]))
        parts = gather(trainer, both)
        logits = torch.cat([of_process for of_process, _ in parts if of_process is not None], dim=1)
        labels = torch.cat([of_process for _, of_process in parts])
        confidence, predicted = logits.softmax(dim=2).max(dim=2)  # (R, N)
        right = predicted == labels
        bins = [calibration_bins(*of_replica) for of_replica in zip(confidence, right, strict=True)]
        errors = torch.tensor([expected_calibration_error(*of_replica) for of_replica in bins])
        log_replicas(pl_module, "test/ece", errors)
        folder = run_dir(trainer)
        if folder is None or not trainer.is_global_zero:
            return
        names, shown = class_names_of(trainer, logits.shape[2]), replicas_of(pl_module, "mean")
        tables = [class_scores(of_replica, labels, names) for of_replica in predicted]
        write_scores(tables, folder / "class_report.csv")
        rank_zero_info(print_scores(tables, shown))
        counts, *values = calibration_bins(confidence.flatten(), right.flatten())
        figure = draw_reliability(counts / len(bins), *values, joined(title_of(trainer), shown), float(errors.mean()))
        save_figure(figure, "reliability", trainer, shown)


def class_scores(predicted: Tensor, labels: Tensor, names: Sequence[str]) -> list[Row]:
    """For each class, the most frequent first: its name, samples, precision, recall and F1 score.

    They are scikit-learn's with ``zero_division=nan``: the precision of a class that is never predicted is NaN, so is
    the recall of one without samples, and the F1 score of one that is neither. The mean of the recalls that are left is
    the balanced accuracy, that of the F1 scores the macro F1 score.

    Shapes:
        predicted (N,), labels (N,)
    """
    from sklearn.metrics import precision_recall_fscore_support

    classes = list(range(len(names)))
    scores = precision_recall_fscore_support(labels, predicted, labels=classes, zero_division=math.nan)
    precision, recall, f1, samples = (values.tolist() for values in scores)
    return sorted(zip(names, samples, precision, recall, f1, strict=True), key=lambda row: -row[1])


def spread_of_scores(tables: Sequence[list[Row]]) -> list[tuple[str, int, list[float], list[float]]]:
    """For each class its name and samples, and over the replicas that have a score its mean and standard deviation."""
    spreads = []
    for rows in zip(*tables, strict=True):  # a class in every replica
        values = torch.tensor([row[2:] for row in rows], dtype=torch.float64)
        defined = (~values.isnan()).sum(dim=0)
        means = values.nanmean(dim=0)
        stds = ((values - means).square().nansum(dim=0) / (defined - 1).clamp(min=0)).sqrt()  # 0/0 of a single one
        spreads.append((rows[0][0], rows[0][1], means.tolist(), stds.tolist()))
    return spreads


def write_scores(tables: Sequence[list[Row]], path: Path) -> None:
    """The scores of each class as CSV, of several replicas the means and the standard deviations."""
    several = len(tables) > 1
    rows = [["class", "samples", *SCORES, *([*(f"{score}_std" for score in SCORES), "replicas"] if several else [])]]
    for name, count, means, stds in spread_of_scores(tables):
        values = ["" if math.isnan(value) else f"{value:.4f}" for value in (means + stds if several else means)]
        rows.append([name, str(count), *values, *([str(len(tables))] if several else [])])
    with written_whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def print_scores(tables: Sequence[list[Row]], shown: str) -> str:
    """The scores of each class as a table to read, with what a dash means and which replicas are shown."""
    rows = spread_of_scores(tables)
    width = max(len(name) for name, *_ in rows)
    lines = [f"{'':{width}}  samples  precision  recall     F1"]
    for name, count, means, _ in rows:
        p, r, f1 = ("–" if math.isnan(value) else f"{value:.3f}" for value in means)
        lines.append(f"{name:<{width}}  {count:>7}  {p:>9}  {r:>6}  {f1:>5}")
    undefined = any(math.isnan(value) for _, _, means, _ in rows for value in means)
    return "\n".join([*lines, *([UNDEFINED] if undefined else []), *([shown] if shown else [])])


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


def draw_reliability(
    counts: Tensor, confidence: Tensor, accuracy: Tensor, title: str, error: float | None = None
) -> "Figure":
    """Accuracy over confidence, which lies on the diagonal where probabilities can be believed, and how many are where.

    Args:
        counts: samples of each bin.
        confidence: their mean confidence.
        accuracy: their accuracy.
        title: what was tested.
        error: the expected calibration error; that of the bins when None.

    Shapes:
        all (15,), from ``calibration_bins``
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    error = expected_calibration_error(counts, confidence, accuracy) if error is None else error
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
