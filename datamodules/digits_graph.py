"""scikit-learn's handwritten digits as a graph: each is joined to the digits that look most like it."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from datamodules.node_batches import NodeDataModule
from datamodules.node_splits import draw, draw_per_class

if TYPE_CHECKING:
    from torch_geometric.data import Data


class DigitsGraphDataModule(NodeDataModule):
    """1,797 handwritten digits of 8×8 pixels, of which a few have labels, joined to their nearest neighbours.

    "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998), https://doi.org/10.24432/C50P49, shipped
    with scikit-learn. Two digits are joined where one is among the k nearest of the other in the Euclidean distance of
    their pixels. The test digits are those of ``DigitsDataModule``, 360 for every seed; the labelled digits and those
    that validate are drawn from the others by the seed.

    Args:
        k: nearest neighbours, ≥ 1.
        num_labeled_per_class: digits of each class whose labels train, ≥ 1.
        num_val: digits that validate, ≥ 0.
        num_neighbors: see ``NodeDataModule``.
        batch_size: see ``NodeDataModule``.
        eval_batch_size: see ``NodeDataModule``.
        seed: seed of the split and of the order.

    Shapes:
        x (1797, 64) of values in [0, 1], edge_index (2, E), y (1797,) in 0 … 9

    Raises:
        ValueError: when an argument is out of its range.
    """

    num_classes = 10
    class_names = tuple(str(digit) for digit in range(10))

    def __init__(
        self,
        k: int = 10,
        num_labeled_per_class: int = 20,
        num_val: int = 300,
        num_neighbors: list[int] | None = None,
        batch_size: int | None = None,
        eval_batch_size: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(num_neighbors, batch_size, eval_batch_size, seed)
        if k < 1:
            raise ValueError(f"k must be at least 1, but it is {k}.")
        if num_labeled_per_class < 1:
            raise ValueError(f"num_labeled_per_class must be at least 1, but it is {num_labeled_per_class}.")
        if num_val < 0:
            raise ValueError(f"num_val must be at least 0, but it is {num_val}.")
        self.k, self.num_labeled_per_class, self.num_val = k, num_labeled_per_class, num_val

    def load_graph(self) -> "Data":
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
        from torch_geometric.data import Data

        data = load_digits()
        x, y = torch.from_numpy(data.data).float() / 16, torch.from_numpy(data.target).long()
        _, test = train_test_split(range(len(y)), test_size=0.2, stratify=data.target, random_state=0)
        test_mask = torch.zeros(len(y), dtype=torch.bool)
        test_mask[test] = True
        generator = torch.Generator().manual_seed(self.seed)
        train_mask = draw_per_class(y, ~test_mask, self.num_labeled_per_class, generator)
        val_mask = draw("num_val", self.num_val, ~test_mask & ~train_mask, generator)
        return Data(
            x=x, edge_index=nearest_neighbors(x, self.k), y=y,
            train_mask=train_mask, val_mask=val_mask, test_mask=test_mask,
        )  # fmt: skip


def nearest_neighbors(points: Tensor, k: int) -> Tensor:
    """Edges, in both directions, between points of which one is among the k nearest of the other.

    Args:
        points: (N, I).
        k: nearest neighbours, in [1, N − 1].

    Shapes:
        (N, I) -> (2, E)

    Raises:
        ValueError: when there are not k other points.
    """
    from sklearn.neighbors import kneighbors_graph

    if not 1 <= k < len(points):
        raise ValueError(f"k must be in [1, {len(points) - 1}], the number of other points, but it is {k}.")
    directed = kneighbors_graph(points.numpy(), k)
    source, target = directed.maximum(directed.T).tocoo().coords
    return torch.stack([torch.from_numpy(source), torch.from_numpy(target)]).long()
