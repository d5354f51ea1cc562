"""The logger that owns the run folder, and TensorBoard's beside it."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.utilities import rank_zero_only

if TYPE_CHECKING:
    from lightning.pytorch import Trainer


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
    def experiment(self) -> ExperimentWriter:
        if self._experiment is None:
            path = Path(self.log_dir) / ExperimentWriter.NAME_METRICS_FILE
            earlier = _read_rows(path)
            path.unlink(missing_ok=True)  # its writer would warn, then delete it
            self._experiment = ExperimentWriter(log_dir=self.log_dir)
            self._experiment.metrics = earlier
            self._experiment.save()
        return self._experiment

    def forget_after(self, step: int) -> None:
        """Drop the rows of a run that went on beyond the checkpoint it is resumed from."""
        writer = self.experiment
        path = Path(writer.metrics_file_path)
        writer.metrics = [row for row in _read_rows(path) if int(row["step"]) < step]
        path.unlink(missing_ok=True)
        writer.save()


class EventLogger(TensorBoardLogger):
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
    def log_metrics(self, metrics: dict[str, Any], step: int | None = None) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        step = max(step or 0, self.first_step - 1)
        writer = self.experiment.file_writer
        if writer is None or any(isinstance(value, dict) for value in metrics.values()):
            # Closed at the end of training: a test after it opens another. And several curves in one chart.
            super().log_metrics(metrics, step)
            return
        values = [Summary.Value(tag=name, simple_value=float(value)) for name, value in metrics.items()]
        writer.add_summary(Summary(value=values), step)


def run_dir(trainer: "Trainer") -> Path | None:
    """The run folder of a trainer, or None when its run leaves no files (a fast development run, no logger)."""
    return next((Path(logger.log_dir) for logger in trainer.loggers if isinstance(logger, CSVLogger)), None)


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
