"""In which order samples are served: shuffled and resumable to train, each once to evaluate."""

from collections.abc import Callable, Iterator
from itertools import islice

from torch.utils.data import Dataset, DistributedSampler


class ResumableSampler(DistributedSampler):
    """A shuffling sampler that begins an epoch behind the samples which a resumed run has seen.

    Args:
        skip: how many samples are passed over, asked when the first one is served, because a loader may be made before
            a checkpoint is restored; its length still counts them.
        **arguments: those of DistributedSampler.
    """

    def __init__(self, dataset: Dataset, skip: Callable[[], int], **arguments: int) -> None:
        super().__init__(dataset, shuffle=True, **arguments)
        self.skip = skip

    def __iter__(self) -> Iterator[int]:
        yield from islice(self.order(), self.skip(), None)

    def order(self) -> Iterator[int]:
        """The samples of an epoch in the order in which they are served."""
        return super().__iter__()


class EvaluationSampler(DistributedSampler):
    """Shares the samples out among processes, each once and in their order; a process may be left without any.

    Lightning's UnrepeatedDistributedSampler asserts that each has one, which fewer samples than processes cannot meet.

    Args:
        dataset: what is sampled.
        num_replicas: processes, ≥ 1.
        rank: which of them this is.
    """

    def __init__(self, dataset: Dataset, num_replicas: int, rank: int) -> None:
        super().__init__(dataset, num_replicas, rank, shuffle=False)

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.rank, len(self.dataset), self.num_replicas))

    def __len__(self) -> int:
        return len(range(self.rank, len(self.dataset), self.num_replicas))
