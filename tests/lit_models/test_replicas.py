"""Replicas that are trained side by side are the runs that they would be alone, or refused."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import (
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateFinder,
    StochasticWeightAveraging,
)
from tiny_graph import CLASSES, FEATURES, TinyGraph
from torch import Tensor, nn
from torch.optim import lr_scheduler
from torch.testing import assert_close

from datamodules import GaussianDataModule
from lit_models import LitAutoencoder, LitNodeClassifier
from lit_models.replicas import LitReplicas
from nets import GCN, Autoencoder, GaussianNoise

SEED = 3


def graph_task(seed: int, **arguments: Any) -> LitNodeClassifier:
    torch.manual_seed(seed)
    return LitNodeClassifier(GCN(FEATURES, 4, CLASSES, 0.0), CLASSES, **arguments)


def autoencoder_task(seed: int, **arguments: Any) -> LitAutoencoder:
    torch.manual_seed(seed)
    return LitAutoencoder(Autoencoder(6, [4, 2]), GaussianNoise(0.1), **arguments)


def gaussian() -> GaussianDataModule:
    return GaussianDataModule(input_dim=6, num_high_variance=2, num_samples=40, variance_scale=2, batch_size=7)


TASKS = {"graph": (graph_task, TinyGraph), "autoencoder": (autoencoder_task, gaussian)}
SGD = partial(torch.optim.SGD, lr=0.2, momentum=0.9)
CLIPPING = {
    "norm": {"gradient_clip_val": 0.05},
    "norm of accumulated gradients": {"gradient_clip_val": 0.05, "accumulate_grad_batches": 2},
    "named norm": {"gradient_clip_val": 1e6, "gradient_clip_algorithm": "norm"},
    "value": {"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"},
}


@pytest.mark.parametrize("options", CLIPPING.values(), ids=CLIPPING)
@pytest.mark.parametrize(("build", "data"), TASKS.values(), ids=TASKS)
def test_a_clipped_replica_is_the_clipped_run_of_its_seed(
    make_trainer: Callable, build: Callable, data: Callable, options: dict[str, Any]
) -> None:
    def trained(task: LitReplicas, **others: Any) -> LitReplicas:
        make_trainer(max_epochs=4, precision="64-true", limit_val_batches=0, **others).fit(task, datamodule=data())
        return task

    together = trained(build(SEED, num_replicas=3, optimizer=SGD), **options)
    free = trained(build(SEED, num_replicas=3, optimizer=SGD))
    for number, replica in enumerate(together.replicas()):
        alone = trained(build(SEED + number, optimizer=SGD), **options)
        assert_close(replica.state_dict(), alone.net.state_dict(), rtol=0, atol=1e-12)
    clipped = [not torch.equal(one, other) for one, other in zip(together.parameters(), free.parameters(), strict=True)]
    assert any(clipped) == (options["gradient_clip_val"] < 1)


class Learnt(nn.Linear):
    """A corruption with weights."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs + super().forward(inputs)


PLATEAU = partial(lr_scheduler.ReduceLROnPlateau, patience=1)
COUPLED = {
    "LBFGS computes over several weights at once, .* such as AdamW, or set model.num_replicas to 1": {
        "optimizer": torch.optim.LBFGS
    },
    "ReduceLROnPlateau would change the learning rate of all replicas by the mean": {"scheduler": PLATEAU},
    "replicas cannot have a LearningRateFinder each: leave it out, or set": {"callbacks": [LearningRateFinder()]},
    "replicas cannot have a StochasticWeightAveraging each": {"callbacks": [StochasticWeightAveraging(0.1)]},
}


@pytest.mark.parametrize(("message", "arguments"), COUPLED.items(), ids=[message[:20] for message in COUPLED])
@pytest.mark.parametrize(("build", "data"), TASKS.values(), ids=TASKS)
def test_what_would_couple_replicas_is_refused_before_the_first_step(
    make_trainer: Callable, build: Callable, data: Callable, message: str, arguments: dict[str, Any]
) -> None:
    trainer = make_trainer(callbacks=arguments.get("callbacks"))
    arguments = {name: value for name, value in arguments.items() if name != "callbacks"}
    with pytest.raises(ValueError, match=message):
        trainer.fit(build(SEED, num_replicas=2, **arguments), datamodule=data())
    assert trainer.global_step == 0


def test_weights_and_a_loss_scale_that_all_share_are_refused(make_trainer: Callable) -> None:
    learnt = LitAutoencoder(Autoencoder(6, [2]), Learnt(6, 6), num_replicas=2)
    with pytest.raises(ValueError, match=r"replicas would share the weights of corruption\.weight: leave them out"):
        make_trainer().fit(learnt, datamodule=gaussian())
    trainer = make_trainer()
    trainer.precision_plugin.scaler = SimpleNamespace()  # that of 16-mixed, for which it takes a GPU
    with pytest.raises(ValueError, match="replicas would share the loss scale of 16-mixed: choose bf16-mixed"):
        trainer.fit(autoencoder_task(SEED, num_replicas=2), datamodule=gaussian())


def test_averaged_weights_are_those_of_each_replica_unless_it_keeps_its_best_epoch(make_trainer: Callable) -> None:
    def averaged(task: LitAutoencoder) -> LitAutoencoder:
        averaging = EMAWeightAveraging(decay=0.9)
        make_trainer(max_epochs=3, precision="64-true", callbacks=[averaging]).fit(task, datamodule=gaussian())
        return task

    together = averaged(autoencoder_task(SEED, num_replicas=2, optimizer=SGD))
    for number, replica in enumerate(together.replicas()):
        alone = averaged(autoencoder_task(SEED + number, optimizer=SGD))
        assert_close(replica.state_dict(), alone.net.state_dict(), rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="replicas cannot have a EMAWeightAveraging each"):
        make_trainer(callbacks=[EMAWeightAveraging()]).fit(graph_task(SEED, num_replicas=2), datamodule=TinyGraph())


def test_early_stopping_says_that_it_looks_at_the_mean(
    make_trainer: Callable, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = make_trainer(callbacks=[EarlyStopping("val/loss")])
    with caplog.at_level("INFO"):
        trainer.fit(graph_task(SEED, num_replicas=2), datamodule=TinyGraph())
    assert "EarlyStopping looks at the mean of val/loss over the replicas, and stops them together." in caplog.text
    caplog.clear()
    with caplog.at_level("INFO"):
        make_trainer(callbacks=[EarlyStopping("val/loss")]).fit(graph_task(SEED), datamodule=TinyGraph())
    assert "the replicas" not in caplog.text


@pytest.mark.parametrize("build", [graph_task, autoencoder_task])
def test_there_must_be_a_replica(build: Callable) -> None:
    with pytest.raises(ValueError, match=r"num_replicas must be at least 1, but it is 0\."):
        build(SEED, num_replicas=0)
