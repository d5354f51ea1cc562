"""Graphs in tables and arrays, and what may be wrong in them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_data import write_arrays, write_csv

from datamodules import GraphDataModule, graph_files
from lab.errors import LabError

NODES = [["a", "x", "train", 0.5, 1], ["b", "y", "train", 1.5, 2], ["c", "x", "val", 2.5, 4], ["d", "y", "test", 3, 8]]
NODES += [["e", "", "", 4.5, 16]]
EDGES = [["a", "b", 2.0], ["b", "c", 0.5], ["c", "d", 1.0], ["d", "d", 3.0]]
HEADER = ["id", "label", "split", "f", "g"]


def write(folder: Path, nodes: Any = NODES, edges: Any = EDGES, header: Any = HEADER) -> Path:
    write_csv(folder / "nodes.csv", header, nodes)
    write_csv(folder / "edges.csv", ["source", "target", "weight"], edges)
    return folder


def ready(path: Path, stage: str = "fit", **arguments: Any) -> GraphDataModule:
    data = GraphDataModule(path=str(path), **arguments)
    data.setup(stage)
    return data


def changed(rows: list, place: int, **cells: Any) -> list:
    row = dict(zip(HEADER if len(rows[0]) == 5 else ("source", "target", "weight"), rows[place], strict=True)) | cells
    return [*rows[:place], list(row.values()), *rows[place + 1 :]]


def test_tables_give_features_labels_splits_and_weighted_edges_both_ways(tmp_path: Path) -> None:
    data = ready(write(tmp_path))
    graph = data.graph
    assert torch.equal(graph.x, torch.tensor([[0.5, 1], [1.5, 2], [2.5, 4], [3, 8], [4.5, 16]]))
    assert graph.y.tolist() == [0, 1, 0, 1, -1] and data.class_names == ["x", "y"] and data.num_classes == 2
    weights = dict(zip(map(tuple, graph.edge_index.T.tolist()), graph.edge_weight.tolist(), strict=True))
    assert weights == {(0, 1): 2.0, (1, 0): 2.0, (1, 2): 0.5, (2, 1): 0.5, (2, 3): 1.0, (3, 2): 1.0}
    assert [data.datasets[split].nodes.tolist() for split in ("train", "val", "test")] == [[0, 1], [2], [3]]
    assert data.sample_names([0, 4]) == ["a", "e"]


def test_directed_edges_keep_their_direction_and_columns_may_be_chosen(tmp_path: Path) -> None:
    data = ready(write(tmp_path), directed=True, features=["g"], class_names=["y", "x"])
    assert data.graph.edge_index.tolist() == [[0, 1, 2], [1, 2, 3]] and data.num_features == 1
    assert data.graph.y.tolist() == [1, 0, 1, 0, -1] and data.class_names == ["y", "x"]


def test_sizes_are_known_before_training(tmp_path: Path) -> None:
    data = GraphDataModule(path=str(write(tmp_path)))
    assert (data.num_classes, data.num_features) == (2, 2)


def test_labels_that_are_numbers_are_sorted_by_their_value(tmp_path: Path) -> None:
    nodes = [
        [name, label, split, *rest] for (name, _, split, *rest), label in zip(NODES, (10, 9, 10, 9, 2), strict=True)
    ]
    assert ready(write(tmp_path, nodes)).class_names == ["2", "9", "10"]


def test_without_labels_a_graph_can_be_predicted_alone(tmp_path: Path) -> None:
    nodes = [[name, *features] for name, _, _, *features in NODES]
    path = write(tmp_path, nodes, header=["id", "f", "g"])
    data = ready(path, "predict")
    (batch,) = list(data.predict_dataloader())
    assert batch.targets.tolist() == [0, 1, 2, 3, 4] and batch.y is None and data.num_classes is None
    with pytest.raises(ValueError, match="y must hold the class of each of the 5 nodes"):
        data.setup("fit")


def test_arrays_are_read_with_one_of_their_splits(tmp_path: Path) -> None:
    data = ready(write_arrays(tmp_path / "ring.npz"), split=3)
    assert (data.num_classes, data.num_features, data.graph.num_nodes) == (2, 2, 40)
    assert data.graph.test_mask.nonzero()[:2, 0].tolist() == [0, 4]
    with pytest.raises(ValueError, match="train_mask has 4 columns, a split each, but mask_column is 4"):
        ready(tmp_path / "ring.npz", split=4)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sentences: list[str] = []
    monkeypatch.setattr(graph_files, "tell_once", sentences.append)
    return sentences


def test_repeated_edges_are_left_out_and_told(tmp_path: Path, told: list[str]) -> None:
    data = ready(write(tmp_path, edges=[*EDGES, ["a", "b", 9.0], ["b", "a", 1.0]]), directed=True)
    assert data.graph.edge_index.shape[1] == 4 and data.graph.edge_weight.tolist() == [2.0, 0.5, 1.0, 1.0]
    assert told == [
        f'{tmp_path / "edges.csv"}, line 6 repeats the edge from "a" to "b" of line 2; 1 such rows are left out.'
    ]


TABLES = {
    r'edges\.csv, line 3: the target "z" is none of the 5 nodes of nodes\.csv: add the node': {
        "edges": changed(EDGES, 1, target="z")
    },
    r'nodes\.csv, line 4, column "f" must hold a finite number, but it is "nan"': {"nodes": changed(NODES, 2, f="nan")},
    r'nodes\.csv, line 5 has the id "a", as line 2 has: each node needs its own\.': {
        "nodes": changed(NODES, 3, id="a")
    },
    r'nodes\.csv, line 3 has the split "valid", but it must be train, val, test or empty': {
        "nodes": changed(NODES, 1, split="valid")
    },
    r"nodes\.csv, line 6 is in the split test and has no label": {"nodes": changed(NODES, 4, split="test")},
    r"edges\.csv, line 2: the weight must not be negative, but it is -1": {"edges": changed(EDGES, 0, weight=-1)},
    r"train_mask has no nodes: at least one is needed": {"nodes": [[n, y, "test", f, g] for n, y, _, f, g in NODES[:4]]
        + [["e", "x", "val", 1, 2]]},
    r'must have the column "label", but has id, class, split, f, g': {"header": ["id", "class", "split", "f", "g"]},
}  # fmt: skip


@pytest.mark.parametrize(("message", "changes"), TABLES.items(), ids=list(TABLES))
def test_what_is_wrong_in_a_table_is_told_with_its_line(tmp_path: Path, message: str, changes: dict) -> None:
    with pytest.raises((LabError, ValueError), match=message):
        ready(write(tmp_path, **changes), features=["f", "g"])


def test_a_label_out_of_the_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r'nodes\.csv, line 3 has the label "y", but labels are x, z: mend it'):
        ready(write(tmp_path), class_names=["x", "z"])


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"must hold nodes\.csv and edges\.csv, but nodes\.csv is not there"):
        ready(tmp_path)


ARRAYS = {
    r"must hold the arrays x and edge_index, but lacks edge_index": {"x": np.ones((3, 2))},
    r"is no \.npz file of numbers alone \(Object arrays cannot be loaded": {"x": np.array([{}], dtype=object)},
    r"an edge names the node 7, but the graph has the nodes 0 to 2\.": {
        "x": np.eye(3), "edge_index": np.array([[0], [7]]), "y": np.arange(3),
    },
    r"train_mask must be True or False for each of the 3 nodes, \(N,\), but it is torch\.bool \(2,\)": {
        "x": np.eye(3), "edge_index": np.array([[0], [1]]), "y": np.arange(3), "train_mask": np.ones(2, dtype=bool),
    },
    r"x must hold finite numbers, but that of node 1 in column 0": {
        "x": np.array([[1.0], [np.nan]]), "edge_index": np.array([[0], [1]]),
    },
}  # fmt: skip


@pytest.mark.parametrize(("message", "arrays"), ARRAYS.items(), ids=list(ARRAYS))
def test_what_is_wrong_in_arrays_is_told(tmp_path: Path, message: str, arrays: dict) -> None:
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises((LabError, ValueError), match=message):
        ready(tmp_path / "own.npz")
