"""A flag that another one makes void is told before anything is trained."""

import pytest
from jsonargparse import Namespace

from lab.commands.void_flags import refuse_void
from lab.errors import LabError

TRAINER = {
    "barebones": False,
    "fast_dev_run": False,
    "enable_checkpointing": None,
    "max_epochs": 2,
    "max_steps": -1,
    **dict.fromkeys(["limit_train_batches", "limit_val_batches", "limit_test_batches", "limit_predict_batches"]),
}


def refuse(command: str, typed: tuple[str, ...] = (), test_after_fit: bool = False, **trainer: object) -> None:
    config = Namespace(trainer=Namespace(**{**TRAINER, **trainer}), test_after_fit=test_after_fit)
    refuse_void(command, config, typed)


@pytest.mark.parametrize(
    ("command", "key"),
    [
        ("fit", "max_epochs"),
        ("fit", "max_steps"),
        ("fit", "limit_train_batches"),
        ("validate", "limit_val_batches"),
        ("test", "limit_test_batches"),
        ("predict", "limit_predict_batches"),
    ],
)
def test_a_command_with_nothing_to_do_is_refused(command, key):
    verb = "train" if command == "fit" else command
    with pytest.raises(LabError, match=f"trainer.{key} is 0, so that there is nothing to {verb}: leave it out"):
        refuse(command, **{key: 0})
    refuse(command, fast_dev_run=True, **{key: 0})  # which sets limits of its own
    refuse(command, **{key: 1})


def test_a_test_of_nothing_is_refused():
    with pytest.raises(
        LabError, match=r"limit_test_batches is 0, so that there is nothing to test: .*test_after_fit false"
    ):
        refuse("fit", test_after_fit=True, limit_test_batches=0)
    refuse("fit", limit_test_batches=0)


@pytest.mark.parametrize("key", ["monitor", "monitor_mode", "save_every_minutes"])
def test_what_is_about_checkpoints_needs_them(key):
    with pytest.raises(LabError, match=f"--{key} is about checkpoints, but trainer.enable_checkpointing is false"):
        refuse("fit", (key,), enable_checkpointing=False)
    refuse("fit", (), enable_checkpointing=False)  # a config may state it for other runs
    refuse("fit", (key,), enable_checkpointing=True)


def test_a_run_without_a_folder_is_refused():
    with pytest.raises(LabError, match=r"trainer.barebones keeps no metrics and no checkpoint"):
        refuse("fit", barebones=True)
