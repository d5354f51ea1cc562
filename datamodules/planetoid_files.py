"""Citation graphs in the files of Planetoid, which are pickles: read as records, so that none of their code runs."""

import io
import pickle
import pickletools
import re
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import coalesce, index_to_mask, remove_self_loops

from datamodules.listing import find_file
from lab.errors import LabError

KINDS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
NUM_VAL = 500


class _Record:
    """What a file says of an object of a library: the arguments of its making, and its state.

    Arrays and matrices are made of records by hand, with every number checked: NumPy and SciPy, which believe the
    state they are given, may end the process over a forged one. ``__setstate__`` keeps a file from changing the class.
    """

    state: Any = None

    def __new__(cls, *arguments: Any) -> "_Record":
        record = super().__new__(cls)
        record.arguments = arguments
        return record

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Array(_Record): ...


class _Number(_Record): ...  # the type of an array's numbers


class _Matrix(_Record): ...


class _Bytes(_Record): ...  # Python 3 writes bytes so in the format of Python 2


ADMITTED = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Number,
    ("scipy.sparse.csr", "csr_matrix"): _Matrix,
    ("scipy.sparse._csr", "csr_matrix"): _Matrix,
    ("_codecs", "encode"): _Bytes,
    ("collections", "defaultdict"): defaultdict,
    ("__builtin__", "list"): list,
    ("builtins", "list"): list,
}


class _Unpickler(pickle.Unpickler):
    def __init__(self, path: Path, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="latin1")
        self.path = path

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in ADMITTED:
            raise LabError(
                f"the file {self.path} wants to load {module}.{name}, which no data file needs: it may be malicious; "
                f"delete it and fetch the data again."
            )
        return ADMITTED[module, name]


def read_planetoid(folder: Path, name: str) -> Data:
    """Read a citation graph and its public split; nothing is written, and no code in the files runs.

    "Revisiting semi-supervised learning with graph embeddings" (Yang, Cohen, Salakhutdinov, 2016),
    https://arxiv.org/abs/1603.08861; the files: https://github.com/kimiyoung/planetoid.
    The labelled nodes come first and train, the next 500 validate, those of ``test.index`` test. A node that
    ``test.index`` leaves out, as in CiteSeer, has no features; such a node, and any other without a class, has the
    class 0 and is in no split.

    Args:
        folder: holds ``ind.<name>.x``, ``tx``, ``allx``, ``y``, ``ty``, ``ally``, ``graph`` and ``test.index``.
        name: "cora", "citeseer" or "pubmed", in letters of any case.

    Shapes:
        x (N, I), sparse in CSR form, as in the files; edge_index (2, E) with both directions of every edge, sorted by
        target, without repeats and self-loops; y, train_mask, val_mask and test_mask (N,)

    Raises:
        LabError: when files are missing, damaged, malicious, or do not belong together.
    """
    paths = {kind: find_file(folder, f"ind.{name.lower()}.{kind}") for kind in KINDS}
    if missing := [f"ind.{name.lower()}.{kind}" for kind, path in paths.items() if path is None]:
        raise LabError(
            f"{folder} must hold the files of {name}, but lacks {', '.join(missing)}: set ARCHLAB_DATA to the folder "
            f"that holds Planetoid/, or copy them from https://github.com/kimiyoung/planetoid (folder data)."
        )
    matrices = {kind: _read(paths[kind], _matrix) for kind in ("x", "tx", "allx")}
    classes = {kind: _read(paths[kind], _one_hot) for kind in ("y", "ty", "ally")}
    _check_sizes(folder, matrices, classes)
    num_train, num_all = len(classes["y"]), len(classes["ally"])
    test = _test_nodes(paths["test.index"], len(classes["ty"]), num_all)
    num_nodes = int(test.max()) + 1
    y = torch.zeros(num_nodes, classes["ally"].shape[1], dtype=torch.bool)
    y[:num_all], y[test] = classes["ally"], classes["ty"]
    split = {"train_mask": torch.arange(num_train), "val_mask": num_train + torch.arange(NUM_VAL), "test_mask": test}
    return Data(
        x=_join(matrices["allx"], matrices["tx"], test, num_nodes),
        edge_index=_edges(paths["graph"], num_nodes),
        y=y.int().argmax(1),
        **{mask: index_to_mask(nodes, num_nodes) & y.any(1) for mask, nodes in split.items()},
    )


def _read(path: Path, interpret: Callable[[Any], Any]) -> Any:
    """What ``interpret`` makes of a pickle's content; whatever it raises says that the file is damaged."""
    try:
        content = path.read_bytes()
        num_tuples = 0
        for opcode, argument, place in pickletools.genops(content):
            num_tuples += opcode.name.startswith(("TUPLE", "FROZENSET"))  # a key of nested ones ends the process
            if num_tuples > 1000 or (opcode.name.endswith("PUT") and int(argument) > len(content)):  # reserves memory
                raise ValueError(f"{opcode.name} at byte {place} asks for too much")
        return interpret(_Unpickler(path, content).load())
    except LabError:
        raise
    except OSError as error:
        raise LabError(f"{path} cannot be read ({error.strerror}): make it readable.") from error
    except Exception as error:  # garbage may raise anything
        raise _damaged(path, str(error) or type(error).__name__) from error


def _damaged(path: Path, reason: str) -> LabError:
    return LabError(f"{path} is truncated or corrupted ({reason}): delete it and fetch the data again.")


