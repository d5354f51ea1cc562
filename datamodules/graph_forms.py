"""The forms in which PyTorch Geometric's data sets come, brought to the one that is learnt from, or told in a sentence.

Letters: N nodes, E edges, I features, K splits.
"""

from copy import copy
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

MASKS = ("train_mask", "val_mask", "test_mask")


SPLITS = ("train", "val", "test")


def usual_form(graph: Any, mask_column: int | None = None) -> Any:
    """A graph with features, edges, labels and masks of the types and shapes that ``GraphDataModule`` takes.

    Features of whole numbers become floating-point ones, a sparse ``adj_t`` the edges that it holds, labels (N, 1) and
    masks (N, 1) lose their second dimension, of masks (N, K) one column is taken. A graph may have no validation nodes.
    One without ``y`` has no masks either: it can be predicted alone.

    Args:
        graph: what ``load_graph`` returned, a ``torch_geometric.data.Data``; it is not changed.
        mask_column: which of K splits, in 0 … K − 1; None where masks are of one.

    Shapes:
        x (N, I), dense or torch.sparse_csr, edge_index (2, E), edge_weight (E,) or None, y (N,) or None, masks (N,)

    Raises:
        ValueError: when a part is missing, or of a form whose meaning is not clear.
    """
    from torch_geometric.data import Data

    if not isinstance(graph, Data):
        raise ValueError(
            f"load_graph must return a torch_geometric.data.Data, but it returned a {type(graph).__name__}: of a data "
            f"set with one graph return dataset[0]."
        )
    graph = copy(graph)
    graph.x = _features(graph)
    graph.edge_index, graph.edge_weight = _edges(graph)
    if graph.get("y") is None:
        graph.y = None
        for name in MASKS:
            graph[name] = torch.zeros(len(graph.x), dtype=torch.bool)
        return graph
    graph.y = labels_of(graph)
    if mask_column is not None and all(mask.ndim < 2 for name in MASKS if isinstance(mask := graph.get(name), Tensor)):
        raise ValueError(f"mask_column is {mask_column}, but the masks of the graph are of one split: leave it out.")
    for name in MASKS:
        graph[name] = _mask(graph, name, mask_column)
    return graph


def _features(graph: Any) -> Tensor:
    x = graph.get("x")
    if not isinstance(x, Tensor) or x.ndim != 2:
        found = f"of the shape {tuple(x.shape)}" if isinstance(x, Tensor) else f"a {type(x).__name__}"
        raise ValueError(
            f"x must be a tensor of the features of the nodes, (N, I), but it is {found}: set it in load_graph, where "
            f"nodes have none to torch.eye(graph.num_nodes)."
        )
    x = x.to_sparse_csr() if x.layout == torch.sparse_coo else x
    finite = (x.values() if x.layout == torch.sparse_csr else x).isfinite()
    if not bool(finite.all()):
        place = (~finite).nonzero()[0].tolist()
        node = "a node" if len(place) == 1 else f"node {place[0]} in column {place[1]} (both counted from 0)"
        raise ValueError(f"x must hold finite numbers, but that of {node} is none: mend it or leave the column out.")
    return x if x.dtype == torch.get_default_dtype() else x.to(torch.get_default_dtype())


def _edges(graph: Any) -> tuple[Tensor, Tensor | None]:
    edges, weights = graph.get("edge_index"), graph.get("edge_weight")
    if edges is None and "adj_t" in graph:
        from torch_geometric.utils import to_edge_index

        edges, values = to_edge_index(graph.adj_t)  # of the transpose, whose rows are the targets
        edges = edges.flip(0)
        weights = values if values is not None and bool((values != 1).any()) else None
        del graph.adj_t
    if "edge_attr" in graph:
        rank_zero_info("The graph networks here read no features of edges: edge_attr is left out.")
    if not isinstance(edges, Tensor) or edges.ndim != 2 or len(edges) != 2 or edges.is_floating_point():
        found = f"{edges.dtype} {tuple(edges.shape)}" if isinstance(edges, Tensor) else f"a {type(edges).__name__}"
        raise ValueError(
            f"edge_index must hold the numbers of the sources and the targets of the edges, (2, E), but it is {found}: "
            f"transpose or set it in load_graph."
        )
    return edges.long().contiguous(), None if weights is None else _weights(weights, edges.shape[1])


