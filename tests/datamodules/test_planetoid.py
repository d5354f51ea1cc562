"""Citation graphs: features, splits, downloads, and what is said when files are missing."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from planetoid_raw import write_planetoid
from torch.testing import assert_close

from datamodules import PlanetoidDataModule
from datamodules.planetoid import CHECKSUMS, rows_sum_to_one
from lab.errors import LabError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Small files in the layout of Cora, and of CiteSeer with papers that have neither words nor a field."""
    write_planetoid(tmp_path / "Planetoid" / "Cora" / "raw", num_nodes=1700)
    write_planetoid(tmp_path / "Planetoid" / "CiteSeer" / "raw", "citeseer", num_nodes=1700, gaps=True)
    return tmp_path


def ready(root: Path, **arguments: Any) -> PlanetoidDataModule:
    data = PlanetoidDataModule(root=str(root), **arguments)
    data.prepare_data()
    data.setup("fit")
    return data


def test_names_of_files_may_be_in_any_case(root: Path) -> None:
    expected = ready(root).graph
    for path in [*(root / "Planetoid" / "Cora" / "raw").iterdir()]:
        path.rename(path.with_name(path.name.upper()))
    assert torch.equal(ready(root).graph.edge_index, expected.edge_index)


def test_the_words_of_a_paper_sum_to_one_and_stay_sparse(root: Path) -> None:
    sparse, dense = ready(root).graph.x, ready(root, sparse_features=False).graph.x
    assert sparse.layout == torch.sparse_csr and dense.layout == torch.strided
    assert_close(sparse.to_dense(), dense)
    sums = dense.sum(dim=1)
    assert_close(sums, (sums > 0).float())


def test_rows_without_words_stay_empty() -> None:
    x = torch.tensor([[2.0, 0.0, 2.0], [0.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    expected = torch.tensor([[0.5, 0.0, 0.5], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert_close(rows_sum_to_one(x.to_sparse_csr()).to_dense(), expected)


def test_the_public_split_is_that_of_the_files(root: Path) -> None:
    graph = ready(root).graph
    assert [int(graph[f"{split}_mask"].sum()) for split in ("train", "val", "test")] == [60, 500, 1140]
    assert graph.train_mask.nonzero()[:, 0].tolist() == list(range(60))


@pytest.mark.parametrize("name", ["Cora", "CiteSeer"])
def test_the_full_split_trains_on_all_other_papers_that_have_words(root: Path, name: str) -> None:
    public, graph = ready(root, name=name).graph, ready(root, name=name, split="full").graph
    assert torch.equal(graph.test_mask, public.test_mask) and torch.equal(graph.val_mask, public.val_mask)
    others = ~(public.val_mask | public.test_mask)
    words = graph.x.to_dense().sum(dim=1) > 0
    assert torch.equal(graph.train_mask, others & words)
    assert name == "Cora" or bool((others & ~words).any())


def test_a_random_split_has_the_public_ones_sizes_and_is_drawn_by_the_seed(root: Path) -> None:
    graphs = [ready(root, split="random", seed=seed).graph for seed in (0, 0, 1)]
    assert graphs[0].y[graphs[0].train_mask].bincount().tolist() == [20, 20, 20]
    assert (int(graphs[0].val_mask.sum()), int(graphs[0].test_mask.sum())) == (500, 1000)
    assert torch.equal(graphs[0].train_mask, graphs[1].train_mask)
    assert not torch.equal(graphs[0].train_mask, graphs[2].train_mask)


@pytest.mark.realdata
def test_cora_is_cora(real_data: Path) -> None:
    graph = ready(real_data).graph
    assert tuple(graph.x.shape) == (2708, 1433) and graph.edge_index.shape == (2, 10556)
    assert [int(graph[f"{split}_mask"].sum()) for split in ("train", "val", "test")] == [140, 500, 1000]
    assert graph.y.bincount().tolist() == [351, 217, 418, 818, 426, 298, 180]
    assert graph.y[graph.train_mask].bincount().tolist() == [20] * 7
    assert len(graph.x.values()) / graph.x.numel() == pytest.approx(0.0127, abs=1e-4)


@pytest.mark.realdata
def test_the_checksums_are_those_of_the_files(real_data: Path) -> None:
    folder = real_data / "Planetoid" / "Cora" / "raw"
    found = {kind: hashlib.md5((folder / f"ind.cora.{kind}").read_bytes()).hexdigest() for kind in CHECKSUMS}
    assert found == CHECKSUMS


def test_what_is_missing_of_cora_is_downloaded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "Planetoid" / "Cora" / "raw" / "ind.cora.ty").unlink()
    asked: list[tuple[list[str], Path, str]] = []
    monkeypatch.setattr("datamodules.planetoid.download", lambda *arguments: asked.append(arguments))
    PlanetoidDataModule(root=str(root)).prepare_data()
    (((url,), path, checksum),) = asked
    assert url.endswith("/ind.cora.ty") and path.name == "ind.cora.ty" and checksum == CHECKSUMS["ty"]


def test_without_files_and_network_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise LabError("no route")

    monkeypatch.setattr("datamodules.planetoid.download", refuse)
    with pytest.raises(LabError, match=r"Cora is not in .*ind\.cora\.x is missing.*cannot be downloaded.*DigitsGraph"):
        PlanetoidDataModule(root=str(tmp_path)).prepare_data()
    assert not list(tmp_path.iterdir())


def test_missing_files_of_the_others_are_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"ind\.pubmed\.x"):
        ready(tmp_path, name="PubMed")
    assert not list(tmp_path.iterdir())


ERRORS = {
    r'name must be one of Cora, CiteSeer, PubMed, but it is "cora"\.': {"name": "cora"},
    r'split must be one of public, full, random, but it is "geom"\.': {"split": "geom"},
}


@pytest.mark.parametrize(("message", "arguments"), ERRORS.items(), ids=list(ERRORS))
def test_mistakes_are_named(message: str, arguments: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=message):
        PlanetoidDataModule(**arguments)
