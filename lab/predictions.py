"""What ``train.py predict`` leaves: one row a sample in ``predictions.csv``."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from lab.files import written_whole
from lab.loggers import run_dir


class PredictionsFile(BasePredictionWriter):
    """Writes what ``predict_step`` returns, a dictionary of tensors, to ``<run>/predictions.csv``.

    The columns are the sample's index in the data, then each tensor (B,) by its name and each (B, C) by its name and
    column. Under several processes the rows of all are gathered and sorted.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="epoch")
        self.path: Path | None = None

    def write_on_epoch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        predictions: Sequence[dict[str, Tensor]],
        batch_indices: Sequence[Any],
    ) -> None:
        indices = [index for loader in batch_indices for batch in loader for index in batch]
        rows = sorted(zip(indices, (row for batch in predictions for row in _rows(batch)), strict=True))
        if trainer.world_size > 1:
            gathered: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(gathered, rows)
            rows = sorted(row for part in gathered for row in part)
        folder = run_dir(trainer)
        if folder is not None and trainer.is_global_zero:
            self.path = folder / "predictions.csv"
            _write([["index", *_columns(predictions[0])], *([index, *values] for index, values in rows)], self.path)


def _columns(batch: dict[str, Tensor]) -> list[str]:
    return [
        name if tensor.ndim == 1 else f"{name}_{column}"
        for name, tensor in batch.items()
        for column in range(1 if tensor.ndim == 1 else tensor.shape[1])
    ]


def _rows(batch: dict[str, Tensor]) -> list[list[float]]:
    columns = [column.tolist() for tensor in batch.values() for column in tensor.reshape(len(tensor), -1).unbind(1)]
    return [list(row) for row in zip(*columns, strict=True)]


def _write(rows: list[list[Any]], path: Path) -> None:
    with written_whole(path) as part, part.open("w", newline="") as file:
        csv.writer(file).writerows(
            [f"{value:.6g}" if isinstance(value, float) else value for value in row] for row in rows
        )
