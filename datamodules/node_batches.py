"""Data that are one graph: whole in every batch, or the sampled neighbourhood of some nodes.

Letters: N nodes, E edges, I features, B nodes of a batch.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.graph_forms import SPLITS, check_edges, check_labels, labels_of, usual_form
from datamodules.in_memory import InMemoryDataModule, ResumableSampler
from datamodules.label_counts import count_labels
from datamodules.split_overlap import node_fingerprints

if TYPE_CHECKING:  # it takes two seconds to import, which no other task shall wait for
    from torch_geometric.data import Data

    from datamodules.neighbor_sampling import UniformNeighborSampler


class NodeDataset(Dataset):
    """Some nodes of a graph; a batch of them is the whole graph, which says in ``targets`` which nodes it is about.

    Args:
        graph: the graph, with node features ``x`` (N, I), ``edge_index`` (2, E) and labels ``y`` (N,).
        nodes: numbers of the nodes.
    """

    def __init__(self, graph: "Data", nodes: Tensor) -> None:
        self.graph, self.nodes = graph, nodes

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitems__(self, indices: Sequence[int]) -> "Data":
        return about(self.graph, self.nodes[torch.tensor(indices)])


class NeighborhoodSampler(ResumableSampler):
    """An order of nodes that tells the epoch to what draws their neighbours.

    Args:
        neighbors: draws them.
        dataset: the nodes.
        skip: see ResumableSampler.
        **arguments: those of DistributedSampler.
    """

    def __init__(
        self, neighbors: "UniformNeighborSampler", dataset: Dataset, skip: Callable[[], int], **arguments: int
    ) -> None:
        super().__init__(dataset, skip, **arguments)
        self.neighbors = neighbors

    def set_epoch(self, epoch: int) -> None:
        super().set_epoch(epoch)
        self.neighbors.epoch = epoch


def about(graph: "Data", targets: Tensor) -> "Data":
    """A graph that says which of its nodes a batch is about; it shares its tensors."""
    batch = copy(graph)
    batch.targets = targets
    return batch


class NodeDataModule(InMemoryDataModule):
    """A datamodule of one graph whose nodes have labels; a subclass only says how to ``load_graph``.

    A batch is a ``torch_geometric.data.Data`` whose ``targets`` (B,) are the nodes whose labels count. Without
    ``num_neighbors`` it is the whole graph, which is moved to a device once. With it, a training batch is a sampled
    neighbourhood of its targets ("Inductive Representation Learning on Large Graphs", Hamilton et al., 2017,
    https://arxiv.org/abs/1706.02216), served by PyG's NodeLoader; an evaluation batch is all of a neighbourhood that is
    one hop larger, where a network with as many layers as ``num_neighbors`` has entries computes what it would in the
    whole graph. (A training batch is an estimate: there a node's neighbours, and so its degree, are those sampled.)

    Validation is on the training nodes where a graph has no validation nodes. Prediction is of all nodes, and needs no
    labels. A subclass that does not set ``num_classes`` has one more than the highest label of a node in a split.
    The graph is read at the first use of ``graph``, ``num_classes`` or ``num_features``, or in ``setup``.

    Args:
        num_neighbors: how many in-neighbours of a node are sampled at each hop, ≥ 1, or −1 for all; None for batches
            of the whole graph.
        batch_size: training nodes of a batch, per process, ≥ 1; all of them when None.
        eval_batch_size: nodes of an evaluation batch, per process, ≥ 1; all of them when None.
        seed: seed of the split, of the order of the training nodes, and of the sampled neighbours.
        mask_column: which split of a graph that comes with several, as columns of masks (N, K), in 0 … K − 1.

    Raises:
        ValueError: when an argument is out of its range, or the graph is none that can be learnt from.
    """

    class_names: Any = None

    def __init__(
        self,
        num_neighbors: list[int] | None = None,
        batch_size: int | None = None,
        eval_batch_size: int | None = None,
        seed: int = 0,
        mask_column: int | None = None,
    ) -> None:
        sizes = {"batch_size": batch_size, "eval_batch_size": eval_batch_size}
        super().__init__(**{name: 1 if size is None else size for name, size in sizes.items()}, seed=seed)
        if num_neighbors is not None and (not num_neighbors or any(n == 0 or n < -1 for n in num_neighbors)):
            raise ValueError(f"num_neighbors must hold numbers ≥ 1, or -1 for all, but it is {num_neighbors}.")
        self.num_neighbors, self._sizes, self.mask_column = num_neighbors, sizes, mask_column
        self._moved: Data | None = None

    @cached_property
    def graph(self) -> "Data":
        """The graph in its usual form, read and checked."""
        graph = usual_form(self.load_graph(), self.mask_column)
        check_edges(graph)
        if self.num_neighbors is not None and graph.x.layout == torch.sparse_csr:
            graph.x = graph.x.to_dense()  # PyG's loader takes rows of dense features only
        return graph

    @property
    def num_features(self) -> int:
        """Features I of a node."""
        return self.graph.x.shape[1]

    @property
    def num_classes(self) -> int | None:
        """Classes C; None where no node has a label."""
        if "_num_classes" in vars(self):
            return self._num_classes
        graph = self.graph
        if graph.y is None:
            return None
        labels = graph.y[graph.train_mask | graph.val_mask | graph.test_mask]
        return int(labels.max()) + 1 if len(labels) else 0

    @num_classes.setter
    def num_classes(self, value: int) -> None:
        self._num_classes = value

    @abstractmethod
    def load_graph(self) -> "Data":
        """The graph with ``x``, ``edge_index``, ``y``, ``train_mask``, ``val_mask`` and ``test_mask``.

        They may have any of the forms that ``usual_form`` knows.
        """

    def setup(self, stage: str) -> None:
        """Load the graph once, and check it; its splits lie in one graph."""
        if self.datasets and (stage == "predict" or self.graph.y is not None):
            return
        graph = self.graph
        if stage != "predict" or graph.y is not None:
            labels_of(graph)
            check_labels(graph, self.num_classes)
        masks = {split: graph[f"{split}_mask"] for split in SPLITS}
        masks["val"] = masks["val"] if masks["val"].any() else masks["train"]
        masks["predict"] = torch.ones(graph.num_nodes, dtype=torch.bool)
        self.datasets = {name: NodeDataset(graph, mask.nonzero()[:, 0]) for name, mask in masks.items()}
        self.batch_size = self._sizes["batch_size"] or max(1, len(self.datasets["train"]))
        self.eval_batch_size = self._sizes["eval_batch_size"] or graph.num_nodes
        if graph.y is None:
            return
        of_nodes = node_fingerprints(graph)
        self.tell_overlap({split: of_nodes[self.datasets[split].nodes] for split in SPLITS})

    def train_dataloader(self) -> DataLoader:
        loader = super().train_dataloader()
        return loader if self.num_neighbors is None else self._of_neighborhoods(loader, loader.sampler.neighbors)

    def train_sampler(self, dataset: NodeDataset, skip: Callable[[], int], **arguments: int) -> ResumableSampler:
        if self.num_neighbors is None:
            return super().train_sampler(dataset, skip, **arguments)
        return NeighborhoodSampler(self._neighbors(self.num_neighbors), dataset, skip, **arguments)

    def predict_dataloader(self) -> DataLoader:
        return self._eval_dataloader("predict")

    def preview(self) -> dict[str, Any]:
        """What a picture of the data shows: the classes of each split, and a node of each class in words."""
        graph, names = self.graph, self.class_names
        if graph.y is None:
            return {"splits": {"predict": {"nodes": graph.num_nodes}}, "samples": []}
        masks = {split: graph[f"{split}_mask"] for split in SPLITS}
        splits = {split: count_labels(graph.y[mask], names, self.num_classes) for split, mask in masks.items()}
        degrees = torch.bincount(graph.edge_index[1], minlength=graph.num_nodes)
        samples = []
        for number, name in enumerate(splits["train"]):
            nodes = (masks["train"] & (graph.y == number)).nonzero()[:1, 0].tolist()
            samples += [(name, f"node {self.node_name(node)}: {int(degrees[node])} edges into it") for node in nodes]
        return {"splits": splits, "samples": samples}

    def node_name(self, node: int) -> str:
        """What a node is called: its number, unless a subclass knows better."""
        return str(node)

    def transfer_batch_to_device(self, batch: "Data", device: torch.device, dataloader_idx: int) -> "Data":
        """Move a neighbourhood each time, the whole graph once."""
        if batch.x is not self.graph.x:
            return super().transfer_batch_to_device(batch, device, dataloader_idx)
        if self._moved is None or self._moved.x.device != device:
            with torch.inference_mode(False):  # validation may come first, and training go on with it
                self._moved = copy(self.graph).to(device)
        return about(self._moved, batch.targets.to(device))

    def _eval_dataloader(self, split: str) -> DataLoader:
        loader = super()._eval_dataloader(split)
        if self.num_neighbors is None:
            return loader
        return self._of_neighborhoods(loader, self._neighbors([-1] * (len(self.num_neighbors) + 1)))

    def _neighbors(self, num_neighbors: list[int]) -> "UniformNeighborSampler":
        from datamodules.neighbor_sampling import UniformNeighborSampler

        return UniformNeighborSampler(self.graph.edge_index, self.graph.num_nodes, num_neighbors, self.seed)

    def _of_neighborhoods(self, loader: DataLoader, neighbors: "UniformNeighborSampler") -> DataLoader:
        """PyG's loader of the same nodes in the same order."""
        from torch_geometric.loader import NodeLoader

        return NodeLoader(
            self.graph,
            neighbors,
            input_nodes=loader.dataset.nodes,
            transform=_seeds_are_targets,
            batch_size=loader.batch_size,
            sampler=loader.sampler,
        )


def _seeds_are_targets(batch: "Data") -> "Data":
    """PyG's loader puts the nodes that a neighbourhood is drawn for first."""
    batch.targets = torch.arange(batch.batch_size)
    return batch
