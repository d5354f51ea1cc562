"""Attention over neighbours: its entropy beside a loop, what is drawn and logged, and training that stays as it is."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor
from torch.testing import assert_close
from torch_geometric.data import Data

from callbacks import graph_attention as module
from callbacks.graph_attention import (
    GraphAttention,
    attention_entropy,
    choose_node,
    degrees_of,
    entropy_share,
)
from datamodules import SparseFeaturesDataModule
from datamodules.graphs import GraphDataModule
from lit_models import LitAutoencoder, LitNodeClassifier
from nets import GAT, GCN, Autoencoder

pytestmark = pytest.mark.usefixtures("coarse_figures")

# A star around node 0 and a triangle at its tip; node 6 is alone.
PAIRS = torch.tensor([[0, 0, 0, 0, 4, 3], [1, 2, 3, 4, 5, 4]])
EDGES = torch.cat([PAIRS, PAIRS.flip(0)], dim=1)
WITH_LOOPS = torch.cat([EDGES, torch.arange(7).expand(2, 7)], dim=1)
LABELS = torch.tensor([0, 1, 1, 2, 2, 0, 1])
DEGREES = torch.tensor([5, 2, 2, 3, 4, 2, 1])


class Star(GraphDataModule):
    """Seven nodes of three classes, of which nodes 3, 5 and 6 test."""

    num_classes = 3
    class_names = ("ash", "elm", "oak")

    def load_graph(self) -> Data:
        x = 3 * torch.rand(7, 4, generator=torch.Generator().manual_seed(0))
        test = torch.tensor([False, False, False, True, False, True, True])
        return Data(x=x, edge_index=EDGES, y=LABELS, train_mask=~test, val_mask=test & ~test, test_mask=test)


def classifier(heads: int = 2, num_replicas: int = 1) -> LitNodeClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        optimizer = partial(torch.optim.Adam, lr=0.05)
        return LitNodeClassifier(GAT(4, 3, 3, heads), 3, num_replicas=num_replicas, optimizer=optimizer)


def random_attention(heads: int, seed: int = 0) -> Tensor:
    """(E, H), which sums to 1 over the edges into each node."""
    scores = torch.rand(WITH_LOOPS.shape[1], heads, generator=torch.Generator().manual_seed(seed)) ** 3
    return scores / torch.zeros(7, heads).index_add(0, WITH_LOOPS[1], scores)[WITH_LOOPS[1]]


def entropy_by_loop(edge_index: Tensor, alpha: Tensor, num_nodes: int) -> Tensor:
    entropy = torch.zeros(num_nodes, alpha.shape[1], dtype=torch.float64)
    for target, weights in zip(edge_index[1].tolist(), alpha.tolist(), strict=True):
        for head, weight in enumerate(weights):
            entropy[target, head] -= weight * math.log(weight) if weight > 0 else 0.0
    return entropy


def share_by_loop(entropy: Tensor) -> float:
    pairs = zip(DEGREES.tolist(), entropy.tolist(), strict=True)
    shares = [value / math.log(degree) for degree, values in pairs if degree > 1 for value in values]
    return sum(shares) / len(shares)


@pytest.fixture
def train(make_trainer: Callable) -> Callable:
    """Trains epochs of one step; gives the trainer, and the random state after it."""

    def run(*callbacks: Callback, task: LitNodeClassifier, max_epochs: int = 1) -> tuple[Trainer, Tensor]:
        trainer = make_trainer(max_epochs=max_epochs, callbacks=list(callbacks))
        with torch.random.fork_rng():
            torch.manual_seed(0)
            trainer.fit(task, datamodule=Star())
            return trainer, torch.get_rng_state()

    return run


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple]:
    """The last arguments of each drawing function; nothing is drawn, which is quicker."""
    seen: dict[str, tuple] = {}

    def save(figure: object, name: str, trainer: object, replicas: str) -> None:
        seen.setdefault("names", []).append(name)
        seen.setdefault("said", []).append(replicas)

    monkeypatch.setattr(module, "save_figure", save)
    for name in ("draw_attention_entropy", "draw_neighborhood"):
        monkeypatch.setattr(module, name, lambda *given, name=name, **named: seen.update({name: given}))
    return seen


def test_draws_and_logs_when_training_and_testing_end(train: Callable) -> None:
    trainer, _ = train(GraphAttention(), task=classifier(heads=1))
    (metrics,) = trainer.test(trainer.lightning_module, datamodule=trainer.datamodule, verbose=False)
    files = sorted((Path(trainer.logger.log_dir) / "figures").iterdir())
    kinds = ("entropy", "entropy_test", "neighborhood", "neighborhood_test")
    assert [path.name for path in files] == [f"graph_attention_{kind}_1.png" for kind in kinds]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)
    assert 0.3 < metrics["attention/entropy_share"] <= 1


@pytest.mark.parametrize("num_replicas", [1, 2])
def test_the_attention_is_that_of_the_first_layer_of_the_first_replica_without_dropout(
    train: Callable, drawn: dict, num_replicas: int
) -> None:
    task = classifier(num_replicas=num_replicas)
    trainer, _ = train(GraphAttention(), task=task, max_epochs=3)
    assert drawn["names"] == ["graph_attention_entropy", "graph_attention_neighborhood"]
    graph, net = trainer.datamodule.graph, task.replicas()[0].eval()
    with torch.no_grad():
        edge_index, alpha = net(graph.x, EDGES, return_weights=True)[1][0]
    entropy = entropy_by_loop(edge_index, alpha, 7)
    assert drawn["said"] == ["" if num_replicas == 1 else "replica 0 of 2"] * 2
    shown, degrees, shares = drawn["draw_attention_entropy"]
    assert_close(shown, entropy)
    assert shares.tolist() == pytest.approx([share_by_loop(of_head[:, None]) for of_head in entropy.T])
    assert torch.equal(degrees, DEGREES)
    assert_close(drawn["draw_neighborhood"], (3, edge_index, alpha, LABELS))
    (metrics,) = trainer.test(task, datamodule=trainer.datamodule, verbose=False)
    first = "attention/entropy_share" if num_replicas == 1 else "attention/entropy_share_replica_0"
    assert metrics[first] == pytest.approx(share_by_loop(entropy), rel=1e-5)
    each = [value for name, value in metrics.items() if name.startswith("attention/entropy_share_replica_")]
    assert metrics["attention/entropy_share"] == pytest.approx(sum(each) / 2 if each else metrics[first], rel=1e-5)
    assert drawn["names"][2:] == ["graph_attention_entropy_test", "graph_attention_neighborhood_test"]


def test_training_is_bit_identical_with_and_without_the_callback(train: Callable, drawn: dict) -> None:
    def state(*callbacks: Callback) -> tuple[dict[str, Tensor], dict, Tensor]:
        task = classifier()  # needs modes and random state for its dropout
        trainer, random_state = train(*callbacks, task=task, max_epochs=2)
        assert all(part.training for part in task.net.modules())
        trainer.test(task, datamodule=trainer.datamodule, verbose=False)
        return task.state_dict(), trainer.optimizers[0].state_dict(), random_state

    assert_close(state(GraphAttention(node=6)), state(), rtol=0, atol=0)
    assert len(drawn["names"]) == 4 and drawn["draw_neighborhood"][0] == 6


@pytest.mark.parametrize("first", [True, False])
def test_the_first_process_alone_draws(train: Callable, drawn: dict, first: bool) -> None:
    trainer, _ = train(task=classifier())
    process, callback = SimpleNamespace(is_global_zero=first, datamodule=trainer.datamodule), GraphAttention()
    callback.on_train_end(process, trainer.lightning_module)
    callback.on_test_end(process, trainer.lightning_module)
    assert len(drawn.get("names", [])) == (4 if first else 0)


def test_the_entropy_is_that_of_a_loop_and_its_share_leaves_out_nodes_with_one_edge() -> None:
    alpha = random_attention(heads=3)
    alpha[WITH_LOOPS[1] == 1, 0] = torch.tensor([1.0, 0.0])  # 0 log 0 = 0
    entropy = attention_entropy(WITH_LOOPS, alpha, 7)
    assert_close(entropy, entropy_by_loop(WITH_LOOPS, alpha, 7))
    assert entropy[1, 0] == 0 and entropy.shape == (7, 3)
    assert torch.equal(degrees_of(WITH_LOOPS, 7), DEGREES)
    assert entropy_share(entropy, DEGREES).item() == pytest.approx(share_by_loop(entropy))


def test_uniform_attention_has_the_entropy_log_degree() -> None:
    alpha = (1 / DEGREES.double())[WITH_LOOPS[1], None].expand(-1, 2)
    entropy = attention_entropy(WITH_LOOPS, alpha, 7)
    assert_close(entropy, DEGREES.double().log()[:, None].expand(-1, 2), rtol=1e-14, atol=0)
    assert entropy_share(entropy, DEGREES).item() == pytest.approx(1, abs=1e-14)


def star(center: int, leaves: int, foreign: int) -> tuple[Tensor, Tensor]:
    """Edges from the nodes 100 on into a node; their classes, of which the last so many are not that of the center."""
    source = torch.arange(100, 100 + leaves)
    edges = torch.stack([torch.cat([source, torch.tensor([center])]), torch.full((leaves + 1,), center)])
    return edges, torch.tensor([center] * (leaves - foreign) + [99] * foreign)


@pytest.mark.parametrize(
    ("leaves", "foreign", "chosen"),
    [((3, 15, 16), (0, 0, 9), 1), ((3, 15, 4), (2, 1, 2), 2), ((16, 17, 20), (0, 5, 9), 0)],
    ids=["most neighbours, but not too many", "most of other classes", "too many everywhere"],
)
def test_the_node_that_is_drawn_has_neighbours_of_other_classes_but_not_too_many(
    leaves: tuple[int, ...], foreign: tuple[int, ...], chosen: int
) -> None:
    edges, labels, start = [], torch.full((200,), 7), 100
    labels[:3] = torch.arange(3)
    for center, (count, others) in enumerate(zip(leaves, foreign, strict=True)):
        one, classes = star(center, count, others)
        one[0, :-1] += start - 100
        labels[start : start + count] = classes
        edges, start = [*edges, one], start + count
    among = torch.arange(200) < 3
    assert choose_node(torch.cat(edges, dim=1), labels, among) == chosen


@pytest.mark.parametrize("node", [-1, 7])
def test_nodes_that_are_not_there_are_refused(make_trainer: Callable, node: int) -> None:
    trainer = make_trainer(callbacks=[GraphAttention(node)])
    with pytest.raises(ValueError, match=rf"node of GraphAttention must be in \[0, 7\), but it is {node}"):
        trainer.test(classifier(), datamodule=Star(), verbose=False)


def test_networks_without_attention_and_data_without_a_graph_are_refused(make_trainer: Callable) -> None:
    trainer = make_trainer(callbacks=[GraphAttention()])
    message = r"can return its attention weights, such as nets.GAT, but the network is GCN: take GraphAttention out"
    with pytest.raises(ValueError, match=message):
        trainer.test(LitNodeClassifier(GCN(4, 3, 3), 3), datamodule=Star(), verbose=False)
    data = SparseFeaturesDataModule(4, num_train=4, num_eval=4)
    with pytest.raises(
        ValueError, match=r"GraphAttention needs a datamodule with a graph, .* SparseFeaturesDataModule"
    ):
        trainer.test(LitAutoencoder(Autoencoder(4, [2])), datamodule=data, verbose=False)
