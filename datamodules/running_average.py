"""Random numbers and the mean of those seen so far: a task that takes a memory of every step."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.in_memory import InMemoryDataModule, ResumableSampler

SPLITS = ("train", "val", "test")


class FreshBatches(Dataset):
    """Batches that no two epochs share: an item is a whole batch, drawn from its number.

    Args:
        num_batches: batches of an epoch.
        batch_size: samples in a batch.
        seq_len: steps of a sample.
        seed: seed of all batches.
    """

    def __init__(self, num_batches: int, batch_size: int, seq_len: int, seed: int) -> None:
        self.num_batches, self.batch_size, self.seq_len, self.seed = num_batches, batch_size, seq_len, seed

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        return draw_running_average(self.batch_size, self.seq_len, self.seed, "train", number)


class FreshSampler(ResumableSampler):
    """Counts on from epoch to epoch, so that every number, and with it every batch, comes once."""

    def __iter__(self) -> Iterator[int]:
        for index in super().__iter__():
            yield self.epoch * len(self.dataset) + index


class RunningAverageDataModule(InMemoryDataModule):
    r"""Sequences of independent random numbers, and at every step the mean of those up to it.

    x_t ~ N(0, 1), y_t = (x_1 + … + x_t)/t. Every training batch is drawn afresh; those to validate and to test are
    fixed. To predict 0 scores a mean-squared error of (1 + 1/2 + … + 1/T)/T over all steps (0.2929 for T = 10), and of
    1/T at the last one. The last step alone is solved exactly by h_t = h_{t−1} + x_t/T; over all steps no linear
    recurrence gets below 0.0901 (T = 10), because the weight of x_t has to change with t.

    Args:
        seq_len: steps T of a sequence, ≥ 1.
        batch_size: training samples in a batch, per process, ≥ 1.
        num_batches: training batches of an epoch, over all processes, ≥ 1; what does not divide by their number is
            left out.
        seed: seed ≥ 0 of all sequences.
        num_eval: sequences to validate, and as many to test, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process, ≥ 1.

    Shapes:
        a batch: inputs (B, T, 1), targets (B, T, 1)

    Raises:
        ValueError: when an argument is out of its range, or there are fewer batches than processes.
    """

    draws_samples = True

    def __init__(
        self,
        seq_len: int = 10,
        batch_size: int = 32,
        num_batches: int = 5000,
        seed: int = 0,
        num_eval: int = 4096,
        eval_batch_size: int = 1024,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        for name, value in {"seq_len": seq_len, "num_batches": num_batches, "num_eval": num_eval}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, but it is {value}.")
        if seed < 0:
            raise ValueError(f"seed must not be negative, but it is {seed}.")
        self.seq_len, self.num_batches, self.num_eval = seq_len, num_batches, num_eval

    def setup(self, stage: str) -> None:
        """Draw the split to evaluate; the training batches are drawn one by one."""
        super().setup(stage)
        if stage in ("fit", "validate"):
            self.datasets["train"] = FreshBatches(self.num_batches, self.batch_size, self.seq_len, self.seed)

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        split = "val" if training else "test"
        return {split: draw_running_average(self.num_eval, self.seq_len, self.seed, split)}

    def preview(self) -> dict[str, Any]:
        """What a picture of the data shows: how many sequences a split has, and one with its running means."""
        training = self.num_batches * self.batch_size
        splits = {split: {"sequences": training if split == "train" else self.num_eval} for split in SPLITS}
        inputs, means = draw_running_average(1, self.seq_len, self.seed, "train")
        return {"splits": splits, "samples": [("numbers", inputs[0, :, 0].numpy()), ("mean", means[0, :, 0].numpy())]}

    def train_dataloader(self) -> DataLoader:
        world_size, rank = self._world()
        if self.num_batches < world_size:
            raise ValueError(
                f"num_batches is {self.num_batches}, but each of {world_size} processes needs one: raise it, or lower "
                f"trainer.devices or trainer.num_nodes."
            )
        dataset, skip = self.datasets["train"], self._seen_batches
        sampler = FreshSampler(dataset, skip, num_replicas=world_size, rank=rank, seed=self.seed, drop_last=True)
        return DataLoader(dataset, batch_size=None, sampler=sampler)


def draw_running_average(
    num_samples: int, seq_len: int, seed: int, split: str, number: int = 0
) -> tuple[Tensor, Tensor]:
    """Sequences and their running means.

    Args:
        num_samples: samples B.
        seq_len: steps T of a sample.
        seed: seed ≥ 0 of all splits.
        split: "train", "val" or "test".
        number: which batch of the split.

    Shapes:
        inputs (B, T, 1), targets (B, T, 1)
    """
    # A generator of torch takes 32 bits of a seed, so that among 100,000 batches two would be the same.
    source = np.random.SeedSequence(seed, spawn_key=(SPLITS.index(split), number))
    numbers = np.random.default_rng(source).standard_normal((num_samples, seq_len, 1), dtype=np.float32)
    inputs = torch.from_numpy(numbers)
    return inputs, inputs.cumsum(dim=1) / torch.arange(1, seq_len + 1)[:, None]
