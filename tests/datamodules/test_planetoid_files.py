"""Files of Planetoid: small ones made here, damaged ones, malicious ones, and the real Cora."""

import os
import pickle
import re
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from planetoid_raw import write_pickle, write_planetoid
from scipy.sparse import csr_matrix
from torch_geometric.data import Data
from torch_geometric.datasets import Planetoid
from torch_geometric.io import read_planetoid_data
from torch_geometric.utils import contains_self_loops, is_undirected

from datamodules.planetoid_files import ADMITTED, KINDS, read_planetoid
from lab.errors import LabError

MASKS = ("train_mask", "val_mask", "test_mask")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of old names, and of some garbage


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_planetoid(tmp_path / "raw")
    return tmp_path / "raw"


def load(path: Path) -> Any:
    return pickle.loads(path.read_bytes(), encoding="latin1")


def assert_equal(ours: Data, theirs: Data) -> None:
    assert torch.equal(ours.x.to_dense(), theirs.x)
    for name in ("edge_index", "y", *MASKS):
        assert torch.equal(ours[name], theirs[name]) and ours[name].dtype == theirs[name].dtype, name


@pytest.mark.parametrize(("name", "gaps"), [("cora", False), ("citeseer", True)])
def test_the_graph_is_the_one_that_pyg_reads(tmp_path: Path, name: str, gaps: bool) -> None:
    write_planetoid(tmp_path, name, gaps=gaps, seed=1)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    graph = read_planetoid(tmp_path, name.upper())
    assert_equal(graph, read_planetoid_data(str(tmp_path), name))
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert (graph.x.layout, graph.x.dtype, graph.num_nodes) == (torch.sparse_csr, torch.float32, 700)
    assert is_undirected(graph.edge_index) and not contains_self_loops(graph.edge_index)
    assert [int(graph[mask].sum()) for mask in MASKS] == [60, 500, 130 if gaps else 140]


def test_whatever_its_name_a_graph_may_have_gaps_which_are_in_no_split(tmp_path: Path) -> None:
    write_planetoid(tmp_path, "trees", gaps=True)
    graph = read_planetoid(tmp_path, "trees")
    left_out = ~(graph.train_mask | graph.val_mask | graph.test_mask)
    assert left_out.nonzero()[:, 0].tolist() == list(range(567, 699, 14))
    assert not graph.x.to_dense()[left_out].any() and not graph.y[left_out].any()
    assert not torch.isin(graph.edge_index, left_out.nonzero()).any()


def test_a_node_without_a_class_has_the_class_0_and_no_split(raw: Path) -> None:
    expected = read_planetoid(raw, "cora").y
    for kind, places in {"y": (3,), "ally": (3, 100), "ty": (5,)}.items():
        table = load(raw / f"ind.cora.{kind}")
        table[list(places)] = 0
        write_pickle(raw / f"ind.cora.{kind}", np.asfortranarray(table))
    graph, test = read_planetoid(raw, "cora"), np.loadtxt(raw / "ind.cora.test.index", dtype=int)
    without = [3, 100, test[5]]
    expected[without] = 0
    assert torch.equal(graph.y, expected) and not any(graph[mask][without].any() for mask in MASKS)
    assert [int(graph[mask].sum()) for mask in MASKS] == [59, 499, 139]


def test_an_edge_listed_in_one_direction_goes_both_ways(raw: Path) -> None:
    both = read_planetoid(raw, "cora")
    graph = load(raw / "ind.cora.graph")
    one_way = {node: [other for other in others if other > node] for node, others in graph.items()}
    write_pickle(raw / "ind.cora.graph", {node: others for node, others in one_way.items() if others})
    assert torch.equal(read_planetoid(raw, "cora").edge_index, both.edge_index)


def test_values_are_raw_and_rows_may_be_unordered_or_named_as_today(raw: Path) -> None:
    matrix = load(raw / "ind.cora.allx").astype(np.float64) * 0.5
    dense = matrix.toarray()
    matrix.indices[:2], matrix.data[:2] = matrix.indices[1::-1].copy(), (0.25, 0.75)
    dense[0, matrix.indices[:2]] = (0.25, 0.75)
    (raw / "ind.cora.allx").write_bytes(pickle.dumps(matrix, 2))
    assert b"scipy.sparse._csr" in (raw / "ind.cora.allx").read_bytes()
    assert torch.equal(read_planetoid(raw, "cora").x.to_dense()[:560], torch.tensor(dense, dtype=torch.float32))


def test_missing_files_are_all_named(raw: Path) -> None:
    (raw / "ind.cora.tx").unlink()
    (raw / "ind.cora.test.index").unlink()
    message = rf"^{raw} must hold the files of Cora, but lacks ind\.cora\.tx, ind\.cora\.test\.index: set ARCHLAB_DATA"
    with pytest.raises(LabError, match=message):
        read_planetoid(raw, "Cora")
    with pytest.raises(LabError, match=", ".join(rf"ind\.cora\.{kind}" for kind in KINDS)):
        read_planetoid(raw / "nowhere", "cora")


