"""A Gaussian cloud with a few long axes: data whose best linear code is known."""

import math

import torch
from torch import Tensor

from datamodules.in_memory import InMemoryDataModule

SPLITS = ("train", "val", "test")


class GaussianDataModule(InMemoryDataModule):
    r"""Samples of a rotated Gaussian with H directions of high variance, and two classes that these decide.

    z ~ N(0, diag(v)) with v_i = ``variance_scale`` · ``variance_decay``^i for i < H and 1 for the others;
    x = Qz with a random rotation Q; the label is 1 where z_0 + … + z_{H−1} > 0. With equal high variances a code of
    K < H numbers keeps any K-dimensional part of the H, so that a linear classifier is right with a probability of
    about 1 − arccos(√(K/H))/π, and always where K ≥ H.

    Args:
        input_dim: dimensions D of a sample, ≥ 2.
        num_samples: samples of all splits together.
        splits: shares of the training, validation and test split; positive, and 1 in sum.
        num_high_variance: directions H of high variance, in 1 … D.
        variance_scale: the highest variance, > 0.
        variance_decay: each next high variance in units of the one before, in (0, 1]; with many of them the last may be
            lower than the 1 of all others.
        batch_size: training samples in a batch, per process, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process, ≥ 1.
        seed: seed of the rotation, of the samples and of the order of the training samples.

    Shapes:
        a batch: samples (B, D), labels (B,) in {0, 1}

    Raises:
        ValueError: when an argument is out of its range.
    """

    num_classes = 2
    class_names = ("sum ≤ 0", "sum > 0")
    draws_samples = True

    def __init__(
        self,
        input_dim: int = 100,
        num_samples: int = 20000,
        splits: tuple[float, float, float] = (0.7, 0.2, 0.1),
        num_high_variance: int = 20,
        variance_scale: float = 100.0,
        variance_decay: float = 1.0,
        batch_size: int = 100,
        eval_batch_size: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        self.lengths = split_lengths(num_samples, splits)
        if input_dim < 2 or not 1 <= num_high_variance <= input_dim:
            raise ValueError(
                f"input_dim must be at least 2, and num_high_variance in 1 … input_dim, but they are {input_dim} and "
                f"{num_high_variance}."
            )
        if not 0 < variance_scale < math.inf or not 0 < variance_decay <= 1:
            raise ValueError(
                f"variance_scale must be > 0 and variance_decay in (0, 1], but they are {variance_scale} and "
                f"{variance_decay}."
            )
        self.input_dim, self.num_samples, self.num_high_variance = input_dim, num_samples, num_high_variance
        high = variance_scale * variance_decay ** torch.arange(num_high_variance)
        self.variances = torch.cat([high, torch.ones(input_dim - num_high_variance)])

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        generator = torch.Generator().manual_seed(self.seed)
        rotation, _ = torch.linalg.qr(torch.randn(self.input_dim, self.input_dim, generator=generator))
        latent = torch.randn(self.num_samples, self.input_dim, generator=generator) * self.variances.sqrt()
        labels = (latent[:, : self.num_high_variance].sum(dim=1) > 0).long()
        parts = zip(
            SPLITS, (latent @ rotation.mT).split(self.lengths), labels.split(self.lengths), strict=True
        )  # independent samples need no shuffling
        return {split: tensors for split, *tensors in parts if (split == "test") != training}


def split_lengths(length: int, splits: tuple[float, float, float]) -> list[int]:
    """The number of samples in each split.

    Raises:
        ValueError: when the shares do not sum to 1, or leave a split empty.
    """
    if len(splits) != 3 or min(splits) <= 0 or not math.isclose(sum(splits), 1.0, abs_tol=1e-6):
        raise ValueError(f"splits must be three positive shares that sum to 1, but they are {list(splits)}.")
    num_train, num_val = round(length * splits[0]), round(length * splits[1])
    lengths = [num_train, num_val, length - num_train - num_val]
    if min(lengths) < 1:
        raise ValueError(f"splits={list(splits)} of num_samples={length} leave a split empty: give more samples.")
    return lengths
