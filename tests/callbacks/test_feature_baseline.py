"""The baseline without edges: scikit-learn's by hand, chosen on the validation nodes, of dense and sparse features."""

from collections.abc import Callable

import pytest
import torch
from lightning.pytorch import Callback, LightningModule
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch_geometric.data import Data

from callbacks.feature_baseline import STRENGTHS, FeatureBaseline, score_features
from datamodules import DigitsDataModule
from datamodules.graphs import GraphDataModule
from lab import read_metrics
from lit_models import LitNodeClassifier
from nets import GCN

NUM_NODES = 90


def noisy_graph(seed: int = 0, sparse: bool = False) -> Data:
    """Three classes whose features overlap: 30 nodes to train, 30 to validate, 30 to test."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(NUM_NODES) % 3
    x = torch.randn(NUM_NODES, 12, generator=generator)
    x[torch.arange(NUM_NODES), y] += 1.5
    x = torch.where(x.abs() > 0.5, x, 0.0)
    edge_index = torch.randint(NUM_NODES, (2, 200), generator=generator)
    part = torch.randperm(NUM_NODES, generator=generator) % 3
    masks = {f"{split}_mask": part == number for number, split in enumerate(("train", "val", "test"))}
    return Data(x=x.to_sparse_csr() if sparse else x, edge_index=edge_index, y=y, **masks)


class NoisyGraph(GraphDataModule):
    num_classes = 3

    def load_graph(self) -> Data:
        return noisy_graph()


def parts_of(graph: Data) -> tuple[Tensor, ...]:
    return graph.x, graph.y, graph.train_mask, graph.val_mask, graph.test_mask


def classifier() -> LitNodeClassifier:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LitNodeClassifier(GCN(12, 4, 3), 3)


def predictions(graph: Data, strength: float, nodes: Tensor) -> Tensor:
    model = LogisticRegression(C=strength, max_iter=2000)
    model.fit(graph.x[graph.train_mask].numpy(), graph.y[graph.train_mask].numpy())
    return torch.from_numpy(model.predict(graph.x[nodes].numpy()))


def chosen_strength(graph: Data) -> float:
    """The smallest C among those that are right most often on the validation nodes."""
    right = {
        strength: (predictions(graph, strength, graph.val_mask) == graph.y[graph.val_mask]).sum().item()
        for strength in STRENGTHS
    }
    return min(strength for strength in STRENGTHS if right[strength] == max(right.values()))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_accuracy_is_that_of_the_regression_that_is_best_on_the_validation_nodes(seed: int) -> None:
    graph = noisy_graph(seed)
    predicted = predictions(graph, chosen_strength(graph), graph.test_mask)
    accuracy = score_features(*parts_of(graph))
    assert accuracy == pytest.approx((predicted == graph.y[graph.test_mask]).float().mean().item())
    assert 0.4 < accuracy < 1


def test_the_penalties_of_the_tested_graphs_differ() -> None:
    assert len({chosen_strength(noisy_graph(seed)) for seed in (0, 1, 2)}) > 1


def test_the_labels_of_the_test_nodes_only_score() -> None:
    graph = noisy_graph()
    predicted = predictions(graph, chosen_strength(graph), graph.test_mask)
    graph.y[graph.test_mask] = (predicted + 1) % 3
    assert score_features(*parts_of(graph)) == 0
    graph.y[graph.test_mask] = predicted
    assert score_features(*parts_of(graph)) == 1


def test_without_validation_nodes_the_penalty_is_the_default_of_scikit_learn() -> None:
    graph = noisy_graph()
    graph.val_mask[:] = False
    right = predictions(graph, 1.0, graph.test_mask) == graph.y[graph.test_mask]
    assert score_features(*parts_of(graph)) == pytest.approx(right.float().mean().item())


def test_sparse_features_score_as_dense_ones() -> None:
    sparse = noisy_graph(sparse=True)
    assert sparse.x.layout == torch.sparse_csr
    assert score_features(*parts_of(sparse)) == score_features(*parts_of(noisy_graph()))


def test_a_test_logs_the_accuracy(make_trainer: Callable) -> None:
    trainer = make_trainer(callbacks=[FeatureBaseline()])
    (metrics,) = trainer.test(classifier(), datamodule=NoisyGraph(), verbose=False)
    assert metrics["features/test_acc"] == pytest.approx(score_features(*parts_of(noisy_graph())))


def test_logs_nothing_in_training_and_leaves_it_as_it_is(make_trainer: Callable) -> None:
    def train(*callbacks: Callback) -> tuple[LightningModule, set[str]]:
        trainer, task = make_trainer(max_epochs=2, callbacks=list(callbacks)), classifier()
        torch.manual_seed(0)
        trainer.fit(task, datamodule=NoisyGraph())
        trainer.test(task, datamodule=NoisyGraph(), verbose=False)
        return task.state_dict(), set(read_metrics(trainer.logger.log_dir))

    (weights, names), (expected, expected_names) = train(FeatureBaseline()), train()
    assert names == expected_names | {"features/test_acc"}
    assert all(torch.equal(weights[name], expected[name]) for name in expected)


def test_data_without_a_graph_are_refused(make_trainer: Callable) -> None:
    message = (
        r"FeatureBaseline needs a datamodule with a graph, such as datamodules.KarateClubDataModule, but it is "
        r"DigitsDataModule: take FeatureBaseline out of trainer.callbacks"
    )
    with pytest.raises(ValueError, match=message):
        make_trainer(callbacks=[FeatureBaseline()]).test(classifier(), datamodule=DigitsDataModule(), verbose=False)