@pytest.mark.parametrize("kind", ["tx", "ally", "graph"])
def test_a_truncated_file_is_named(raw: Path, kind: str) -> None:
    path = raw / f"ind.cora.{kind}"
    content = path.read_bytes()
    for length in (0, 1, 2, 3, 30, 300, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(LabError, match=rf"^{path} is truncated or corrupted \(.+\): delete it and fetch the data"):
            read_planetoid(raw, "cora")


def test_garbage_is_read_or_refused_but_nothing_else(raw: Path) -> None:
    rng = np.random.default_rng(0)
    path = raw / "ind.cora.y"
    content = path.read_bytes()
    for _ in range(150):
        garbled = bytearray(content)
        garbled[rng.integers(300)] = rng.integers(256)
        path.write_bytes(garbled)
        try:
            read_planetoid(raw, "cora")
        except LabError as error:
            assert re.search(r"ind\.cora\.y|are not of one data set", str(error))


@pytest.mark.parametrize("kind", KINDS[:-1])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_no_code_in_a_file_runs(raw: Path, kind: str, protocol: int) -> None:
    marker = raw / "ran"

    class Malicious:
        def __reduce__(self) -> tuple[Callable, tuple[str]]:
            return os.system, (f"touch {marker}",)

    path = raw / f"ind.cora.{kind}"
    path.write_bytes(pickle.dumps({0: [1, Malicious()]}, protocol))
    with pytest.raises(LabError, match=rf"^the file {path} wants to load posix\.system, which .* may be malicious; "):
        read_planetoid(raw, "cora")
    assert not marker.exists()


@pytest.mark.parametrize("name", ["builtins\neval", "numpy\nload", "numpy.core.multiarray\nscalar", "os\nsystem"])
def test_only_what_data_need_is_loaded(raw: Path, name: str) -> None:
    (raw / "ind.cora.graph").write_bytes(f"\x80\x02c{name}\n.".encode("latin1"))
    with pytest.raises(LabError, match=rf"wants to load {re.escape(name.replace(chr(10), '.'))}, which no data"):
        read_planetoid(raw, "cora")


@pytest.mark.parametrize(("module", "name"), ADMITTED)
def test_a_file_cannot_change_a_class(raw: Path, module: str, name: str) -> None:
    graph, path = read_planetoid(raw, "cora"), raw / "ind.cora.x"
    content = path.read_bytes()
    setattr_state_1 = b"(N}U\x05stateK\x01stb."
    path.write_bytes(f"\x80\x02c{module}\n{name}\n".encode("latin1") + setattr_state_1)
    with pytest.raises(LabError, match="is truncated or corrupted"):
        read_planetoid(raw, "cora")
    path.write_bytes(content)
    assert_equal(read_planetoid(raw, "cora"), graph.update({"x": graph.x.to_dense()}))
    assert not hasattr(ADMITTED[module, name], "state") or ADMITTED[module, name].state is None


def test_a_file_cannot_reserve_memory(raw: Path) -> None:
    (raw / "ind.cora.graph").write_bytes(b"\x80\x02}r\x00\x00\x40\x00.")  # remembers a dict at the place 2²²
    tracemalloc.start()
    with pytest.raises(LabError, match=r"truncated or corrupted \(LONG_BINPUT at byte 3 asks for too much\)"):
        read_planetoid(raw, "cora")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_tuples_in_tuples_do_not_end_the_process(raw: Path) -> None:
    (raw / "ind.cora.graph").write_bytes(b"\x80\x02}(K\x01" + b"\x85" * 300_000 + b"]u.")
    with pytest.raises(LabError, match=r"truncated or corrupted \(TUPLE1 at byte \d+ asks for too much\)"):
        read_planetoid(raw, "cora")


def forged(**parts: Any) -> csr_matrix:
    """A matrix of 60 × 30 of which some parts are forged, unchecked by SciPy."""
    matrix = csr_matrix(np.ones((60, 30), dtype=np.float32))
    vars(matrix).update(parts)
    return matrix


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (forged(indices=np.full(1800, 10**6)), r"its matrix has columns out of the range of 30"),
        (forged(indices=np.full(1800, -1)), r"its matrix has columns out of the range of 30"),
        (forged(_shape=(60, 2**40)), r"its matrix has columns out of the range of 1099511627776"),
        (forged(indptr=np.arange(61) * 10**9), r"its matrix lacks some values, or they are no finite numbers"),
        (forged(indptr=np.r_[0, 1800, np.full(59, 5)]), r"the rows of its matrix do not begin where 60 rows can"),
        (forged(indptr=np.r_[5, np.full(60, 1800)]), r"the rows of its matrix do not begin where 60 rows can"),
        (forged(_shape=(10**9, 30)), r"the rows of its matrix do not begin where 1000000000 rows can"),
        (forged(data=np.full(1800, np.nan)), r"its matrix lacks some values, or they are no finite numbers"),
        (forged(data=np.array([{}] * 1800)), r"an array holds no numbers but \|O8"),
        (forged(indices=np.zeros(1800)), r"its matrix in CSR form is no three rows of numbers"),
        (forged(_shape=None), r"cannot unpack non-iterable NoneType"),
        (np.ones((60, 30)), r"it holds no matrix in CSR form"),
    ],
)
def test_a_forged_matrix_is_refused(raw: Path, matrix: Any, message: str) -> None:
    write_pickle(raw / "ind.cora.x", matrix)
    with pytest.raises(LabError, match=rf"ind\.cora\.x is truncated or corrupted \({message}"):
        read_planetoid(raw, "cora")


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("y", np.ones((60, 3)), r"ind\.cora\.y is .* \(it is no table of classes with at most one 1 in a row"),
        ("y", np.zeros(60), r"ind\.cora\.y is .* \(it is no table of classes"),
        ("y", {}, r"ind\.cora\.y is .* \(it has no array where one should be"),
        ("y", np.zeros((59, 3)), r"not of one data set: there are 60 rows in x and 59 in y; fetch all of them"),
        ("ty", np.zeros((9, 3)), r"not of one data set: there are 140 rows in tx and 9 in ty"),
        ("ally", np.zeros((561, 3)), r"not of one data set: there are 560 rows in allx and 561 in ally"),
        ("y", np.zeros((60, 4)), r"there are y, ty, ally with different numbers of columns, \[3, 4\]"),
        ("x", csr_matrix(np.eye(60, 31)), r"there are x, tx, allx with different numbers of columns, \[30, 31\]"),
        ("graph", [[1], [0]], r"ind\.cora\.graph is .* \(it holds no lists of neighbours\)"),
        ("graph", {0: 1}, r"ind\.cora\.graph is .* \(it holds no lists of neighbours\)"),
        ("graph", {0: [1.5]}, r"ind\.cora\.graph is .* \(its nodes are no whole numbers\)"),
        ("graph", {"0": [1]}, r"ind\.cora\.graph is .* \(its nodes are no whole numbers\)"),
        ("graph", {0: [700]}, r"ind\.cora\.graph names the node 700, but nodes go from 0 to 699: fetch the data again"),
        ("graph", {-1: [5]}, r"ind\.cora\.graph names the node -1, but"),
        ("graph", {0: [2**70]}, r"ind\.cora\.graph is truncated or corrupted"),
        ("graph", {0: [0], 1: []}, r"ind\.cora\.graph must hold a graph, but no two of its nodes are joined"),
    ],
)
def test_files_that_do_not_belong_together_are_named(raw: Path, kind: str, value: Any, message: str) -> None:
    write_pickle(raw / f"ind.cora.{kind}", value)
    with pytest.raises(LabError, match=message):
        read_planetoid(raw, "cora")


