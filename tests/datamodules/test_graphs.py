"""Batches of one graph: whole, sampled, on a device, and graphs that nothing can be learnt from."""

from typing import Any

import pytest
import torch
from running import ROOT, Lab
from tiny_graph import CLASSES, FEATURES, NODES, TinyGraph, mask_of, tiny_graph
from torch import Tensor
from torch.testing import assert_close

from datamodules.graphs import GraphDataModule
from lab.errors import LabError
from lit_models import LitNodeClassifier
from nets import GAT, GCN


def ready(**arguments: Any) -> TinyGraph:
    data = TinyGraph(**arguments)
    data.setup("fit")
    return data


def loaders(data: GraphDataModule) -> dict[str, Any]:
    return {
        "train": data.train_dataloader(), "val": data.val_dataloader(), "test": data.test_dataloader(),
        "predict": data.predict_dataloader(),
    }  # fmt: skip


def test_a_batch_is_the_whole_graph_and_says_which_nodes_it_is_about() -> None:
    data, nodes = ready(), {"train": range(9), "val": range(9, 15), "test": range(15, 24), "predict": range(24)}
    for split, loader in loaders(data).items():
        (batch,) = list(loader)
        assert sorted(batch.targets.tolist()) == list(nodes[split])
        assert batch.x is data.graph.x and batch.edge_index is data.graph.edge_index
    assert "targets" not in data.graph and data.num_features == FEATURES


def test_batches_of_some_nodes_are_served_in_an_order_of_seed_and_epoch() -> None:
    orders = []
    for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0)):
        loader = ready(batch_size=4, seed=seed).train_dataloader()
        loader.sampler.set_epoch(epoch)
        batches = [batch.targets.tolist() for batch in loader]
        assert [len(batch) for batch in batches] == [4, 4, 1]
        orders.append(batches)
    assert orders[0] == orders[1] != orders[2] and orders[0] != orders[3]


def test_without_validation_nodes_the_training_nodes_validate() -> None:
    data = ready(changes={"val_mask": mask_of()})
    assert torch.equal(data.datasets["val"].nodes, data.datasets["train"].nodes)


def test_the_graph_is_moved_once_for_all_splits() -> None:
    data = ready(sparse=True)
    batches = {name: next(iter(loader)) for name, loader in loaders(data).items()}
    with torch.inference_mode():  # as in a validation before training
        moved = {name: data.transfer_batch_to_device(batch, torch.device("cpu"), 0) for name, batch in batches.items()}
    assert moved["train"].edge_index is moved["val"].edge_index and not moved["train"].x.is_inference()
    assert torch.equal(moved["val"].targets, batches["val"].targets)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_a_sampled_batch_is_a_part_of_the_graph_with_its_targets_first(sparse: bool) -> None:
    data = ready(sparse=sparse, num_neighbors=[2, 1], batch_size=4)
    graph, edges = tiny_graph(), {tuple(edge) for edge in tiny_graph().edge_index.T.tolist()}
    seen: list[int] = []
    for batch in data.train_dataloader():
        assert batch.targets.tolist() == list(range(batch.batch_size))
        assert_close(batch.x, graph.x[batch.n_id])
        assert torch.equal(batch.y, graph.y[batch.n_id])
        assert {tuple(edge) for edge in batch.n_id[batch.edge_index].T.tolist()} <= edges
        degrees = batch.edge_index[1].bincount(minlength=len(batch.n_id))
        assert int(degrees[batch.targets].max()) <= 2
        seen += batch.n_id[batch.targets].tolist()
    assert sorted(seen) == list(range(9))


def sampled(seed: int, epoch: int) -> list[Tensor]:
    loader = ready(num_neighbors=[2], batch_size=9, seed=seed).train_dataloader()
    loader.sampler.set_epoch(epoch)
    (batch,) = list(loader)
    return sorted(map(tuple, batch.n_id[batch.edge_index].T.tolist()))


def test_what_is_sampled_is_a_function_of_seed_and_epoch() -> None:
    assert sampled(0, 0) == sampled(0, 0)
    assert sampled(0, 0) != sampled(0, 1) and sampled(0, 0) != sampled(1, 0)


@pytest.mark.parametrize("net", [GCN(FEATURES, 4, CLASSES), GAT(FEATURES, 4, CLASSES, heads=2)], ids=["gcn", "gat"])
def test_evaluation_in_neighbourhoods_is_that_of_the_whole_graph(net: torch.nn.Module) -> None:
    graph = tiny_graph()
    whole = net.eval()(graph.x, graph.edge_index)
    for batch in ready(num_neighbors=[1, 1], eval_batch_size=4).predict_dataloader():
        logits = net(batch.x, batch.edge_index)[batch.targets]
        assert_close(logits, whole[batch.n_id[batch.targets]])


def test_a_network_learns_from_sampled_neighbourhoods(make_trainer: Any) -> None:
    torch.manual_seed(0)
    task = LitNodeClassifier(
        GCN(FEATURES, 8, CLASSES, dropout=0.0), CLASSES, optimizer=lambda p: torch.optim.Adam(p, lr=0.05)
    )
    data = TinyGraph(num_neighbors=[2, 2], batch_size=3, eval_batch_size=4)
    trainer = make_trainer(max_epochs=20)
    trainer.fit(task, datamodule=data)
    assert trainer.test(task, datamodule=data, verbose=False)[0]["test/acc"] > 0.6


