"""Images kept as bytes, a quarter of the memory of numbers, and served as numbers in [0, 1].

Letters: N images, B batch, I channels, H height, W width.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from datamodules.split_overlap import rows


class ByteImages(Dataset):
    """Images of one size, each with what belongs to it, such as its label.

    Args:
        images: (N, I, H, W) of type uint8.
        *others: what belongs to each, (N, …); nothing for images to predict.
        flatten: serve rows of pixels instead of images.

    Shapes:
        a batch: images (B, I, H, W), or (B, I·H·W) with ``flatten``, of values in [0, 1]; others (B, …)
    """

    def __init__(self, images: Tensor, *others: Tensor, flatten: bool = False) -> None:
        self.images, self.others, self.flatten = images, others, flatten

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(tensor[0] for tensor in self.__getitems__([index]))

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        index = torch.tensor(indices)
        return self._numbers(self.images[index]), *(other[index] for other in self.others)

    @property
    def tensors(self) -> "LazyTensors":
        """All images as numbers, and what belongs to them; the numbers are made when they are asked for."""
        return LazyTensors(self)

    def contents(self) -> Iterable[bytes]:
        """The pixels of each image."""
        return rows(self.images)

    def _numbers(self, images: Tensor) -> Tensor:
        numbers = images.float().div_(255)
        return numbers.flatten(1) if self.flatten else numbers


class LazyTensors(Sequence):
    """The tensors of a dataset of bytes: what is not looked at is not turned into numbers.

    Args:
        dataset: whose tensors they are.
    """

    def __init__(self, dataset: ByteImages) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return 1 + len(self.dataset.others)

    def __getitem__(self, index: int | slice) -> Tensor | tuple[Tensor, ...]:
        if isinstance(index, slice):
            return tuple(self[number] for number in range(len(self))[index])
        number = range(len(self))[index]
        return self.dataset.others[number - 1] if number else self.dataset._numbers(self.dataset.images)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[number] for number in range(len(self)))
