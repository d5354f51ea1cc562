"""Graphs in files of one's own: a table of nodes and one of edges, or arrays.

Letters: N nodes, E edges, I features, K splits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from datamodules.listing import find_file, tell_once
from datamodules.tables import Table, read_table, tell_constant
from lab.errors import LabError, nearest

if TYPE_CHECKING:
    from torch_geometric.data import Data

ARRAYS = ("x", "edge_index", "edge_weight", "y", "train_mask", "val_mask", "test_mask")
SPLITS = ("train", "val", "test")
NO_LABEL = -1  # of a node in no split


@dataclass(frozen=True)
class GraphFile:
    """A graph and what its nodes and classes are called; ``class_names`` is None where labels are numbers."""

    graph: "Data"
    node_names: list[str] | None
    class_names: list[str] | None


def read_tables(
    folder: Path, label_column: str, features: Sequence[str] | None, class_names: Sequence[str] | None
) -> GraphFile:
    """A graph of ``nodes.csv`` and ``edges.csv``.

    A row of ``nodes.csv`` is a node, with its features; the column "id" names it, else it is called 0, 1, …, and the
    column "split" says train, val, test or nothing. Of ``edges.csv`` the first two columns are the names of the source
    and the target, and the column "weight" is the weight of the edge.

    Args:
        folder: where they lie.
        label_column: the column of the classes; without it, and without a column "split", the graph has no labels.
        features: the columns of the features; all others when None.
        class_names: the classes there may be, in their order; those that are found when None.

    Raises:
        LabError: when a table is missing, or a row is wrong; says which.
    """
    from torch_geometric.data import Data

    nodes = read_table(_file(folder, "nodes.csv"))
    names = nodes.columns.get("id") or [str(number) for number in range(len(nodes))]
    _check_distinct(nodes, names)
    roles = ("id", "split", label_column)
    features = [name for name in nodes.columns if name not in roles] if features is None else list(features)
    if not features:
        raise LabError(f"{nodes.path} must have columns of features beside {', '.join(nodes.columns)}: add one.")
    graph = Data(x=nodes.numbers(features, "data.features"))
    tell_constant(nodes.path, features, graph.x, "data.features")
    _read_edges(graph, read_table(_file(folder, "edges.csv")), names)
    if label_column not in nodes.columns:
        if "split" in nodes.columns:
            nodes.texts(label_column, "data.label_column")
        return GraphFile(graph, names, None)
    class_names = list(class_names or sorted_labels(nodes.columns[label_column]))
    graph.y = _labels(nodes, label_column, class_names)
    if "split" in nodes.columns:
        _read_split(graph, nodes)
    return GraphFile(graph, names, class_names)


def read_arrays(path: Path) -> GraphFile:
    """A graph of the arrays ``x`` (N, I), ``edge_index`` (2, E), and where there are any ``y`` and the masks.

    Masks are (N,) or, of K splits, (N, K). Nothing is unpickled.

    Raises:
        LabError: when the file cannot be read, holds Python objects, or lacks an array.
    """
    from torch_geometric.data import Data

    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: torch.from_numpy(file[name]) for name in file.files if name in ARRAYS}
            passed_over = [name for name in file.files if name not in ARRAYS]
    except OSError as error:
        raise LabError(f"{path} cannot be read ({error.strerror or error}): check data.path.") from error
    except (ValueError, TypeError, BadZipFile, KeyError) as error:
        raise LabError(f"{path} is no .npz file of numbers alone ({error}): save it by numpy.savez.") from error
    if missing := [name for name in ("x", "edge_index") if name not in arrays]:
        raise LabError(f"{path} must hold the arrays x and edge_index, but lacks {' and '.join(missing)}: add it.")
    if passed_over:
        tell_once(f"{path}: the arrays {', '.join(passed_over)} are passed over; {', '.join(ARRAYS)} are read.")
    graph = Data(**arrays)
    if graph.x.ndim == 2 and len(graph.x):
        tell_constant(path, [f"column {number} of x" for number in range(graph.x.shape[1])], graph.x, "x")
    return GraphFile(graph, None, None)


def sorted_labels(labels: Sequence[str]) -> list[str]:
    """The distinct labels that are not empty, numbers by their value."""
    distinct = {label for label in labels if label}
    return sorted(distinct, key=int if all(label.isdecimal() for label in distinct) else None)


def _file(folder: Path, name: str) -> Path:
    path = find_file(folder, name)
    if path is None:
        raise LabError(f"{folder} must hold nodes.csv and edges.csv, but {name} is not there: set data.path.")
    return path


def _check_distinct(nodes: Table, names: Sequence[str]) -> None:
    seen: dict[str, int] = {}
    for row, name in enumerate(names):
        if (first := seen.setdefault(name, row)) != row:
            raise LabError(
                f'{nodes.where(row)} has the id "{name}", as line {nodes.lines[first]} has: each node needs its own.'
            )


def _read_edges(graph: "Data", edges: Table, names: Sequence[str]) -> None:
    if len(edges.columns) < 2:
        raise LabError(f"{edges.path} must have two columns, the source and the target of each edge: add one.")
    numbers, ends = {name: number for number, name in enumerate(names)}, list(edges.columns)[:2]
    for column in ends:
        for row, name in enumerate(edges.columns[column]):
            if name not in numbers:
                raise LabError(
                    f'{edges.where(row)}: the {column} "{name}" is none of the {len(names)} nodes of nodes.csv: add '
                    f"the node, or take the edge out{nearest(name, numbers)}"
                )
    pairs = list(zip(*(edges.columns[column] for column in ends), strict=True))
    rows = {pair: row for row, pair in reversed([*enumerate(pairs)])}  # the first row of each
    if len(rows) < len(pairs):
        row = next(row for row, pair in enumerate(pairs) if rows[pair] != row)
        tell_once(
            f'{edges.where(row)} repeats the edge from "{pairs[row][0]}" to "{pairs[row][1]}" of line '
            f"{edges.lines[rows[pairs[row]]]}; {len(pairs) - len(rows)} such rows are left out."
        )
    kept = sorted(rows.values())
    graph.edge_index = torch.tensor([[numbers[name] for name in pairs[row]] for row in kept]).T.contiguous()
    if "weight" in edges.columns:
        graph.edge_weight = _weights(edges)[kept]


def _weights(edges: Table) -> Tensor:
    weights = edges.numbers(["weight"], "data.path")[:, 0]
    for row in (weights < 0).nonzero()[:1, 0].tolist():
        raise LabError(f"{edges.where(row)}: the weight must not be negative, but it is {float(weights[row]):g}.")
    return weights


def _labels(nodes: Table, column: str, class_names: Sequence[str]) -> Tensor:
    numbers = {"": NO_LABEL, **{name: number for number, name in enumerate(class_names)}}
    for row, label in enumerate(nodes.columns[column]):
        if label not in numbers:
            raise LabError(
                f'{nodes.where(row)} has the label "{label}", but labels are {", ".join(class_names)}: mend it, or set '
                f"data.class_names{nearest(label, class_names)}"
            )
    return torch.tensor([numbers[label] for label in nodes.columns[column]])


def _read_split(graph: "Data", nodes: Table) -> None:
    for row, split in enumerate(nodes.columns["split"]):
        if split not in ("", *SPLITS):
            raise LabError(f'{nodes.where(row)} has the split "{split}", but it must be train, val, test or empty.')
        if split and graph.y[row] == NO_LABEL:
            raise LabError(
                f"{nodes.where(row)} is in the split {split} and has no label: give it one, or empty the split."
            )
    for split in SPLITS:
        graph[f"{split}_mask"] = torch.tensor([cell == split for cell in nodes.columns["split"]])
