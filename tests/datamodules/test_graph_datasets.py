"""PyG's data sets by their class paths, and that none of their files runs code."""

import os
import pickle
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch_geometric.data import Data, InMemoryDataset

from datamodules import GraphDataModule
from datamodules.graph_datasets import FORCE_SAFE, load_dataset, nothing_unpickled
from lab.errors import LabError

FAKE, RING = "torch_geometric.datasets.FakeDataset", f"{__name__}.Ring"
ran: list[str] = []  # by a file, if it could


class Trap:
    """What a malicious file would hold."""

    def __reduce__(self) -> tuple[Any, ...]:
        return ran.append, ("code of the file",)


class Ring(InMemoryDataset):
    """A ring of nodes that is kept in a processed file."""

    def __init__(self, root: str, num_nodes: int = 12) -> None:
        self.num = num_nodes
        super().__init__(root)
        self.load(self.processed_paths[0])

    processed_file_names = "data.pt"

    def process(self) -> None:
        nodes = torch.arange(self.num)
        edges = torch.stack([nodes, (nodes + 1) % self.num])
        self.save([Data(x=torch.rand(self.num, 4), edge_index=edges, y=nodes % 2)], self.processed_paths[0])


class RawPickle(InMemoryDataset):
    """A data set whose raw file is a pickle."""

    def __init__(self, root: str) -> None:
        super().__init__(None)
        with (Path(root) / "raw.pickle").open("rb") as file:
            self.data = Data(x=torch.eye(2), y=pickle.load(file))


def test_a_generated_graph_is_a_function_of_the_seed_alone() -> None:
    before = random.getstate(), torch.get_rng_state()
    first, again, other = (load_dataset(FAKE, {"avg_num_nodes": 30}, seed) for seed in (1, 1, 2))
    assert random.getstate() == before[0] and torch.equal(torch.get_rng_state(), before[1])
    assert torch.equal(first.x, again.x) and not torch.equal(first.x[:5, :5], other.x[:5, :5])


def test_a_processed_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHLAB_DATA", str(tmp_path))
    found = []
    for _ in range(2):
        data = GraphDataModule(dataset=RING)
        data.prepare_data()
        data.setup("fit")
        found.append(data.graph.x)
    assert torch.equal(*found) and (tmp_path / "Ring" / "processed" / "data.pt").is_file()
    assert data.num_classes == 2 and data.num_features == 4


def test_a_processed_file_with_code_is_refused(tmp_path: Path) -> None:
    load_dataset(RING, {"root": str(tmp_path)}, 0)
    torch.save((Trap(), None, Data), tmp_path / "processed" / "data.pt")
    with pytest.raises(LabError, match=r"Ring cannot be made \(Weights only load failed"):
        load_dataset(RING, {"root": str(tmp_path)}, 0)
    assert not ran and FORCE_SAFE not in os.environ


def test_a_raw_pickle_with_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw.pickle").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(
        LabError, match=r"RawPickle cannot be used: one of its files is a pickle that asks for builtins"
    ):
        load_dataset(f"{__name__}.RawPickle", {"root": str(tmp_path)}, 0)
    assert not ran
    assert pickle.loads(pickle.dumps(Path("x"))) == Path("x")  # elsewhere pickles are as ever


def test_plain_values_may_be_pickled() -> None:
    with nothing_unpickled():
        assert pickle.loads(pickle.dumps({"a": [1, 2.0]})) == {"a": [1, 2.0]}
        with pytest.raises(LabError, match="asks for"):
            pickle.loads(pickle.dumps(Path("x")))


MISTAKES = {
    r'data\.dataset must be the class path .* "torch_geometric\.datasets\.Actr" is none; did you mean "Actor"\?': (
        "torch_geometric.datasets.Actr", {},
    ),
    r'FakeDataset has 3 graphs, but nodes are told apart in one': (FAKE, {"num_graphs": 3, "avg_num_nodes": 5}),
    r'Planetoid\'s files are pickles: use PlanetoidDataModule': ("torch_geometric.datasets.Planetoid", {}),
    r'Ring takes root, num_nodes, but data\.dataset_args has "nodes"': (RING, {"nodes": 1}),
    r"FakeDataset cannot be made \(": (FAKE, {"task": "edges"}),
}  # fmt: skip


@pytest.mark.parametrize(("message", "given"), MISTAKES.items(), ids=list(MISTAKES))
def test_mistakes_are_named(message: str, given: tuple[str, dict[str, Any]]) -> None:
    with pytest.raises(LabError, match=message):
        load_dataset(*given, 0)