def _weights(weights: Any, num_edges: int) -> Tensor:
    if not isinstance(weights, Tensor) or weights.numel() != num_edges or weights.ndim > 2:
        found = f"{tuple(weights.shape)}" if isinstance(weights, Tensor) else f"a {type(weights).__name__}"
        raise ValueError(f"edge_weight must hold a number for each of the {num_edges} edges, (E,), but it is {found}.")
    weights = weights.view(-1).to(torch.get_default_dtype())
    wrong = (~(weights >= 0) | weights.isinf()).nonzero()[:, 0]
    if len(wrong):
        raise ValueError(
            f"edge_weight must be finite and not negative, but that of edge {int(wrong[0])} (counted from 0) is "
            f"{float(weights[wrong[0]]):g}: mend it, or leave edge_weight out."
        )
    return weights


def labels_of(graph: Any) -> Tensor:
    """The labels (N,) of a graph, or a ValueError where they are missing or of another form."""
    y, nodes = graph.get("y"), len(graph.x)
    if isinstance(y, Tensor) and y.shape == (nodes, 1):
        y = y[:, 0]
    if not isinstance(y, Tensor) or y.shape != (nodes,) or y.is_floating_point():
        found = f"{y.dtype} {tuple(y.shape)}" if isinstance(y, Tensor) else f"a {type(y).__name__}"
        raise ValueError(
            f"y must hold the class of each of the {nodes} nodes as a whole number, (N,), but it is {found}: set it in "
            f"load_graph, from one row of ones and zeros a node by y.argmax(dim=1)."
        )
    return y.long()


def _mask(graph: Any, name: str, column: int | None) -> Tensor:
    mask, nodes = graph.get(name), len(graph.x)
    if mask is None and name == "val_mask":
        return torch.zeros(nodes, dtype=torch.bool)
    if mask is None:
        raise ValueError(
            f"{name} is missing: say in load_graph which nodes are of which split, or draw them by "
            f"torch_geometric.transforms.RandomNodeSplit(num_val=…, num_test=…)."
        )
    is_tensor = isinstance(mask, Tensor)
    if is_tensor and mask.ndim == 2 and len(mask) == nodes and mask.shape[1] > 0:
        mask = mask[:, _column(name, mask.shape[1], column)]
    if (
        not is_tensor
        or mask.shape != (nodes,)
        or (mask.dtype != torch.bool and bool(((mask != 0) & (mask != 1)).any()))
    ):
        found = f"{mask.dtype} {tuple(mask.shape)}" if is_tensor else f"a {type(mask).__name__}"
        raise ValueError(
            f"{name} must be True or False for each of the {nodes} nodes, (N,), but it is {found}: of a list of nodes "
            f"make it by torch_geometric.utils.index_to_mask(nodes, {nodes})."
        )
    return mask.bool()


def _column(name: str, num_splits: int, column: int | None) -> int:
    if num_splits == 1:
        return 0
    if column is None or not 0 <= column < num_splits:
        given = "is not chosen" if column is None else f"is {column}"
        raise ValueError(
            f"{name} has {num_splits} columns, a split each, but mask_column {given}: set data.mask_column, an "
            f"argument of GraphDataModule, to one of 0 to {num_splits - 1}, or take a column in load_graph."
        )
    return column


def check_edges(graph: Any) -> None:
    """Raise ValueError when a graph has no edges, or one that names a node that is not there."""
    nodes, edges = graph.num_nodes, graph.edge_index
    if not edges.numel():
        raise ValueError(f"the graph has {nodes} nodes and no edges: a graph network has nothing to learn from.")
    if edges.min() < 0 or edges.max() >= nodes:
        wrong = edges[(edges < 0) | (edges >= nodes)][0]
        raise ValueError(f"an edge names the node {wrong}, but the graph has the nodes 0 to {nodes - 1}.")


def check_labels(graph: Any, num_classes: int) -> None:
    """Raise ValueError when nothing can be learnt from a graph's labels.

    That is with two splits that share a node, a split without nodes, or a label out of range.
    """
    masks = {split: graph[f"{split}_mask"] for split in SPLITS}
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        if shared := int((masks[one] & masks[other]).sum()):
            raise ValueError(f"{shared} nodes are in {one}_mask and in {other}_mask: each node may be in one split.")
    for split in ("train", "test"):
        if not masks[split].any():
            raise ValueError(f"{split}_mask has no nodes: at least one is needed.")
    labels = graph.y[masks["train"] | masks["val"] | masks["test"]]
    if labels.min() < 0 or labels.max() >= num_classes:
        wrong = labels[(labels < 0) | (labels >= num_classes)][0]
        raise ValueError(f"a node has the label {wrong}, but labels are 0 to {num_classes - 1}: check num_classes.")
