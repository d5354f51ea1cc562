"""PyG's forms of features, edges, labels and masks: each is learnt from, or refused in a sentence."""

from typing import Any

import pytest
import torch
from tiny_graph import NODES, TinyGraph, mask_of, tiny_graph
from torch import Tensor
from torch.testing import assert_close
from torch_geometric.data import Data, HeteroData
from torch_geometric.transforms import ToSparseTensor

from datamodules import graph_forms
from datamodules.graph_forms import MASKS, usual_form
from datamodules.graphs import GraphDataModule


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    monkeypatch.setattr(graph_forms, "rank_zero_info", sentences.append)
    return sentences


def of(graph: Data) -> dict[str, Tensor]:
    return {name: graph[name].to_dense() if name == "x" else graph[name] for name in ("x", "edge_index", "y", *MASKS)}


def columns(name: str, num: int = 10) -> Tensor:
    """Masks (N, K), of which column 3 is that of the tiny graph and the others are rotated by some nodes."""
    return torch.stack([tiny_graph()[name].roll(3 - column) for column in range(num)], dim=1)


SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ten splits": ({name: columns(name) for name in MASKS}, {"mask_column": 3}),
    "ten splits with one test": ({name: columns(name) for name in MASKS[:2]}, {"mask_column": 3}),
    "one column": ({name: tiny_graph()[name][:, None] for name in MASKS}, {}),
    "masks of bytes": ({name: tiny_graph()[name].byte() for name in MASKS}, {}),
    "labels (N, 1)": ({"y": tiny_graph().y[:, None]}, {}),
    "labels of 32 bits": ({"y": tiny_graph().y.int()}, {}),
    "sparse features": ({"x": tiny_graph().x.to_sparse_coo()}, {}),
    "numbers of 32 bits": ({"edge_index": tiny_graph().edge_index.int()}, {}),
    "features of 64 bits": ({"x": tiny_graph().x.double()}, {}),
}


@pytest.mark.parametrize(("changes", "arguments"), SAME.values(), ids=list(SAME))
def test_a_form_is_the_same_graph(changes: dict[str, Any], arguments: dict[str, Any], told: list[str]) -> None:
    data = TinyGraph(changes=changes, **arguments)
    data.setup("fit")
    assert_close(of(data.graph), of(tiny_graph()), rtol=0, atol=0)
    assert told == []


@pytest.mark.parametrize("weighted", [False, True])
def test_the_edges_of_an_adjacency_matrix_keep_their_directions(weighted: bool, told: list[str]) -> None:
    graph = tiny_graph()
    graph.edge_index = torch.tensor([[0, 0, 5, 7], [1, 2, 0, 7]])  # directed, with a loop and nodes without edges
    graph.edge_weight = torch.tensor([1.0, 1.0, 1.0, 2.0]) if weighted else None
    matrix = ToSparseTensor(attr="edge_weight")(graph.clone())
    assert matrix.edge_index is None
    found = usual_form(matrix)
    assert sorted(found.edge_index.T.tolist()) == graph.edge_index.T.tolist() and "adj_t" in matrix
    weights = dict(zip(map(tuple, found.edge_index.T.tolist()), (found.edge_weight if weighted else ()), strict=False))
    assert weights == ({(0, 1): 1.0, (0, 2): 1.0, (5, 0): 1.0, (7, 7): 2.0} if weighted else {}) and not told


def test_features_of_edges_are_left_out_with_a_word(told: list[str]) -> None:
    graph = tiny_graph()
    graph.edge_attr = torch.rand(graph.num_edges, 2)
    assert_close(of(usual_form(graph)), of(graph))
    assert told == ["The graph networks here read no features of edges: edge_attr is left out."]


