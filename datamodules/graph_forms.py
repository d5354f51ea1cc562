"""The forms in which PyTorch Geometric's data sets come, brought to the one that is learnt from, or told in a sentence.

Letters: N nodes, E edges, I features, K splits.
"""

from copy import copy
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor

MASKS = ("train_mask", "val_mask", "test_mask")


def usual_form(graph: Any, mask_column: int | None = None) -> Any:
    """A graph with features, edges, labels and masks of the types and shapes that ``GraphDataModule`` takes.

    Features of whole numbers become floating-point ones, a sparse ``adj_t`` the edges that it holds, labels (N, 1) and
    masks (N, 1) lose their second dimension, of masks (N, K) one column is taken. A graph may have no validation nodes.

    Args:
        graph: what ``load_graph`` returned, a ``torch_geometric.data.Data``; it is not changed.
        mask_column: which of K splits, in 0 … K − 1; None where masks are of one.

    Shapes:
        x (N, I), dense or torch.sparse_csr, edge_index (2, E), y (N,), masks (N,) of bool

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
    graph.edge_index = _edges(graph)
    graph.y = _labels(graph)
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
    return x if x.dtype == torch.get_default_dtype() else x.to(torch.get_default_dtype())


def _edges(graph: Any) -> Tensor:
    edges, weights = graph.get("edge_index"), [name for name in ("edge_weight", "edge_attr") if name in graph]
    if edges is None and "adj_t" in graph:
        from torch_geometric.utils import to_edge_index

        edges, values = to_edge_index(graph.adj_t)  # of the transpose, whose rows are the targets
        edges = edges.flip(0)
        weights += ["adj_t"] if values is not None and bool((values != 1).any()) else []
        del graph.adj_t
    if weights:
        rank_zero_info(f"The graph networks here read no weights of edges: {', '.join(weights)} is left out.")
    if not isinstance(edges, Tensor) or edges.ndim != 2 or len(edges) != 2 or edges.is_floating_point():
        found = f"{edges.dtype} {tuple(edges.shape)}" if isinstance(edges, Tensor) else f"a {type(edges).__name__}"
        raise ValueError(
            f"edge_index must hold the numbers of the sources and the targets of the edges, (2, E), but it is {found}: "
            f"transpose or set it in load_graph."
        )
    return edges.long().contiguous()


def _labels(graph: Any) -> Tensor:
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
