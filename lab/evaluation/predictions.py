"""What ``train.py predict`` leaves: a row for each sample in ``predictions.csv``, pictures, and words on the screen."""

import csv
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter
from torch import Tensor

from lab.evaluation.pictures import is_pictures, write_pictures
from lab.files import atomic_write
from lab.run_folder import run_dir
from lab.training.lightning_internals import attributes_of

SHOWN = 40  # rows on the screen
Cell = str | float | PurePosixPath
Row = tuple[int, list[Cell]]  # the index of a sample, and its values
Columns = dict[str, Tensor | Sequence[Cell]]


class PredictionsFile(BasePredictionWriter):
    """Writes what ``predict_step`` returns, a dictionary of columns, to ``<run>/predictions.csv``.

    The columns are the sample's index in the data, its name where the datamodule has ``sample_names``, then each tensor
    or list (B,) by its name and each tensor (B, C) by its name and column. Where one of them holds words, people want
    to read them: the first rows are printed as a table.
    Under several processes the rows of all are gathered and sorted.

    A datamodule with ``file_names`` has the name of each sample's file in the second column and, where a task predicts
    a ``class`` that has a name, that name in the third.

    A column of pictures, bytes (B, H, W) or (B, 3, H, W) or a list of B such, is written at full size to
    ``<run>/predictions/<name>_<index>.png`` by the process that has it, and the paths stand in its place: in the file
    and in what ``predict_step`` returned, so that Lightning, which keeps that to the end, keeps no pixels. A task may
    have ``palettes``, by the names of the columns: the colours by which pictures of one channel are seen.
    """

    def __init__(self) -> None:
        super().__init__(write_interval="batch_and_epoch")
        self.path: Path | None = None

    def write_on_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, prediction: Columns, batch_indices: Any, *_: Any, **__: Any
    ) -> None:
        names = getattr(attributes_of(trainer).datamodule, "sample_names", None)
        if names is not None and "name" not in prediction:
            columns = {**prediction}
            prediction.clear()  # what a sample is called comes first
            prediction.update(name=names(list(batch_indices)), **columns)
        for name, values in prediction.items():
            if is_pictures(name, values):
                palette = getattr(pl_module, "palettes", {}).get(name)
                prediction[name] = write_pictures(name, cast(Tensor, values), batch_indices, run_dir(trainer), palette)

    def write_on_epoch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        predictions: Sequence[Columns],
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
            header, rows = _with_names(_header(predictions[0]), rows, getattr(trainer, "datamodule", None))
            _write([["index", *header], *([index, *values] for index, values in rows)], self.path)
            if any(isinstance(value, str) for value in rows[0][1]):
                shown = _columns_shown(header, predictions[0])
                _show(header[:shown], [values[:shown] for _, values in rows])


def _with_names(header: list[str], rows: list[Row], data: Any) -> tuple[list[str], list[Row]]:
    """In front the file of each sample, and the name of its predicted class; where the data name none, as they are."""
    files, classes = getattr(data, "file_names", None), getattr(data, "class_names", None)
    if not files:
        return header, rows
    if "class" not in header or not classes:
        return ["file", *header], [(index, [files[index], *values]) for index, values in rows]
    place, names = header.index("class"), dict(enumerate(classes))
    named = [
        (index, [files[index], names.get(int(cast(float, values[place])), str(values[place])), *values])
        for index, values in rows
    ]
    return ["file", "class_name", *header], named


def _columns_shown(header: Sequence[str], batch: Columns) -> int:
    """All columns on the screen, but beside the names of files none that stands for many, such as a class each."""
    if header[0] != "file":
        return len(header)
    return len(header) - len(_header(batch)) + sum(getattr(values, "ndim", 1) == 1 for values in batch.values())


def _header(batch: Columns) -> list[str]:
    return [
        name if getattr(values, "ndim", 1) == 1 else f"{name}_{column}"
        for name, values in batch.items()
        for column in range(1 if getattr(values, "ndim", 1) == 1 else cast(Tensor, values).shape[1])
    ]


def _rows(batch: Columns) -> list[list[Cell]]:
    columns: list[Sequence[Cell]] = []
    for values in batch.values():
        if isinstance(values, Tensor):
            columns += [column.tolist() for column in values.reshape(len(values), -1).unbind(1)]
        else:
            columns.append(values)
    return [list(row) for row in zip(*columns, strict=True)]


def _show(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    """Print the first rows, columns of words to the left and numbers to the right."""
    cells = [[name.replace("_", " ") for name in header]]
    cells += [[f"{value:.3f}" if isinstance(value, float) else str(value) for value in row] for row in rows[:SHOWN]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        aligned = [
            f"{cell:>{width}}" if isinstance(value, float) else f"{cell:<{width}}"
            for cell, width, value in zip(row, widths, rows[0], strict=True)
        ]
        print("  ".join(aligned).rstrip())
    if len(rows) > SHOWN:
        print(f"… and {len(rows) - SHOWN} more rows in the file.")


def _write(rows: list[list[Any]], path: Path) -> None:
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [f"{value:.6g}" if isinstance(value, float) else value for value in row] for row in rows
        )
