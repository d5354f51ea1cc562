"""What every task shares: injected optimizers and schedulers, and checkpoints of plain values alone."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch import Callback, LightningModule
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser
from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR

from lit_models import LitImageClassifier, LitTask, WarmupCosine
from lit_models.plain_values import unloadable

MODEL = """
class_path: lit_models.LitImageClassifier
init_args:
  num_classes: 3
  net:
    class_path: nets.VisionTransformer
    init_args: {image_size: 8, patch_size: 4, num_classes: 3, embed_dim: 8, depth: 1, num_heads: 2, head_dim: 4}
"""


def from_yaml(**init_args: object) -> LitTask:
    """The task that the command line would build from YAML."""
    model = yaml.safe_load(MODEL)
    model["init_args"] |= init_args
    parser = LightningArgumentParser()
    parser.add_lightning_class_args(LightningModule, "model", subclass_mode=True)
    return parser.instantiate(parser.parse_object({"model": model})).model


def test_optimizer_from_yaml_gets_its_arguments() -> None:
    task = from_yaml(optimizer={"class_path": "torch.optim.AdamW", "init_args": {"lr": 0.02, "weight_decay": 0.3}})
    optimizer = task.configure_optimizers()
    assert type(optimizer) is torch.optim.AdamW
    assert optimizer.defaults["lr"] == 0.02 and optimizer.defaults["weight_decay"] == 0.3
    trained = {parameter for group in optimizer.param_groups for parameter in group["params"]}
    assert trained == set(task.net.parameters())


def test_another_class_of_optimizer_inherits_no_argument_of_the_default_one() -> None:
    task = from_yaml(optimizer={"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}})
    defaults = task.configure_optimizers().defaults
    assert type(task.configure_optimizers()) is torch.optim.SGD
    plain = torch.optim.SGD(task.parameters(), lr=0.1).defaults
    assert defaults == plain and defaults["weight_decay"] == 0  # AdamW's default is 0.01


@pytest.mark.parametrize("build", [from_yaml, lambda: LitTask(torch.nn.Linear(2, 1))], ids=["yaml", "python"])
def test_without_an_optimizer_it_is_adamw_with_the_defaults_of_torch(build: object) -> None:
    optimizer = build().configure_optimizers()
    assert type(optimizer) is torch.optim.AdamW
    assert optimizer.defaults == torch.optim.AdamW(torch.nn.Linear(1, 1).parameters()).defaults


def test_scheduler_from_yaml_is_stepped_each_epoch() -> None:
    scheduler = {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 3, "gamma": 0.5}}
    configured = from_yaml(scheduler=scheduler).configure_optimizers()["lr_scheduler"]
    assert type(configured["scheduler"]) is StepLR
    assert configured["scheduler"].step_size == 3 and configured["scheduler"].gamma == 0.5
    assert configured.get("interval", "epoch") == "epoch"


@pytest.mark.parametrize("built_by", ["yaml", "python"])
@pytest.mark.parametrize("total_steps", [None, 7])
def test_warmup_cosine_gets_the_length_of_the_run_and_is_stepped_each_batch(
    make_trainer: object, tiny_images: type, built_by: str, total_steps: int | None
) -> None:
    arguments = {"warmup_fraction": 0.5} | ({} if total_steps is None else {"total_steps": total_steps})
    task = from_yaml(scheduler={"class_path": "lit_models.WarmupCosine", "init_args": arguments})
    if built_by == "python":
        task = LitImageClassifier(task.net, 3, scheduler=partial(WarmupCosine, **arguments))
    trainer = make_trainer(max_epochs=2, limit_val_batches=0)
    trainer.fit(task, datamodule=tiny_images())
    config = trainer.lr_scheduler_configs[0]
    assert config.interval == "step"
    length = total_steps or 10
    expected = WarmupCosine(torch.optim.SGD(task.parameters(), lr=1.0), total_steps=length, warmup_fraction=0.5)
    factors = [config.scheduler.lr_lambdas[0](step) for step in range(12)]
    assert factors == [expected.lr_lambdas[0](step) for step in range(12)]


def test_a_plateau_watches_the_validation_loss(tiny_task: object, make_trainer: object, tiny_images: type) -> None:
    task = tiny_task(lr=0.0, scheduler=partial(ReduceLROnPlateau, patience=0, factor=0.1))
    task.optimizer = partial(torch.optim.SGD, lr=0.0)
    assert task.configure_optimizers()["lr_scheduler"]["monitor"] == "val/loss"
    trainer = make_trainer(max_epochs=3)
    trainer.fit(task, datamodule=tiny_images())
    assert trainer.lr_scheduler_configs[0].scheduler.num_bad_epochs == 0
    assert trainer.lr_scheduler_configs[0].scheduler.best == pytest.approx(float(trainer.callback_metrics["val/loss"]))


def test_checkpoint_of_a_task_built_in_python_holds_plain_values_alone(
    tmp_path: Path, tiny_task: object, tiny_vit: object, make_trainer: object, tiny_images: type
) -> None:
    task = tiny_task(label_smoothing=0.1, scheduler=partial(WarmupCosine, warmup_fraction=0.1))
    trainer = make_trainer(limit_train_batches=2)
    trainer.fit(task, datamodule=tiny_images())
    before = trainer.test(task, datamodule=trainer.datamodule, verbose=False)
    trainer.save_checkpoint(tmp_path / "task.ckpt")

    saved = torch.load(tmp_path / "task.ckpt", weights_only=True)
    assert saved["hyper_parameters"] == {"num_classes": 3, "label_smoothing": 0.1}
    net = tiny_vit(seed=1)
    again = LitImageClassifier.load_from_checkpoint(tmp_path / "task.ckpt", net=net, weights_only=True)
    assert again.label_smoothing == 0.1 and again.net is net
    assert make_trainer().test(again, datamodule=tiny_images(), verbose=False) == before


def test_hyperparameters_that_only_a_pickle_could_hold_are_left_out() -> None:
    plain = {"a": 1, "b": [1.5, "x", None], "c": {"d": (True,)}}
    unsafe = {"path": Path(), "module": torch.nn.Identity(), "inside": {"deep": [partial(int)]}, "cls": int}
    checkpoint = {"hyper_parameters": {**plain, **unsafe}}
    LitTask(torch.nn.Identity()).on_save_checkpoint(checkpoint)
    assert checkpoint["hyper_parameters"] == plain


SCHEDULERS = {
    "none": None,
    "steps": partial(StepLR, step_size=np.int64(1), gamma=np.float64(0.5)),
    "milestones": partial(lr_scheduler.MultiStepLR, milestones=np.arange(1, 4)),
    "a function of NumPy": partial(lr_scheduler.LambdaLR, lr_lambda=lambda epoch: np.cos(epoch / 9)),
    "plateau": partial(ReduceLROnPlateau, factor=np.float64(0.5), min_lr=np.float64(1e-9)),
    "several": lambda optimizer: lr_scheduler.SequentialLR(
        optimizer,
        [
            StepLR(optimizer, np.int64(2), np.float64(0.1)),
            lr_scheduler.LambdaLR(optimizer, lambda epoch: np.exp(-epoch)),
        ],
        milestones=[np.int64(1)],
    ),
    "one cycle": partial(lr_scheduler.OneCycleLR, max_lr=np.float64(0.1), pct_start=np.float64(0.3)),
    "warm-up": partial(WarmupCosine, warmup_fraction=np.float64(0.1)),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_numbers_of_numpy_are_saved_as_numbers_and_resumed(
    tmp_path: Path, tiny_task: object, make_trainer: object, tiny_images: type, name: str
) -> None:
    def task() -> LitTask:
        numbers = {"lr": np.logspace(-2, -1, 3)[1], "momentum": np.float32(0.5), "weight_decay": np.array(0.01)}
        optimizer = partial(torch.optim.SGD, **numbers)
        return tiny_task(optimizer=optimizer, scheduler=SCHEDULERS[name], label_smoothing=np.float64(0.1))

    first = make_trainer(max_epochs=2, enable_checkpointing=True, callbacks=[ModelCheckpoint(tmp_path)])
    first.fit(task(), datamodule=tiny_images())
    states = [item.state_dict() for item in first.optimizers]
    states += [config.scheduler.state_dict() for config in first.lr_scheduler_configs]
    assert not unloadable(states)  # whoever else saves them
    (path,) = tmp_path.glob("*.ckpt")
    assert torch.load(path, weights_only=True)["hyper_parameters"]["label_smoothing"] == 0.1
    epochs = 2 if name in ("one cycle", "warm-up") else 3  # those two know the length of the run
    resumed, whole = task(), task()
    make_trainer(max_epochs=epochs).fit(resumed, datamodule=tiny_images(), ckpt_path=path, weights_only=True)
    make_trainer(max_epochs=epochs).fit(whole, datamodule=tiny_images())
    for key, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key


class Remembering(Callback):
    """A callback whose state a checkpoint keeps."""

    def __init__(self, value: object) -> None:
        self.value = value

    def state_dict(self) -> dict[str, object]:
        return {"value": self.value}


def test_a_state_that_is_no_plain_data_is_refused_before_training(
    tmp_path: Path, tiny_task: object, make_trainer: object, tiny_images: type
) -> None:
    kept, task = ModelCheckpoint(tmp_path), tiny_task()
    trainer = make_trainer(enable_checkpointing=True, callbacks=[kept, Remembering(Path("a"))])
    with pytest.raises(ValueError, match=r"the state of callback Remembering holds a \w+Path, but a checkpoint holds"):
        trainer.fit(task, datamodule=tiny_images())
    assert trainer.global_step == 0 and not list(tmp_path.glob("*.ckpt"))
    make_trainer(callbacks=[Remembering(Path("a"))]).fit(task, datamodule=tiny_images())  # nothing is saved


def test_a_state_that_has_become_no_plain_data_is_left_out_and_told() -> None:
    checkpoint = {"callbacks": {"good": {"value": np.float64(1)}, "bad": {"value": Path()}}, "epoch": np.int64(1)}
    with pytest.warns(UserWarning, match="The checkpoint leaves out the state of bad, which is no plain data"):
        LitTask(torch.nn.Identity()).on_save_checkpoint(checkpoint)
    assert checkpoint["callbacks"] == {"good": {"value": 1.0}} and not unloadable(checkpoint)


def test_a_checkpoint_without_hyperparameters_stays_without_unsafe_ones() -> None:
    checkpoint: dict = {}
    LitTask(torch.nn.Identity()).on_save_checkpoint(checkpoint)
    assert checkpoint["hyper_parameters"] == {}


def test_resuming_restores_optimizer_and_step(
    tmp_path: Path, tiny_task: object, make_trainer: object, tiny_images: type
) -> None:
    momentum = partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    whole, halved = (tiny_task(optimizer=momentum) for _ in range(2))
    make_trainer(max_epochs=2).fit(whole, datamodule=tiny_images())
    first = make_trainer(max_epochs=1)
    first.fit(halved, datamodule=tiny_images())
    first.save_checkpoint(tmp_path / "half.ckpt")
    resumed = tiny_task(optimizer=momentum)
    second = make_trainer(max_epochs=2)
    second.fit(resumed, datamodule=tiny_images(), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert second.global_step == 10
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
