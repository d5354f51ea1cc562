"""Sequences and what a local operator makes of them: a task whose solution is known in closed form."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from datamodules.in_memory import InMemoryDataModule

SPLITS = ("train", "val", "test")


class LocalOperatorDataModule(InMemoryDataModule):
    r"""Random non-negative sequences, and their convolution or max-pool.

    x_i is uniform in [low, high]; the target is y_i = Σ_{t=−R..R} x_{i+t} kernel_{R+t} with ``operator="conv"``, or
    y_i = max_{|t| ≤ R} x_{i+t} with "max_pool", R = k. There is no padding: the R positions at either edge have no
    target.

    Args:
        operator: "conv" or "max_pool".
        kernel: the 2R + 1 taps of the convolution, each ≥ 0 so that attention can learn them.
        k: half of the window of the max-pool, ≥ 0.
        length: length N of a sequence, > 2R.
        low: smallest input, ≥ 0.
        high: largest input, > ``low``.
        num_train: training sequences, ≥ 1.
        num_eval: sequences to validate, and as many to test, ≥ 1.
        batch_size: training samples in a batch, per process, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process, ≥ 1.
        seed: seed of the sequences, and of the order of the training samples.

    Shapes:
        a batch: inputs (B, N, 1), targets (B, N − 2R, 1), those of the central positions

    Raises:
        ValueError: when an argument is out of its range.
    """

    draws_samples = True

    def __init__(
        self,
        operator: str = "conv",
        kernel: Sequence[float] = (2.0, 0.0, 1.0),
        k: int = 1,
        length: int = 32,
        low: float = 0.1,
        high: float = 1.1,
        num_train: int = 4096,
        num_eval: int = 1024,
        batch_size: int = 64,
        eval_batch_size: int = 512,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        if operator not in ("conv", "max_pool"):
            raise ValueError(f'operator must be "conv" or "max_pool", but it is "{operator}".')
        if len(kernel) % 2 == 0 or not all(0 <= tap < math.inf for tap in kernel) or sum(kernel) == 0:
            raise ValueError(f"kernel must be an odd number of taps ≥ 0, one of them > 0, but it is {list(kernel)}.")
        if k < 0 or min(num_train, num_eval) < 1:
            raise ValueError(
                f"k must be at least 0, num_train and num_eval at least 1, but they are {k}, {num_train}, {num_eval}."
            )
        if not 0 <= low < high:
            raise ValueError(f"low and high must be 0 ≤ low < high, but they are {low} and {high}.")
        self.radius = len(kernel) // 2 if operator == "conv" else k
        if length <= 2 * self.radius:
            raise ValueError(
                f"length must be more than {2 * self.radius}, twice the operator's reach, but it is {length}."
            )
        self.operator, self.kernel, self.k, self.length = operator, list(kernel), k, length
        self.low, self.high, self.num_train, self.num_eval = low, high, num_train, num_eval

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        return {split: self._draw(split) for split in (("train", "val") if training else ("test",))}

    def apply(self, inputs: Tensor) -> Tensor:
        """The operator itself.

        Shapes:
            (B, N, 1) -> (B, N − 2R, 1)
        """
        rows = inputs.transpose(1, 2)  # (B, 1, N)
        if self.operator == "conv":
            return F.conv1d(rows, torch.tensor(self.kernel, dtype=rows.dtype)[None, None]).transpose(1, 2)
        return F.max_pool1d(rows, 2 * self.k + 1, stride=1).transpose(1, 2)

    def _draw(self, split: str) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(len(SPLITS) * self.seed + SPLITS.index(split))
        length = self.num_train if split == "train" else self.num_eval
        inputs = self.low + (self.high - self.low) * torch.rand(length, self.length, 1, generator=generator)
        return inputs, self.apply(inputs)
