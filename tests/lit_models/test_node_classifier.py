"""The task of classifying nodes: what it minimises, logs and gives back, alone and in replicas."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from tiny_graph import CLASSES, FEATURES, NODES, TinyGraph, tiny_graph
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from lab import read_metrics
from lit_models import LitNodeClassifier
from nets import GAT, GCN

SGD = partial(torch.optim.SGD, lr=0.5)


def a_task(seed: int = 0, dropout: float = 0.0, **arguments: Any) -> LitNodeClassifier:
    torch.manual_seed(seed)
    return LitNodeClassifier(GCN(FEATURES, 4, CLASSES, dropout), CLASSES, **{"optimizer": SGD, **arguments})


def a_batch() -> Any:
    graph = tiny_graph()
    graph.targets = torch.tensor([2, 0, 5])
    return graph


@pytest.mark.parametrize("step", ["training_step", "validation_step"])
@pytest.mark.parametrize("num_replicas", [1, 2])
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.ones(NODES), r"labels must be whole numbers, .* but are torch\.float32"),
        (torch.full((NODES,), 3), "from 0 to 2, the 3 classes, but hold 3"),
        (torch.full((NODES,), -100), "from 0 to 2, the 3 classes, but hold -100"),
        (torch.zeros(NODES, 1).long(), r"labels must have 1 dimension, .* \(3, 1\)"),
    ],
)
def test_labels_that_are_no_classes_are_named(y: Tensor, message: str, num_replicas: int, step: str) -> None:
    graph = a_batch()
    graph.y = y
    with pytest.raises(ValueError, match=message):
        getattr(a_task(num_replicas=num_replicas), step)(graph, 3)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int32])
def test_labels_of_every_type_of_whole_numbers_are_learnt_from(kind: torch.dtype) -> None:
    graph, task = a_batch(), a_task()
    expected = task.training_step(graph, 0)
    graph.y = graph.y.to(kind)
    assert torch.equal(task.training_step(graph, 0), expected)


def test_the_loss_is_the_cross_entropy_of_the_targets_and_the_penalty_of_the_first_layer() -> None:
    task, graph = a_task(weight_penalty=0.1), a_batch()
    logits = task(graph.x, graph.edge_index)
    expected = F.cross_entropy(logits[graph.targets], graph.y[graph.targets])
    penalised = expected + 0.05 * task.net.layers[0].weight.square().sum()
    loss = task.training_step(graph, 0)
    assert_close(loss, expected)  # what is shown is the cross-entropy
    parameters = list(task.net.parameters())
    got, wanted = (torch.autograd.grad(value, parameters, retain_graph=True) for value in (loss, penalised))
    assert_close(got, wanted)


def test_the_penalty_is_adams_weight_decay_of_the_first_layer() -> None:
    penalised = a_task(weight_penalty=0.1, optimizer=partial(torch.optim.Adam, lr=0.01))
    decayed = a_task()
    first, last = (list(layer.parameters()) for layer in decayed.net.layers)
    groups = [{"params": first[:1], "weight_decay": 0.1}, {"params": first[1:]}, {"params": last}]
    optimizers = [penalised.configure_optimizers(), torch.optim.Adam(groups, lr=0.01)]
    for _ in range(5):
        for task, optimizer in zip((penalised, decayed), optimizers, strict=True):
            optimizer.zero_grad()
            task.training_step(a_batch(), 0).backward()
            optimizer.step()
    assert_close(dict(penalised.net.named_parameters()), dict(decayed.net.named_parameters()))


def test_it_learns_and_logs_each_split_on_its_own_nodes(make_trainer: Any, tmp_path: Path) -> None:
    task, trainer = a_task(seed=1, optimizer=partial(torch.optim.Adam, lr=0.05)), make_trainer(max_epochs=60)
    trainer.fit(task, datamodule=TinyGraph())
    (tested,) = trainer.test(task, datamodule=TinyGraph(), verbose=False)
    graph = tiny_graph()
    logits = task.eval()(graph.x, graph.edge_index)
    for split, logged in (("val", trainer.validate(task, datamodule=TinyGraph(), verbose=False)[0]), ("test", tested)):
        mask = graph[f"{split}_mask"]
        assert logged[f"{split}/loss"] == pytest.approx(F.cross_entropy(logits[mask], graph.y[mask]).item(), abs=1e-6)
        right = (logits.argmax(dim=1) == graph.y)[mask].float().mean().item()
        assert logged[f"{split}/acc"] == pytest.approx(right, abs=1e-6)
    assert tested["test/acc"] > 0.8
    metrics = read_metrics(tmp_path / "runs" / "tiny" / "version_0")
    assert metrics["train/loss"][1][-1] < metrics["train/loss"][1][0] / 2


def test_early_stopping_stops_when_validation_no_longer_gains(make_trainer: Any) -> None:
    stopping = EarlyStopping("val/loss", patience=3, min_delta=10.0)  # nothing gains that much
    trainer = make_trainer(max_epochs=50, callbacks=[stopping])
    trainer.fit(a_task(), datamodule=TinyGraph())
    assert trainer.current_epoch == 4


def test_it_encodes_with_the_last_hidden_layer_and_predicts_all_nodes(make_trainer: Any) -> None:
    task, graph = a_task().eval(), tiny_graph()
    assert_close(task.encode(graph.x, graph.edge_index), task.net.encode(graph.x, graph.edge_index))
    (rows,) = make_trainer().predict(task, datamodule=TinyGraph())
    probabilities = task(graph.x, graph.edge_index).softmax(dim=1)
    assert torch.equal(rows["label"], graph.y) and torch.equal(rows["class"], probabilities.argmax(dim=1))
    assert_close(rows["probability"], probabilities.max(dim=1).values)


def test_the_predictions_and_the_logits_of_replicas_are_those_of_each(make_trainer: Any) -> None:
    task, graph = a_task(num_replicas=2).eval(), tiny_graph()
    (rows,) = make_trainer().predict(task, datamodule=TinyGraph())
    names = [f"{name}_replica_{number}" for number in range(2) for name in ("class", "probability")]
    assert list(rows) == ["label", *names]
    graph.targets = torch.arange(NODES)
    outputs = task.validation_step(graph, 0)
    for number, net in enumerate(task.replicas()):
        logits = net(graph.x, graph.edge_index)
        assert_close(outputs["logits"][number], logits.detach())
        assert_close(rows[f"probability_replica_{number}"], logits.softmax(dim=1).max(dim=1).values)
        assert torch.equal(rows[f"class_replica_{number}"], logits.argmax(dim=1))


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_replica_r_is_the_run_of_the_seed_plus_r_and_of_its_best_epoch(
    make_trainer: Any, tmp_path: Path, sparse: bool
) -> None:
    steep = {"weight_penalty": 0.01, "optimizer": partial(torch.optim.SGD, lr=6.0)}  # so that losses rise again
    data, together, epochs = TinyGraph(sparse=sparse), a_task(seed=3, num_replicas=3, **steep), []
    trainer = make_trainer(max_epochs=12)
    trainer.fit(together, datamodule=data)
    trained = [dict(replica.named_parameters()) for replica in together.replicas()]
    trained = [{name: value.detach().clone() for name, value in of_replica.items()} for of_replica in trained]
    (tested,) = trainer.test(together, datamodule=data, verbose=False)
    for number, best in enumerate(together.replicas()):
        alone = a_task(seed=3 + number, **steep)
        checkpoint = ModelCheckpoint(tmp_path / str(number), monitor="val/lowest_loss")
        one = make_trainer(max_epochs=12, enable_checkpointing=True, callbacks=[checkpoint])
        one.fit(alone, datamodule=data)
        assert_close(trained[number], dict(alone.net.named_parameters()))
        (wanted,) = one.test(alone, datamodule=data, ckpt_path="best", verbose=False, weights_only=True)
        assert_close(dict(best.named_parameters()), dict(alone.net.named_parameters()))
        epochs.append(torch.load(checkpoint.best_model_path, weights_only=True)["epoch"])
        for name in ("test/loss", "test/acc"):
            assert tested[f"{name}_replica_{number}"] == pytest.approx(wanted[name], abs=1e-5)
    assert len(set(epochs)) > 1 or min(epochs) < 11
    graph = tiny_graph()
    assert together.encode(graph.x, graph.edge_index).shape == (3, NODES, 4)


class Normalised(GCN):
    """A graph network with running statistics, by which it is evaluated."""

    def __init__(self) -> None:
        super().__init__(FEATURES, 4, CLASSES, 0.0)
        self.norm = nn.BatchNorm1d(FEATURES, momentum=0.5)

    def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
        return super().forward(self.norm(x), edge_index)


def test_replica_r_has_the_running_statistics_of_its_best_epoch(make_trainer: Any, tmp_path: Path) -> None:
    def task(seed: int, **arguments: Any) -> LitNodeClassifier:
        torch.manual_seed(seed)
        return LitNodeClassifier(Normalised(), CLASSES, optimizer=partial(torch.optim.SGD, lr=8.0), **arguments)

    together, trainer = task(3, num_replicas=3), make_trainer(max_epochs=8)
    trainer.fit(together, datamodule=TinyGraph())
    trainer.save_checkpoint(tmp_path / "together.ckpt")
    (tested,) = trainer.test(together, datamodule=TinyGraph(), verbose=False)
    again = LitNodeClassifier.load_from_checkpoint(tmp_path / "together.ckpt", net=Normalised(), weights_only=True)
    again.use_best()
    tracked = []
    for number, (best, reloaded) in enumerate(zip(together.replicas(), again.replicas(), strict=True)):
        alone, checkpoint = task(3 + number), ModelCheckpoint(tmp_path / str(number), monitor="val/lowest_loss")
        one = make_trainer(max_epochs=8, enable_checkpointing=True, callbacks=[checkpoint])
        one.fit(alone, datamodule=TinyGraph())
        (wanted,) = one.test(alone, datamodule=TinyGraph(), ckpt_path="best", verbose=False, weights_only=True)
        assert tested[f"test/loss_replica_{number}"] == pytest.approx(wanted["test/loss"], abs=1e-5)
        assert_close(best.state_dict(), alone.net.state_dict())
        assert_close(reloaded.state_dict(), alone.net.state_dict())
        tracked.append(int(best.norm.num_batches_tracked))
    assert min(tracked) < 8


def test_replicas_go_on_with_their_best_after_a_checkpoint(make_trainer: Any, tmp_path: Path) -> None:
    steep = {"num_replicas": 3, "optimizer": partial(torch.optim.SGD, lr=6.0)}
    whole, first, second = (a_task(seed=3, **steep) for _ in range(3))
    make_trainer(max_epochs=8).fit(whole, datamodule=TinyGraph())
    half = make_trainer(max_epochs=4)
    half.fit(first, datamodule=TinyGraph())
    half.save_checkpoint(tmp_path / "half.ckpt")
    trainer = make_trainer(max_epochs=8)
    trainer.fit(second, datamodule=TinyGraph(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert_close(second.best.state_dict(), whole.best.state_dict())
    trainer.save_checkpoint(tmp_path / "whole.ckpt")
    fresh = a_task(**steep)
    logged = [
        trainer.test(task, datamodule=TinyGraph(), ckpt_path=path, verbose=False, weights_only=True)[0]
        for task, path in ((whole, None), (fresh, tmp_path / "whole.ckpt"))
    ]
    assert logged[0] == pytest.approx(logged[1])
    assert_close(fresh.net.state_dict(), whole.net.state_dict())


def test_a_validation_after_the_fit_is_of_each_replicas_best(make_trainer: Any) -> None:
    task = a_task(seed=3, num_replicas=3, optimizer=partial(torch.optim.SGD, lr=6.0))
    trainer = make_trainer(max_epochs=12)
    trainer.fit(task, datamodule=TinyGraph())
    (validated,) = trainer.validate(task, datamodule=TinyGraph(), verbose=False)
    assert validated["val/loss"] == pytest.approx(float(task.best.lowest.mean()), rel=1e-5)


def test_a_checkpoint_reloads_without_pickled_objects(make_trainer: Any, tmp_path: Path) -> None:
    task, trainer = a_task(num_replicas=2), make_trainer(max_epochs=1)
    trainer.fit(task, datamodule=TinyGraph())
    trainer.save_checkpoint(tmp_path / "one.ckpt")
    loaded = LitNodeClassifier.load_from_checkpoint(
        tmp_path / "one.ckpt", net=GCN(FEATURES, 4, CLASSES), weights_only=True
    )
    assert_close(loaded.state_dict(), task.state_dict())


ERRORS = {
    r"num_classes must be at least 2, but it is 1\.": {"num_classes": 1},
    r"weight_penalty must be a finite number ≥ 0, but it is -1\.": {"weight_penalty": -1.0},
    r"num_replicas must be at least 1, but it is 0\.": {"num_replicas": 0},
}


@pytest.mark.parametrize(("message", "arguments"), ERRORS.items(), ids=list(ERRORS))
def test_mistakes_are_named(message: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=message):
        LitNodeClassifier(GCN(FEATURES), **arguments)


def test_classes_and_features_of_data_and_network_must_agree(make_trainer: Any) -> None:
    other = LitNodeClassifier(GAT(FEATURES, num_classes=4), num_classes=4)
    with pytest.raises(
        ValueError, match=r"the data has 3 classes, the task num_classes=4 and the network 4 outputs: set"
    ):
        make_trainer().fit(other, datamodule=TinyGraph())
    narrow = LitNodeClassifier(GCN(7, 4, CLASSES), num_classes=CLASSES)
    with pytest.raises(ValueError, match=r"the data has 5 features a node, the network in_channels=7: set model\.net"):
        make_trainer().fit(narrow, datamodule=TinyGraph())