def test_too_few_nodes_to_validate_are_refused(raw: Path) -> None:
    for kind in ("allx", "ally"):
        write_pickle(raw / f"ind.cora.{kind}", load(raw / f"ind.cora.{kind}")[:559])
    with pytest.raises(LabError, match=r"559 rows in ally, fewer than 60 in y and 500 to validate; fetch all of them"):
        read_planetoid(raw, "cora")


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ("", r"there are 139 test nodes in test\.index, 139 of them distinct, and 140 rows in tx"),
        ("600", r"there are 140 test nodes in test\.index, 139 of them distinct, and 140 rows in tx"),
        ("one", r"test\.index is truncated or corrupted \(invalid literal for int"),
        ("559", r"test\.index names nodes from 559 to 698, but test nodes follow the 560 of allx"),
        ("-1", r"test\.index names nodes from -1 to 698, but test nodes follow the 560 of allx"),
        (f"{10**30}", r"test\.index names nodes from 560 to 10+, .* at least half of all nodes have features"),
    ],
)
def test_wrong_test_nodes_are_refused(raw: Path, first: str, message: str) -> None:
    (raw / "ind.cora.test.index").write_text("\n".join([first, *map(str, range(560, 699))]))
    with pytest.raises(LabError, match=message):
        read_planetoid(raw, "cora")


@pytest.mark.realdata
def test_real_cora(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "Planetoid" / "Cora" / "raw"
    if not folder.is_dir():
        pytest.skip(f"no Cora in {folder}")
    shutil.copytree(folder, tmp_path / "Cora" / "raw")
    graph = read_planetoid(folder, "cora")
    assert_equal(graph, Planetoid(str(tmp_path), "Cora")[0])
    assert tuple(graph.x.shape) == (2708, 1433) and tuple(graph.edge_index.shape) == (2, 10_556)
    assert [int(graph[mask].sum()) for mask in MASKS] == [140, 500, 1000]