def _array(record: Any) -> np.ndarray:
    if not isinstance(record, _Array):
        raise TypeError("it has no array where one should be")
    _, shape, number, by_columns, content = record.state
    code, order = number.arguments[0], number.state[1]
    if not re.fullmatch("[biuf][1248]", code) or order not in ("<", ">", "=", "|"):
        raise ValueError(f"an array holds no numbers but {order}{code}")
    content = content.arguments[0] if isinstance(content, _Bytes) else content
    content = content.encode("latin1") if isinstance(content, str) else content
    return np.frombuffer(content, np.dtype(order + code)).reshape(shape, order="F" if by_columns else "C")


def _matrix(record: Any) -> Tensor:
    """A matrix in CSR form as a coalesced one in COO form, with indices that are sure to be in range."""
    if not isinstance(record, _Matrix):
        raise TypeError("it holds no matrix in CSR form")
    size = num_rows, num_columns = record.state["_shape"]
    start, column, value = (_array(record.state[key]) for key in ("indptr", "indices", "data"))
    if {start.dtype.kind, column.dtype.kind} != {"i"} or {start.ndim, column.ndim, value.ndim} != {1}:
        raise ValueError("its matrix in CSR form is no three rows of numbers")
    counts = np.diff(start.astype(np.int64))
    if len(start) != num_rows + 1 or start[0] != 0 or counts.min(initial=0) < 0:
        raise ValueError(f"the rows of its matrix do not begin where {num_rows} rows can")
    length = int(start[-1])
    column, value = column[:length].astype(np.int64), value[:length].astype(np.float32)
    if not len(column) == len(value) == length or not np.isfinite(value).all():
        raise ValueError("its matrix lacks some values, or they are no finite numbers")
    if not 0 < num_columns < 2**31 or ((column < 0) | (column >= num_columns)).any():
        raise ValueError(f"its matrix has columns out of the range of {num_columns}")
    indices = torch.from_numpy(np.stack([np.repeat(np.arange(num_rows), counts), column]))
    return torch.sparse_coo_tensor(indices, torch.from_numpy(value), size, check_invariants=True).coalesce()


def _one_hot(record: Any) -> Tensor:
    array = _array(record)
    if array.ndim != 2 or not ((array == 0) | (array == 1)).all() or (array.sum(1) > 1).any() or not array.shape[1]:
        raise ValueError("it is no table of classes with at most one 1 in a row and 0 elsewhere")
    return torch.from_numpy(array == 1)


def _check_sizes(folder: Path, matrices: dict[str, Tensor], classes: dict[str, Tensor]) -> None:
    """Raise LabError unless the files have the rows and the columns of one data set."""
    for one, other in (("x", "y"), ("tx", "ty"), ("allx", "ally")):
        if len(matrices[one]) != len(classes[other]):
            raise _mismatch(folder, f"{len(matrices[one])} rows in {one} and {len(classes[other])} in {other}")
    for tables in (matrices, classes):
        if len(widths := {table.shape[1] for table in tables.values()}) > 1:
            raise _mismatch(folder, f"{', '.join(tables)} with different numbers of columns, {sorted(widths)}")
    num_all, num_train = len(classes["ally"]), len(classes["y"])
    if num_all < num_train + NUM_VAL:
        raise _mismatch(folder, f"{num_all} rows in ally, fewer than {num_train} in y and {NUM_VAL} to validate")


def _mismatch(folder: Path, found: str) -> LabError:
    return LabError(f"the files in {folder} are not of one data set: there are {found}; fetch all of them again.")


def _test_nodes(path: Path, num_test: int, num_all: int) -> Tensor:
    try:
        nodes = [int(line) for line in path.read_text().split()]
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not nodes or len(nodes) != num_test or len(set(nodes)) != num_test:
        found = f"{len(nodes)} test nodes in test.index, {len(set(nodes))} of them distinct, and {num_test} rows in tx"
        raise _mismatch(path.parent, found)
    if min(nodes) < num_all or max(nodes) >= 2 * (num_all + num_test):
        raise LabError(
            f"{path} names nodes from {min(nodes)} to {max(nodes)}, but test nodes follow the {num_all} of allx, and "
            f"at least half of all nodes have features: fetch the data again."
        )
    return torch.tensor(nodes)


def _join(first: Tensor, last: Tensor, test: Tensor, num_nodes: int) -> Tensor:
    """The rows of ``allx``, then those of ``tx`` at the nodes to which they belong, and rows of zeros in the gaps."""
    rows, columns = last.indices()
    indices = torch.cat([first.indices(), torch.stack([test[rows], columns])], dim=1)
    values = torch.cat([first.values(), last.values()])
    joined = torch.sparse_coo_tensor(indices, values, (num_nodes, first.shape[1]), check_invariants=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")
        return joined.coalesce().to_sparse_csr()


def _neighbours(graph: Any) -> Tensor:
    if not isinstance(graph, dict) or not all(isinstance(nodes, list) for nodes in graph.values()):
        raise TypeError("it holds no lists of neighbours")
    edges = [(source, target) for source, targets in graph.items() for target in targets]
    if not all(type(node) is int for edge in edges for node in edge):
        raise TypeError("its nodes are no whole numbers")
    return torch.tensor(edges, dtype=torch.long).view(-1, 2).T


def _edges(path: Path, num_nodes: int) -> Tensor:
    edges = _read(path, _neighbours)
    if edges.numel() and (edges.min() < 0 or edges.max() >= num_nodes):
        wrong = int(edges.min() if edges.min() < 0 else edges.max())
        raise LabError(f"{path} names the node {wrong}, but nodes go from 0 to {num_nodes - 1}: fetch the data again.")
    edges, _ = remove_self_loops(torch.cat([edges, edges.flip(0)], dim=1))
    if not edges.numel():
        raise LabError(f"{path} must hold a graph, but no two of its nodes are joined: fetch the data again.")
    return coalesce(edges, num_nodes=num_nodes, sort_by_row=False)
