"""Sparse features of unequal importance: the data of the toy model of superposition."""

import torch
from torch import Tensor

from datamodules.in_memory import InMemoryDataModule

SPLITS = ("train", "val", "test")


class SparseFeaturesDataModule(InMemoryDataModule):
    r"""Vectors of independent features, most of them zero.

    "Toy Models of Superposition" (Elhage et al., 2022), https://transformer-circuits.pub/2022/toy_model.
    Feature i is 0 with the probability S, else uniform in [0, 1]; its squared error counts ``importance_decay``^i times
    (``importance``, which ``LitAutoencoder`` reads).

    Args:
        num_features: features D, ≥ 1.
        sparsity: probability S that a feature is 0, in [0, 1).
        importance_decay: importance of each next feature in units of the one before, in (0, 1].
        num_train: training samples, ≥ 1.
        num_eval: samples to validate, and as many to test, ≥ 1.
        batch_size: training samples in a batch, per process, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process, ≥ 1.
        seed: seed of the samples, and of the order of the training samples.

    Shapes:
        a batch: samples (B, D)

    Raises:
        ValueError: when an argument is out of its range.
    """

    draws_samples = True

    def __init__(
        self,
        num_features: int = 20,
        sparsity: float = 0.9,
        importance_decay: float = 0.9,
        num_train: int = 100_000,
        num_eval: int = 20_000,
        batch_size: int = 1000,
        eval_batch_size: int = 5000,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        if min(num_features, num_train, num_eval) < 1:
            raise ValueError(
                f"num_features, num_train and num_eval must be at least 1, but they are {num_features}, {num_train} "
                f"and {num_eval}."
            )
        if not 0 <= sparsity < 1 or not 0 < importance_decay <= 1:
            raise ValueError(
                f"sparsity must be in [0, 1) and importance_decay in (0, 1], but they are {sparsity} and "
                f"{importance_decay}."
            )
        self.num_features, self.sparsity, self.num_train, self.num_eval = num_features, sparsity, num_train, num_eval
        self.importance = importance_decay ** torch.arange(num_features)

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        return {split: (self._draw(split),) for split in (("train", "val") if training else ("test",))}

    def _draw(self, split: str) -> Tensor:
        generator = torch.Generator().manual_seed(len(SPLITS) * self.seed + SPLITS.index(split))
        shape = (self.num_train if split == "train" else self.num_eval, self.num_features)
        present = torch.rand(shape, generator=generator) >= self.sparsity
        return torch.rand(shape, generator=generator) * present
