"""Sequences of different lengths in batches of similar ones."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from datamodules.in_memory import InMemoryDataset, ResumableSampler

POOL = 50  # batches among which sequences of similar lengths are put together


class Names(InMemoryDataset):
    """Padded names, their lengths, and what belongs to each; a batch is as wide as its longest name.

    Args:
        *tensors: tokens (N, T), lengths (N,), and others (N, …).
        texts: the names as they were given, a last part of each batch; or None.
    """

    def __init__(self, *tensors: Tensor, texts: Sequence[str] | None = None) -> None:
        super().__init__(*tensors)
        self.texts = texts

    def __getitems__(self, indices: Sequence[int]) -> tuple[Any, ...]:
        tokens, lengths, *others = super().__getitems__(indices)
        others += [] if self.texts is None else [[self.texts[index] for index in indices]]
        return tokens[:, : int(lengths.max())], lengths, *others

    def contents(self) -> Iterable[bytes]:
        """The tokens of each name without its padding, which splits have in different numbers."""
        tokens, lengths, *_ = self.tensors
        names = zip(tokens.numpy(), lengths.tolist(), strict=True)
        return (name[:length].tobytes() for name, length in names)


class BucketSampler(ResumableSampler):
    """A shuffling sampler whose batches hold names of similar lengths, so that little padding is computed.

    The shuffled samples are cut in pools of 50 batches, each pool is sorted by length and cut in batches, and the full
    batches are shuffled again. The order is a function of (seed, epoch).

    Args:
        dataset: what is sampled.
        skip: see ResumableSampler.
        batch_size: samples in a batch.
        **arguments: those of DistributedSampler.
    """

    def __init__(self, dataset: Names, skip: Callable[[], int], batch_size: int, **arguments: int) -> None:
        super().__init__(dataset, skip, **arguments)
        self.batch_size = batch_size

    def order(self) -> Iterator[int]:
        indices = torch.tensor(list(super().order()))
        lengths = self.dataset.tensors[1][indices]
        pools = zip(indices.split(POOL * self.batch_size), lengths.split(POOL * self.batch_size), strict=True)
        batches = torch.cat([pool[of_pool.argsort(stable=True)] for pool, of_pool in pools]).split(self.batch_size)
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        full = len(indices) // self.batch_size
        order = [*torch.randperm(full, generator=generator).tolist(), *range(full, len(batches))]
        return iter(torch.cat([batches[number] for number in order]).tolist())
