"""Precision, recall and F1 score of each class, and the calibration of a classifier.

Letters: R replicas, B batch, N samples, C classes.
"""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info
from rich.console import Console
from rich.table import Table
from torch import Tensor

from callbacks.calibration import calibration_bins, expected_calibration_error
from callbacks.observing import class_names_of, evaluated, gather, log_replicas
from figures import draw_reliability
from lab.figures import save_figure
from lab.files import atomic_write
from lab.run_folder import run_dir
from lab.titles import joined, replicas_of, title_of

SCORES = ("precision", "recall", "f1")
Row = tuple[str, int, float, float, float]  # a class, its samples, and its scores
UNDEFINED = "–: the precision of a class never predicted, the recall of one without samples; left out of every mean"


class ClassificationReport(Callback):
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
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def print_scores(tables: Sequence[list[Row]], shown: str) -> str:
    """The scores of each class as a table, with the meaning of a dash and which replicas are shown."""
    rows = spread_of_scores(tables)
    table = Table("", box=None, pad_edge=False)
    for heading in ("samples", "precision", "recall", "F1"):
        table.add_column(heading, justify="right")
    for name, count, means, _ in rows:
        table.add_row(name, str(count), *("–" if math.isnan(value) else f"{value:.3f}" for value in means))
    console = Console(file=io.StringIO(), width=10_000, color_system=None, markup=False, emoji=False, highlight=False)
    with console.capture() as printed:
        console.print(table)
    lines = [line.rstrip() for line in printed.get().splitlines()]
    undefined = any(math.isnan(value) for _, _, means, _ in rows for value in means)
    return "\n".join([*lines, *([UNDEFINED] if undefined else []), *([shown] if shown else [])])
