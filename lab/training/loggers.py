"""The logger that owns the run folder, and TensorBoard's beside it."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only

from lab.files import atomic_write, complete_lines
from lab.training.lightning_internals import RowsBase


class AppendingCSVWriter(RowsBase):
    """Writes ``metrics.csv`` so that a process killed at any moment loses no row that was there before.

    Rows are added at its end. Where a metric is new, and with it a column, the whole file is written anew, to a
    temporary name. Lightning's writer deletes the file of an earlier run, and writes over one that it is to extend.
    """

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir=log_dir)
        self.path = Path(self.metrics_file_path)
        self.metrics_keys, rows, torn = _read(self.path)
        self.count = len(rows)
        if torn:
            self.rewrite(rows)

    def save(self) -> None:
        if self.new_columns():
            self.rewrite([*_read(self.path)[1], *self.metrics])
        elif self.metrics:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, self.metrics_keys).writerows(self.metrics)
            self.count += len(self.metrics)
        self.metrics = []

    def rewrite(self, rows: list[dict[str, Any]]) -> None:
        """Write these rows instead of those that are there."""
        with atomic_write(self.path) as part, part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.metrics_keys)
            writer.writeheader()
            writer.writerows(rows)
        self.count = len(rows)

    def forget(self, count: int, step: int) -> None:
        """Drop the rows of a run that went on beyond the checkpoint that it is resumed from, but no result of a test.

        Args:
            count: so many rows were there when the checkpoint was taken.
            step: rows of earlier steps are kept too: they were written a moment later.
        """
        _, rows, _ = _read(self.path)
        kept = [row for index, row in enumerate(rows) if index < count or int(row["step"]) < step or _is_test(row)]
        if len(kept) < len(rows):
            self.rewrite(kept)


class RunLogger(CSVLogger):
    """A CSVLogger that continues the ``metrics.csv`` of its run folder, where Lightning's deletes it.

    So a resumed run keeps its history, and ``test`` adds its row to that of ``fit``, at the step of its checkpoint.

    Args:
        first_step: the step of the checkpoint that a command starts from.
        *arguments: those of CSVLogger.
        **keywords: those of CSVLogger.
    """

    def __init__(self, *arguments: Any, first_step: int = 0, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.first_step = first_step

    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        super().log_metrics(metrics, max(step or 0, self.first_step - 1))

    def log_hyperparams(self, params: Any = None) -> None:
        """Nothing: the run's ``config.yaml`` says more, and a network built in Python would be spelt out in numbers."""

    @property
    @rank_zero_experiment
    def experiment(self) -> AppendingCSVWriter:
        if self._experiment is None:
            self._experiment = AppendingCSVWriter(self.log_dir)
        return cast(AppendingCSVWriter, self._experiment)


class BatchedTensorBoardLogger(TensorBoardLogger):
    """A TensorBoardLogger that writes all metrics of a step as one event.

    Lightning's writes one for each, which takes 60 µs apiece: too long for what is logged of every time step.

    Args:
        first_step: the step of the checkpoint that a command starts from.
        *arguments: those of TensorBoardLogger.
        **keywords: those of TensorBoardLogger.
    """

    def __init__(self, *arguments: Any, first_step: int = 0, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.first_step = first_step

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        step = max(step or 0, self.first_step - 1)
        writer = self.experiment.file_writer
        if writer is None or any(isinstance(value, dict) for value in metrics.values()):
            # Closed at the end of training: a test after it opens another. And several curves in one chart.
            super().log_metrics(metrics, step)
            return
        values = [Summary.Value(tag=name, simple_value=float(value)) for name, value in metrics.items()]
        writer.add_summary(Summary(value=values), step)


def _is_test(row: dict[str, Any]) -> bool:
    return any(key.startswith("test/") or "/test_" in key for key in row)


def _read(path: Path) -> tuple[list[str], list[dict[str, Any]], bool]:
    """The columns and rows of a file, and whether its last line is left out, which a killed process did not end."""
    if not path.is_file():
        return [], [], False
    lines, torn = complete_lines(path)
    rows = csv.DictReader(lines)
    return list(rows.fieldnames or []), [{key: row[key] for key in row if key and row[key]} for row in rows], torn


def loggers_of(folder: Path, first_step: int, logger: Any) -> list[Logger]:
    """The logger that owns a folder of results first, then those of the config; TensorBoard when it names none.

    Args:
        folder: a run folder, or that of one of its evaluations.
        first_step: the step of the checkpoint that a command starts from.
        logger: ``trainer.logger`` of the configuration, built.
    """
    place = {"save_dir": folder.parent.parent, "name": folder.parent.name, "version": folder.name}
    own = RunLogger(**place, first_step=first_step)
    if logger is None or logger is True:
        logger = BatchedTensorBoardLogger(**place, first_step=first_step, default_hp_metric=False)
    return [own, *(logger if isinstance(logger, list) else [logger] if logger else [])]


def name_project(logger: Any, name: str, folder: Path) -> None:
    """Give Weights & Biases, where a configuration has it, the name and the folder of a run.

    Args:
        logger: ``trainer.logger`` of the configuration.
        name: the name of the run's config, for a project that has no other.
        folder: the run folder.
    """
    for item in logger if isinstance(logger, list) else [logger]:
        if str(getattr(item, "class_path", "")).endswith("WandbLogger"):
            if item.init_args.project in (None, "lightning_logs"):
                item.init_args.project = name
            item.init_args.save_dir = str(folder)
