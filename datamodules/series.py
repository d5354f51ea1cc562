"""Series of numbers in a CSV file, and a target of each step.

Letters: B samples, T steps, I inputs, N rows.
"""

from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.fractions import check_fractions
from datamodules.in_memory import InMemoryDataModule, InMemoryDataset
from datamodules.series_files import Sample, cut_windows, numeric_columns, sequences_of, split_by_time
from datamodules.tables import Table, read_table, tell_constant
from lab.errors import LabError


class SeriesDataModule(InMemoryDataModule):
    """Rows of a CSV file in the order of time, of which a network reads the inputs and tells the target at each step.

    A sample is a window of ``window`` rows, or where None a whole sequence. Inputs and target are standardised by the
    mean and the standard deviation of the training rows, which a checkpoint keeps; losses are in these units.

    To predict, a file needs no target. A row of predictions names the file's lines of its sample.

    Args:
        path: the CSV file, with a header.
        target: the column to be told.
        inputs: the columns that are read; all columns of numbers but the target and the sequence when None, and where
            there is no other the target itself.
        sequence: the column that tells sequences apart; all rows are one when None.
        window: steps T of a sample, ≥ 1; None for whole sequences, all of one length.
        stride: rows from one window to the next, ≥ 1.
        horizon: rows from an input to the target that is told at its step, ≥ 0; with 1 the next one is forecast.
        split_by: "time", the first rows of each sequence train, the next validate, the last test; or "sequence", whole
            sequences are drawn at random; "sequence" where there is a column of sequences when None.
        val_fraction: share that validates, in (0, 1).
        test_fraction: share that tests, in (0, 1), with ``val_fraction`` below 1.
        standardize: whether to standardise.
        batch_size: training samples in a batch, per process, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process, ≥ 1.
        seed: seed of a split by sequence, and of the order of the training samples.
        predict_path: a CSV file to predict, whose target may be missing; the test split when None.

    Shapes:
        a batch: inputs (B, T, I), targets (B, T, 1)

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when a file is missing, or what is wrong in it; says where.

    Example:
        ``python train.py fit --config configs/rnn_running_average.yaml --data SeriesDataModule --data.path sine.csv
        --data.target y --data.window 20 --data.horizon 1``
    """

    def __init__(
        self,
        path: str,
        target: str,
        inputs: list[str] | None = None,
        sequence: str | None = None,
        window: int | None = None,
        stride: int = 1,
        horizon: int = 0,
        split_by: str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.2,
        standardize: bool = True,
        batch_size: int = 32,
        eval_batch_size: int = 1024,
        seed: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        check_fractions(val_fraction, test_fraction)
        for name, value, least in (("window", window, 1), ("stride", stride, 1), ("horizon", horizon, 0)):
            if value is not None and value < least:
                raise ValueError(f"{name} must be at least {least}, but it is {value}.")
        if split_by not in (None, "time", "sequence"):
            raise ValueError(f'split_by must be "time" or "sequence", but it is "{split_by}".')
        if split_by == "sequence" and sequence is None:
            raise ValueError("split_by is sequence, but no column tells sequences apart: set data.sequence.")
        if window is None and sequence is None:
            raise ValueError("without data.sequence all rows are one sequence: set data.window, the steps of a sample.")
        if window is None and split_by == "time":
            raise ValueError("split_by is time, which cuts sequences: set data.window, the steps of a sample.")
        if inputs is not None and not inputs:
            raise ValueError("inputs must be null or name a column, but it is [].")
        self.path, self.target, self.inputs, self.sequence = Path(path).expanduser(), target, inputs, sequence
        self.window, self.stride, self.horizon = window, stride, horizon
        self.split_by = split_by or ("time" if sequence is None else "sequence")
        self.fractions = {"val": val_fraction, "test": test_fraction}
        self.standardize, self.predict_path = standardize, predict_path
        self.scale: dict[str, list[float]] | None = None  # the means and deviations, those of the target last
        self._splits: dict[str, list[Sample]] = {}
        self._names: list[str] = []

    @property
    def input_size(self) -> int:
        """Inputs I of a step."""
        if self.inputs is None:
            self._read()
        return len(self.inputs)

    def setup(self, stage: str) -> None:
        """Load the splits that a stage reads; where a file is given to predict, none."""
        if stage != "predict":
            super().setup(stage)
        elif self.predict_path is None:
            super().setup("test")

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        self._read()
        return {split: self._tensors(split) for split in (("train", "val") if training else ("test",))}

    def predict_dataloader(self) -> DataLoader:
        """The test split, or the samples of the file that was given."""
        if self.predict_path is None:
            samples, self.datasets["predict"] = self._splits["test"], self.datasets["test"]
        else:
            table = read_table(Path(self.predict_path).expanduser())
            samples = self._samples(table, self._inputs_of(table), with_target=False)
            values = torch.stack([sample.values for sample in samples])
            self.datasets["predict"] = InMemoryDataset(self._scaled(values, last=False))
        self._names = [sample.name for sample in samples]
        return self._eval_dataloader("predict")

    def sample_names(self, indices: list[int]) -> list[str]:
        """The file's lines of the samples of a prediction."""
        return [self._names[index] for index in indices]

    def preview(self) -> dict[str, Any]:
        """What a picture of the data shows: how many samples a split has, and the target of the first of each."""
        self._read()
        splits = {split: {"samples": len(samples)} for split, samples in self._splits.items()}
        first = [(split, samples[0].targets[:, 0].numpy()) for split, samples in self._splits.items()]
        return {"splits": splits, "samples": first}

    def state_dict(self) -> dict[str, Any]:
        """A checkpoint keeps what it reads, and the means and deviations of it."""
        return {**super().state_dict(), "inputs": self.inputs, "scale": self.scale}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        learnt, scale = state_dict["inputs"], state_dict["scale"]
        if self.inputs is not None and self.inputs != learnt:
            raise LabError(
                f"the checkpoint reads {', '.join(learnt)}, but the data have {', '.join(self.inputs)}: set "
                f"data.inputs as in its run."
            )
        self.inputs = learnt
        if scale != self.scale:
            self.scale = scale
            for split in self._splits.keys() & self.datasets.keys():
                self.datasets[split] = InMemoryDataset(*self._tensors(split))

    def _read(self) -> None:
        """Read, check and split all rows once."""
        if self._splits:
            return
        table = read_table(self.path)
        names = self._inputs_of(table)
        samples = self._samples(table, names, with_target=True)
        if self.split_by == "time":
            parts = split_by_time(samples, self.fractions, self.path, self.window, self.horizon)
            splits = {
                split: [sample for one in of_split for sample in cut_windows(one, self.window, self.stride)]
                for split, of_split in parts.items()
            }
        else:
            splits = self._drawn(samples)
        self.inputs = names
        rows = torch.cat([torch.cat([sample.values, sample.targets], dim=1) for sample in splits["train"]])
        tell_constant(self.path, [*names, self.target], rows, "data.inputs")
        deviation = rows.std(dim=0, correction=0)
        self.scale = {"mean": rows.mean(dim=0).tolist(), "std": deviation.where(deviation > 0, 1.0).tolist()}
        self._splits = splits
        counts = ", ".join(f"{len(of_split)} {split}" for split, of_split in splits.items())
        rank_zero_info(f"{self.path.name}: {len(table)} rows, samples {counts}; inputs {', '.join(names)}.")

    def _inputs_of(self, table: Table) -> list[str]:
        return self.inputs or numeric_columns(table, {self.target, self.sequence}) or [self.target]

    def _samples(self, table: Table, names: list[str], with_target: bool) -> list[Sample]:
        """Whole sequences, or where they are not to be cut by time the windows of each."""
        target = self.target if with_target else None
        sequences = sequences_of(table, names, target, self.sequence, self.horizon if with_target else 0)
        if with_target and self.split_by == "time":
            return sequences
        if self.window is not None:
            samples = [sample for one in sequences for sample in cut_windows(one, self.window, self.stride)]
            if not samples:
                raise LabError(f"{table.path}: no sequence has the {self.window} rows of data.window: lower it.")
            return samples
        for one in sequences:
            if len(one.values) != len(sequences[0].values):
                raise LabError(
                    f"{table.path}: sequence {one.sequence} ({one.name}) has {len(one.values)} rows, but sequence "
                    f"{sequences[0].sequence} has {len(sequences[0].values)}: set data.window, the steps of a sample."
                )
        return sequences

    def _drawn(self, samples: list[Sample]) -> dict[str, list[Sample]]:
        """Whole sequences at random."""
        known = list(dict.fromkeys(sample.sequence for sample in samples))
        order = torch.randperm(len(known), generator=torch.Generator().manual_seed(self.seed)).tolist()
        ends = [round(len(known) * self.fractions["test"]), round(len(known) * sum(self.fractions.values()))]
        parts = {"train": order[ends[1] :], "val": order[ends[0] : ends[1]], "test": order[: ends[0]]}
        for split, part in parts.items():
            if not part:
                raise LabError(
                    f"{self.path} has {len(known)} sequences, which leaves none to {split}: change a fraction."
                )
        chosen = {known[number]: split for split, part in parts.items() for number in part}
        return {split: [sample for sample in samples if chosen[sample.sequence] == split] for split in parts}

    def _tensors(self, split: str) -> tuple[Tensor, ...]:
        values = torch.stack([torch.cat([one.values, one.targets], dim=1) for one in self._splits[split]])
        return self._scaled(values, last=True).split([len(self.inputs), 1], dim=2)

    def _scaled(self, values: Tensor, last: bool) -> Tensor:
        if not self.standardize:
            return values
        mean, deviation = (torch.tensor(self.scale[name]) for name in ("mean", "std"))
        return (values - mean[: None if last else -1]) / deviation[: None if last else -1]