def test_a_graph_may_have_no_validation_nodes_and_a_datamodule_no_number_of_classes() -> None:
    class Own(GraphDataModule):
        def load_graph(self) -> Data:
            graph = tiny_graph()
            graph.val_mask, graph.x = None, torch.eye(NODES, dtype=torch.long)
            return graph

    data = Own()
    data.setup("fit")
    assert torch.equal(data.datasets["val"].nodes, data.datasets["train"].nodes)
    assert (data.num_classes, data.num_features, data.graph.x.dtype) == (3, NODES, torch.float32)


GRAPHS = {
    r"train_mask has 10 columns, a split each, but mask_column is not chosen: set data.mask_col.*to one of 0 to 9":
        ({name: columns(name) for name in MASKS}, {}),
    r"train_mask has 10 columns, a split each, but mask_column is 10: ":
        ({name: columns(name) for name in MASKS}, {"mask_column": 10}),
    r"mask_column is 0, but the masks of the graph are of one split: leave it out\.": ({}, {"mask_column": 0}),
    r"train_mask is missing: say in load_graph .*RandomNodeSplit": (dict.fromkeys(MASKS), {}),
    r"test_mask is missing": ({"test_mask": None}, {}),
    r"train_mask must be True or False for each of the 24 nodes, \(N,\), but it is torch.int64 \(9,\): .*index_to_mask":
        ({"train_mask": torch.arange(9)}, {}),
    r"train_mask must be True or False for each of the 24 nodes, \(N,\), but it is torch.int64 \(24,\)":
        ({"train_mask": torch.arange(24)}, {}),
    r"val_mask must be True or False for each of the 24 nodes, \(N,\), but it is a list":
        ({"val_mask": mask_of().tolist()}, {}),
    r"y must hold the class of each of the 24 nodes as a whole number, \(N,\), but it is torch.float32 \(24,\)":
        ({"y": tiny_graph().y.float()}, {}),
    r"but it is torch.int64 \(24, 3\): .* by y.argmax\(dim=1\)\.":
        ({"y": torch.nn.functional.one_hot(tiny_graph().y)}, {}),
    r"x must hold finite numbers, but that of node 3 in column 1 \(both counted from 0\) is none: mend it":
        ({"x": torch.ones(NODES, 2).index_put((torch.tensor([3]), torch.tensor([1])), torch.tensor(torch.nan))}, {}),
    r"edge_weight must hold a number for each of the \d+ edges, \(E,\), but it is \(5,\)\.":
        ({"edge_weight": torch.ones(5)}, {}),
    r"edge_weight must be finite and not negative, but that of edge 0 \(counted from 0\) is -1: mend it":
        ({"edge_weight": -torch.ones(tiny_graph().num_edges)}, {}),
    r"as a whole number, \(N,\), but it is a NoneType": ({"y": None}, {}),
    r"x must be a tensor of the features of the nodes, \(N, I\), but it is a NoneType: .*torch.eye":
        ({"x": None}, {}),
    r"but it is of the shape \(24,\)": ({"x": torch.ones(24)}, {}),
    r"the edges, \(2, E\), but it is torch.int64 \(68, 2\)": ({"edge_index": torch.ones(68, 2).long()}, {}),
    r"the targets of the edges, \(2, E\), but it is torch.float32": ({"edge_index": torch.ones(2, 5)}, {}),
    r"the targets of the edges, \(2, E\), but it is a NoneType": ({"edge_index": None}, {}),
}  # fmt: skip


@pytest.mark.parametrize(("message", "given"), GRAPHS.items(), ids=list(GRAPHS))
def test_a_form_whose_meaning_is_not_clear_is_refused(message: str, given: tuple[dict, dict]) -> None:
    changes, arguments = given
    with pytest.raises(ValueError, match=message):
        TinyGraph(changes=changes, **arguments).setup("fit")


@pytest.mark.parametrize("graph", [HeteroData(), [tiny_graph()]], ids=["hetero", "data set"])
def test_what_is_no_graph_is_refused(graph: Any) -> None:
    with pytest.raises(ValueError, match=r"load_graph must return a torch_geometric.data.Data, .*: .* dataset\[0\]\."):
        usual_form(graph)
