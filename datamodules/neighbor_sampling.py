"""Sampled neighbourhoods for the loaders of PyTorch Geometric, in plain PyTorch.

PyG's own NeighborLoader needs the compiled packages pyg-lib or torch-sparse, which the package index does not have.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.sampler import BaseSampler, EdgeSamplerInput, NodeSamplerInput, SamplerOutput


class UniformNeighborSampler(BaseSampler):
    """In-neighbours of nodes, and theirs in turn, drawn uniformly without replacement.

    "Inductive Representation Learning on Large Graphs" (Hamilton, Ying, Leskovec, 2017),
    https://arxiv.org/abs/1706.02216. For
    ``torch_geometric.loader.NodeLoader(data, node_sampler=UniformNeighborSampler(...), input_nodes=..., ...)``.
    Hop k follows edges, against their direction, from each node that hop k - 1 reached first, and from no other, so
    that an edge is drawn at most once; of parallel edges each counts. What is drawn is a function of ``seed``,
    ``epoch`` and the nodes of the batch in their order, and of no global generator. A loader's workers take ``epoch``
    over when they start, so set it before, and do not let them persist.

    Args:
        edge_index: sources and targets of the edges, in 0 … N - 1.
        num_nodes: nodes of the graph N, ≥ 0.
        num_neighbors: edges into a node that hop k draws, ≥ 1, or −1 for all; one number for each hop.
        seed: seed of all that is drawn.

    Attributes:
        epoch: the pass over the data, which its owner counts; another one draws other neighbours.

    Shapes:
        edge_index (2, E)

    Raises:
        ValueError: when an argument is out of its range, or a node of a batch is, or stands in it twice.
    """

    def __init__(self, edge_index: Tensor, num_nodes: int, num_neighbors: Sequence[int], seed: int = 0) -> None:
        if not len(num_neighbors) or any(number == 0 or number < -1 for number in num_neighbors):
            raise ValueError(
                f"num_neighbors must hold a number for each hop, at least 1, or -1 for all neighbours, but it is "
                f"{list(num_neighbors)}."
            )
        if edge_index.ndim != 2 or len(edge_index) != 2:
            raise ValueError(f"edge_index must have the shape (2, E), but it has {tuple(edge_index.shape)}.")
        edge_index = edge_index.cpu()
        _check_nodes("edge_index", edge_index, num_nodes)
        self.num_neighbors, self.seed, self.epoch = tuple(num_neighbors), seed, 0
        self._edges = edge_index[1].argsort(stable=True)  # those into node 0, then those into node 1, …
        self._sources = edge_index[0, self._edges]
        self._first = torch.zeros(num_nodes + 1, dtype=torch.long)  # place of the first edge into each node
        self._first[1:] = torch.bincount(edge_index[1], minlength=num_nodes).cumsum(0)
        self._local = torch.full((num_nodes,), -1)  # place of a node in the batch; between two batches −1 for all

    def sample_from_nodes(self, index: NodeSamplerInput, **kwargs: Any) -> SamplerOutput:
        """Draw the neighbourhood of a batch's nodes, which come first in ``node``; edges are ordered by hop."""
        seeds, order = index.node.long(), torch.arange(len(index.node))
        _check_nodes("the nodes of a batch", seeds, len(self._local))
        nodes = [seeds]
        try:
            self._local[seeds] = order
            if (self._local[seeds] != order).any():
                raise ValueError("the nodes of a batch must be distinct, but one of them stands in it twice.")
            rows, cols, places = self._hops(nodes)
        finally:
            self._local[torch.cat(nodes)] = -1
        return SamplerOutput(
            node=torch.cat(nodes),
            row=torch.cat(rows),
            col=torch.cat(cols),
            edge=self._edges[torch.cat(places)],
            num_sampled_nodes=[len(reached) for reached in nodes],
            num_sampled_edges=[len(drawn) for drawn in places],
            metadata=(index.input_id, index.time),
        )

    def sample_from_edges(self, index: EdgeSamplerInput, neg_sampling: Any = None) -> SamplerOutput:
        raise NotImplementedError("UniformNeighborSampler samples around nodes only: use it with a NodeLoader.")

    def _hops(self, nodes: list[Tensor]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Sources and targets, as places in the batch, and places in ``_edges`` of the edges that each hop draws.

        Appends to ``nodes``, which holds those of the batch, the nodes that each hop reaches first.
        """
        generator = self._generator(nodes[0])
        rows, cols, places, num_before, num_reached = [], [], [], 0, len(nodes[0])
        for number in self.num_neighbors:
            drawn, target = self._draw(nodes[-1], number, generator)
            sources = self._sources[drawn]
            new = sources[self._local[sources] < 0].unique()
            nodes.append(new)
            self._local[new] = torch.arange(num_reached, num_reached + len(new))
            rows.append(self._local[sources])
            cols.append(target + num_before)
            places.append(drawn)
            num_before, num_reached = num_reached, num_reached + len(new)
        return rows, cols, places

    def _draw(self, targets: Tensor, number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Places of the edges drawn into the targets, and which of the targets each goes into."""
        first = self._first[targets]
        degrees = self._first[targets + 1] - first
        into = torch.arange(len(targets)).repeat_interleave(degrees)
        rank = torch.arange(len(into)) - (degrees.cumsum(0) - degrees)[into]  # 0, 1, … among the edges into a target
        places = first[into] + rank
        if number == -1 or not (degrees > number).any():
            return places, into
        keys = (into << 32) + torch.randint(1 << 32, into.shape, generator=generator)
        drawn = rank < number
        return places[keys.argsort()][drawn], into[drawn]

    def _generator(self, seeds: Tensor) -> torch.Generator:
        content = f"{self.seed} {self.epoch} ".encode() + seeds.contiguous().numpy().tobytes()
        digest = hashlib.blake2b(content, digest_size=8).digest()
        return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def _check_nodes(name: str, nodes: Tensor, num_nodes: int) -> None:
    if nodes.is_floating_point() or ((nodes < 0) | (nodes >= num_nodes)).any():
        raise ValueError(f"{name} must be whole numbers from 0 to {num_nodes - 1}, but hold {nodes.tolist()[:10]} …")
