"""The logger that owns the run folder."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter

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


def run_dir(trainer: "Trainer") -> Path | None:
    """The run folder of a trainer, or None when its run leaves no files (a fast development run, no logger)."""
    return next((Path(logger.log_dir) for logger in trainer.loggers if isinstance(logger, CSVLogger)), None)


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