GRAPHS = {
    r"the graph has 24 nodes and no edges": {"edge_index": torch.empty(2, 0, dtype=torch.long)},
    r"an edge names the node 24, but the graph has the nodes 0 to 23\.": {"edge_index": torch.tensor([[0], [24]])},
    r"an edge names the node -1, but the graph has the nodes 0 to 23\.": {"edge_index": torch.tensor([[-1], [3]])},
    r"2 nodes are in train_mask and in test_mask: each node may be in one split\.": {"test_mask": mask_of(1, 2, 20)},
    r"1 nodes are in val_mask and in test_mask": {"val_mask": mask_of(23)},
    r"train_mask has no nodes: at least one is needed\.": {"train_mask": mask_of()},
    r"y must hold the class of each of the 24 nodes as a whole number, \(N,\), but it is torch\.float32": {
        "y": torch.zeros(NODES)
    },
    r"a node has the label 7, but labels are 0 to 2: check num_classes\.": {"y": torch.full((NODES,), 7)},
}


@pytest.mark.parametrize(("message", "changes"), GRAPHS.items(), ids=list(GRAPHS))
def test_a_graph_that_nothing_can_be_learnt_from_is_refused(message: str, changes: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match=message):
        ready(changes=changes)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--data.test_nodes=[3, 34]", "test_nodes names [34], but the members are 0 to 33."),
        ("--compile=true", "GCN cannot be compiled, since torch.compile knows no sparse products."),
        (
            "--model.num_classes=4",
            "the data has 2 classes, the task num_classes=4 and the network 2 outputs: set model.num_classes and "
            "model.net.num_classes to 2.",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_leaves_no_run_behind(lab: Lab, words: str, told: str) -> None:
    config = ["--config", str(ROOT / "configs" / "gcn_karate_club.yaml")]
    assert lab("fit", *config, words) == 1
    assert lab.err.splitlines()[-1] == f"error: {told}"
    assert not (lab.folder / "runs").exists()


ERRORS = {
    r"num_neighbors must hold numbers ≥ 1, or -1 for all, but it is \[\]\.": {"num_neighbors": []},
    r"num_neighbors must hold numbers ≥ 1, or -1 for all, but it is \[3, 0\]\.": {"num_neighbors": [3, 0]},
    r"batch_size must be at least 1, but it is 0\.": {"batch_size": 0},
    r"eval_batch_size must be at least 1, but it is 0\.": {"eval_batch_size": 0},
}


@pytest.mark.parametrize(("message", "arguments"), ERRORS.items(), ids=list(ERRORS))
def test_mistakes_are_named(message: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=message):
        TinyGraph(**arguments)


def test_a_preview_counts_the_classes_of_each_split() -> None:
    preview = ready().preview()
    assert preview["splits"] == {
        "train": {"ash": 3, "elm": 3, "oak": 3}, "val": {"ash": 2, "elm": 2, "oak": 2},
        "test": {"ash": 3, "elm": 3, "oak": 3},
    }  # fmt: skip
    assert [label for label, _ in preview["samples"]] == ["ash", "elm", "oak"]
    assert preview["samples"][1][1].startswith("node 1: ")


def test_one_source_is_needed() -> None:
    for arguments in ({}, {"path": "a", "dataset": "b"}):
        with pytest.raises(LabError, match=r"GraphDataModule needs one of data\.path, .* and data\.dataset"):
            GraphDataModule(**arguments).setup("fit")


def test_a_random_split_gives_each_class_its_share() -> None:
    args = {"avg_num_nodes": 90, "num_classes": 3}
    fake = "torch_geometric.datasets.FakeDataset"
    data = [GraphDataModule(dataset=fake, dataset_args=args, val_fraction=0.25, test_fraction=0.5) for _ in range(2)]
    for one in data:
        one.setup("fit")
    counts = data[0].preview()["splits"]
    for name, number in counts["test"].items():
        of_class = sum(counts[split][name] for split in counts)
        assert number == round(of_class / 2) and counts["val"][name] == round(0.75 * of_class) - number
    assert torch.equal(data[0].graph.test_mask, data[1].graph.test_mask)


@pytest.mark.parametrize("net", [GCN, GAT])
def test_weights_of_edges_are_used_by_a_gcn_and_said_to_be_left_out_by_others(
    make_trainer: Any, monkeypatch: pytest.MonkeyPatch, net: type
) -> None:
    told: list[str] = []
    monkeypatch.setattr("lit_models.node_classifier.rank_zero_info", told.append)
    logits = []
    for weight in (0.0, 1.0):
        weights = torch.full((tiny_graph().num_edges,), weight)
        torch.manual_seed(0)
        task = LitNodeClassifier(net(FEATURES, 4, CLASSES), CLASSES)
        data = TinyGraph(changes={"edge_weight": weights})
        (columns,) = make_trainer().predict(task, datamodule=data)
        logits.append(columns["probability"])
    assert torch.equal(*logits) == (net is GAT)
    assert told == ["GAT reads no weights of edges: those of the data are left out."] * (2 * (net is GAT))
