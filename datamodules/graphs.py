"""Data that are one graph: whole in every batch, or the sampled neighbourhood of some nodes.

Letters: N nodes, E edges, I features, B nodes of a batch.
"""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from copy import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from datamodules.graph_forms import usual_form
from datamodules.in_memory import InMemoryDataModule, ResumableSampler
from datamodules.split_overlap import node_fingerprints

if TYPE_CHECKING:  # it takes two seconds to import, which no other task shall wait for
    from torch_geometric.data import Data

    from datamodules.neighbor_sampling import UniformNeighborSampler

SPLITS = ("train", "val", "test")


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


class GraphDataModule(InMemoryDataModule):
    """A datamodule of one graph whose nodes have labels; a subclass only says how to ``load_graph``.

    A batch is a ``torch_geometric.data.Data`` whose ``targets`` (B,) are the nodes whose labels count. Without
    ``num_neighbors`` it is the whole graph, which is moved to a device once. With it, a training batch is a sampled
    neighbourhood of its targets ("Inductive Representation Learning on Large Graphs", Hamilton et al., 2017,
    https://arxiv.org/abs/1706.02216), served by PyG's NodeLoader; an evaluation batch is all of a neighbourhood that is
    one hop larger, where a network with as many layers as ``num_neighbors`` has entries computes what it would in the
    whole graph. (A training batch is an estimate: there a node's neighbours, and so its degree, are those sampled.)

    Validation is on the training nodes where a graph has no validation nodes. Prediction is of all nodes. A subclass
    that does not set ``num_classes`` has one more than the highest label of a node in a split.

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

    num_classes: int
    graph: "Data"

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

    @property
    def num_features(self) -> int:
        """Features I of a node."""
        return self.graph.x.shape[1]

    @abstractmethod
    def load_graph(self) -> "Data":
        """The graph with ``x``, ``edge_index``, ``y``, ``train_mask``, ``val_mask`` and ``test_mask``.

        They may have any of the forms that ``usual_form`` knows.
        """

    def setup(self, stage: str) -> None:
        """Load the graph once, and check it; its splits lie in one graph."""
        if self.datasets:
            return
        graph = usual_form(self.load_graph(), self.mask_column)
        if not hasattr(self, "num_classes"):
            labels = graph.y[graph.train_mask | graph.val_mask | graph.test_mask]
            self.num_classes = int(labels.max()) + 1 if len(labels) else 0
        check_graph(graph, self.num_classes)
        if self.num_neighbors is not None and graph.x.layout == torch.sparse_csr:
            graph.x = graph.x.to_dense()  # PyG's loader takes rows of dense features only
        masks = {split: graph[f"{split}_mask"] for split in SPLITS}
        masks["val"] = masks["val"] if masks["val"].any() else masks["train"]
        masks["predict"] = torch.ones(graph.num_nodes, dtype=torch.bool)
        self.graph = graph
        self.datasets = {name: NodeDataset(graph, mask.nonzero()[:, 0]) for name, mask in masks.items()}
        self.batch_size = self._sizes["batch_size"] or len(self.datasets["train"])
        self.eval_batch_size = self._sizes["eval_batch_size"] or graph.num_nodes
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


def check_graph(graph: "Data", num_classes: int) -> "Data":
    """A graph, unless it is none that can be learnt from.

    Raises:
        ValueError: when it has no edges, an edge or a label out of range, labels that are no whole numbers, two splits
            with a node in common, or a split without nodes.
    """
    nodes, edges = graph.num_nodes, graph.edge_index
    if not edges.numel():
        raise ValueError(f"the graph has {nodes} nodes and no edges: a graph network has nothing to learn from.")
    if edges.min() < 0 or edges.max() >= nodes:
        wrong = edges[(edges < 0) | (edges >= nodes)][0]
        raise ValueError(f"an edge names the node {wrong}, but the graph has the nodes 0 to {nodes - 1}.")
    masks = {split: graph[f"{split}_mask"] for split in SPLITS}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        if shared := int((masks[one] & masks[other]).sum()):
            raise ValueError(f"{shared} nodes are in {one}_mask and in {other}_mask: each node may be in one split.")
    for split in ("train", "test"):
        if not masks[split].any():
            raise ValueError(f"{split}_mask has no nodes: at least one is needed.")
    if graph.y.is_floating_point():
        raise ValueError(f"y must be whole numbers, the class of each node, but is {graph.y.dtype}: take y.long().")
    labels = graph.y[masks["train"] | masks["val"] | masks["test"]]
    if labels.min() < 0 or labels.max() >= num_classes:
        wrong = labels[(labels < 0) | (labels >= num_classes)][0]
        raise ValueError(f"a node has the label {wrong}, but labels are 0 to {num_classes - 1}: check num_classes.")
    return graph


def _seeds_are_targets(batch: "Data") -> "Data":
    """PyG's loader puts the nodes that a neighbourhood is drawn for first."""
    batch.targets = torch.arange(batch.batch_size)
    return batch
