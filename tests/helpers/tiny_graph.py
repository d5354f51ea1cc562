"""A small graph to learn from: two rings of nodes with a few edges between them, features that hint at the ring."""

from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import to_undirected

from datamodules.graphs import GraphDataModule

NODES, FEATURES, CLASSES = 24, 5, 3


def tiny_graph(sparse: bool = False) -> Data:
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(NODES) % CLASSES
    nodes = torch.arange(NODES)
    ring = torch.stack([nodes, (nodes + CLASSES) % NODES])  # joins nodes of one class
    between = torch.randint(NODES, (2, 10), generator=generator)
    x = torch.rand(NODES, FEATURES, generator=generator) * (torch.rand(NODES, FEATURES, generator=generator) > 0.5)
    x[nodes, y] += 1.0
    return Data(
        x=x.to_sparse_csr() if sparse else x, edge_index=to_undirected(torch.cat([ring, between], dim=1)), y=y,
        train_mask=nodes < 9, val_mask=(nodes >= 9) & (nodes < 15), test_mask=nodes >= 15,
    )  # fmt: skip


def mask_of(*nodes: int) -> Tensor:
    mask = torch.zeros(NODES, dtype=torch.bool)
    mask[list(nodes)] = True
    return mask


class TinyGraph(GraphDataModule):
    """24 nodes of three classes: 9 train, 6 validate, 9 test."""

    num_classes = CLASSES
    class_names = ("ash", "elm", "oak")

    def __init__(self, sparse: bool = False, changes: dict[str, Any] | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.sparse, self.changes = sparse, changes or {}

    def load_graph(self) -> Data:
        graph = tiny_graph(self.sparse)
        for name, value in self.changes.items():
            graph[name] = value
        return graph
