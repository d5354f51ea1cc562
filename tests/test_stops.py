"""Whatever ends a run, it goes on as one that was never stopped."""

import itertools
import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Timer
from outcomes import differing, outcome
from running import ROOT, Lab

from lab.training.checkpoint_callback import ThrottledCheckpoint

BATCHES, EPOCHS = 7, 3  # 21 batches
TASKS = {  # of each kind of network, data order and random number
    "vit_digits": ["--model.net.depth=1", "--data.batch_size=32"],
    "autoencoder_digits": ["--model.num_replicas=2"],
    "surname_classifier": ["--model.net.hidden_size=8"],
    "surname_generator": ["--model.net.hidden_size=8", "--model.net.embed_dim=8"],
    "gcn_digits_graph_sampled": ["--model.net.hidden_channels=8"],
    "lstm_running_average": ["--model.net.hidden_size=8"],
    "unet_shapes": [
        "--model.net.base_channels=2",
        "--data.num_train=112",
        "--data.num_eval=32",
        "--data.image_size=16",
    ],
}
ACCUMULATE = (1, 2, 3)  # batches to a step: 7 are no multiple of 2 or 3
VALIDATE = (1.0, 0.5)  # of an epoch: after 7 batches, and after 3 and 6
STOPS = {  # what is typed for the first part of the run
    "steps": ["--trainer.max_steps={step}"],
    "time": ["--trainer.max_time=00:00:00:{step:02d}"],
    "epochs": ["--trainer.max_epochs=2"],
    "early stopping": [],
    "should_stop": [],
    "error": [],
    "signal": [],
}
PRODUCT = [
    pytest.param(*case, marks=pytest.mark.slow)
    for case in itertools.product(STOPS, TASKS, ACCUMULATE, VALIDATE, (3, 7, 11))
]
FEW = [  # each kind and each task once, within an epoch, within a step and behind a validation; the product is slow
    ("steps", "vit_digits", 1, 1.0, 3),
    ("steps", "lstm_running_average", 2, 0.5, 7),
    ("time", "lstm_running_average", 2, 0.5, 3),
    ("epochs", "gcn_digits_graph_sampled", 3, 1.0, 7),
    ("early stopping", "autoencoder_digits", 3, 0.5, 3),
    ("should_stop", "gcn_digits_graph_sampled", 3, 0.5, 11),
    ("error", "surname_classifier", 2, 0.5, 11),
    ("signal", "unet_shapes", 2, 0.5, 3),
    ("signal", "surname_generator", 3, 1.0, 11),
]


def words(task: str, accumulate: int, validate: float, *callbacks: dict[str, Any]) -> list[str]:
    callbacks = ({"class_path": "interrupted.DataOrder"}, *callbacks)
    return [
        *("fit", "--config", str(ROOT / "configs" / f"{task}.yaml"), *TASKS[task], "--trainer.accelerator=cpu"),
        *("--model.scheduler=torch.optim.lr_scheduler.ExponentialLR", "--model.scheduler.gamma=0.9"),
        *(
            f"--trainer.max_epochs={EPOCHS}",
            f"--trainer.limit_train_batches={BATCHES}",
            "--trainer.limit_val_batches=1",
        ),
        *(f"--trainer.accumulate_grad_batches={accumulate}", f"--trainer.val_check_interval={validate}"),
        *("--trainer.log_every_n_steps=1", "--trainer.logger=False", "--test_after_fit=false", "--monitor=val/loss"),
        *("--monitor_mode=min", f"--trainer.callbacks={json.dumps(callbacks)}"),
    ]


def stop(kind: str, batch: int) -> list[dict[str, Any]]:
    """The callbacks that stop a run by this kind."""
    if kind == "early stopping":  # at the second validation
        arguments = {"monitor": "val/loss", "mode": "max", "patience": 1, "min_delta": 1e9}
        return [{"class_path": "EarlyStopping", "init_args": arguments}]
    if kind in ("should_stop", "error", "signal"):
        return [{"class_path": "interrupted.StopAt", "init_args": {"kind": kind, "batch": batch}}]
    return []


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    """What comes of a run that nothing stops."""
    outcomes: dict[tuple[Any, ...], dict[str, Any]] = {}

    def of(lab: Lab, monkeypatch: pytest.MonkeyPatch, *case: Any) -> dict[str, Any]:
        if case not in outcomes:
            folder = tmp_path_factory.mktemp("whole")
            with monkeypatch.context() as patch:
                patch.chdir(folder)
                assert lab(*words(*case)) == 0
            outcomes[case] = outcome(folder)
        return outcomes[case]

    return of


@pytest.mark.parametrize(("kind", "task", "accumulate", "validate", "batch"), [*FEW, *PRODUCT])
def test_a_run_goes_on_after_a_stop_as_if_there_had_been_none(
    kind: str,
    task: str,
    accumulate: int,
    validate: float,
    batch: int,
    lab: Lab,
    whole: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = (task, accumulate, validate)
    monkeypatch.setattr(ThrottledCheckpoint, "WAIT", 0)  # write whenever there is something to write
    expected = whole(lab, monkeypatch, *case)
    length = batch if kind == "time" else max(1, batch // accumulate)
    typed = [*words(*case, *stop(kind, batch)), *(word.format(step=length) for word in STOPS[kind])]
    with monkeypatch.context() as patch:
        patch.setattr(Timer, "time_elapsed", lambda self, stage="train": self._offset)
        patch.setattr(Timer, "on_train_batch_end", a_second_passes)
        with pytest.raises(RuntimeError, match="stopped here") if kind == "error" else nullcontext():
            assert lab(*typed) == (143 if kind == "signal" else 0)
    assert len((lab.folder / "order.txt").read_text().splitlines()) < BATCHES * EPOCHS
    if not list(lab.folder.glob("runs/*/*/checkpoints/last.ckpt")):  # an error in the first epoch: it begins afresh
        assert kind == "error" and batch <= BATCHES
        return
    steps = EPOCHS * -(-BATCHES // accumulate)  # the last batch of an epoch is always a step
    goes_on = [] if validate == 1.0 else [f"--trainer.max_steps={steps}"]
    assert lab(*words(*case), "--ckpt_path=last", *goes_on) == 0
    assert differing(lab.folder, expected) == []


def a_second_passes(timer: Timer, trainer: Trainer, *_: Any) -> None:
    """Behind each batch, as ``Timer.on_train_batch_end``."""
    timer._offset += 1
    timer._check_time_remaining(trainer)
