"""Averaged weights are what a validation judges, a checkpoint holds and a test loads; a resumed run has their bits."""

import json
import signal
import threading

import pytest
import torch
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import WeightAveraging
from running import DIGITS, SMALL

from lab import read_metrics
from lab.training.averaging import make_exact

QUICK = [*DIGITS, *SMALL, "--model.scheduler=null", "--trainer.logger=false"]
EMA = {"decay": 0.5, "update_every_n_steps": 2, "update_starting_at_epoch": 0}


class StopInValidation(Callback):
    """SIGTERM after the first validation batch behind a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_validation_batch_end(self, trainer, *args) -> None:
        if trainer.global_step == self.step and not trainer.sanity_checking:
            signal.raise_signal(signal.SIGTERM)


def added(*callbacks: tuple[str, dict]) -> list[str]:
    made = [{"class_path": name, "init_args": arguments} for name, arguments in callbacks]
    return [f"--trainer.callbacks+={json.dumps(callback)}" for callback in made]


def last(lab, version: int = 0) -> dict:
    return torch.load(lab.run(version=version) / "checkpoints" / "last.ckpt", weights_only=True)


def assert_same_weights(one: dict, other: dict) -> None:
    for key in ("state_dict", "current_model_state"):
        assert one[key].keys() == other[key].keys()
        assert all(torch.equal(one[key][name], other[key][name]) for name in one[key]), key
    assert one["averaging_state"] == other["averaging_state"]


def test_the_weights_that_were_judged_are_kept_tested_and_resumed(lab):
    words = [*QUICK, *added(("lightning.pytorch.callbacks.EMAWeightAveraging", EMA))]
    assert lab("fit", *words, "--test_after_fit=true") == 0, lab.err
    for command in ("validate", "test"):  # without averaging: it is the weights of the checkpoint that are scored
        assert lab(command, *QUICK) == 0, lab.err
    metrics = read_metrics(lab.run())
    assert metrics["val/loss"][1][-1] == pytest.approx(min(metrics["val/loss"][1][:-1]), rel=1e-6)
    assert metrics["test/loss"][1][0] == metrics["test/loss"][1][1]
    assert lab("fit", *QUICK, "--trainer.max_epochs=3", "--ckpt_path=last") == 1
    assert "averages its weights, and goes on only with that callback" in lab.err
    assert lab("fit", *words, "--trainer.max_epochs=3", "--ckpt_path=last") == 0, lab.err
    assert lab("fit", *words, "--trainer.max_epochs=3") == 0, lab.err
    assert_same_weights(last(lab), last(lab, version=1))


def test_a_stop_in_a_validation_keeps_which_weights_are_which(lab):
    words = [*QUICK, "--data.eval_batch_size=50", *added(("lightning.pytorch.callbacks.WeightAveraging", {}))]
    assert lab("fit", *words, *added((f"{__name__}.StopInValidation", {"step": 3}))) == 143, lab.err
    assert lab("fit", *words, "--ckpt_path=last") == 0, lab.err
    assert lab("fit", *words) == 0, lab.err
    assert_same_weights(last(lab), last(lab, version=1))


class Locked:
    """What a hook of a task may know, and nobody can copy: a graph with sparse features is another."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def before_loading(self, *arguments: object) -> None:
        """A hook that does nothing."""


def test_the_hooks_of_a_task_are_not_copied(make_trainer, tiny_task, tiny_images):
    task, callback = tiny_task(), WeightAveraging()
    task._register_load_state_dict_pre_hook(Locked().before_loading)
    make_exact(callback)
    trainer = make_trainer(max_epochs=1, callbacks=[callback])
    trainer.fit(task, datamodule=tiny_images())
    assert trainer.global_step == callback._average_model.n_averaged == 5
