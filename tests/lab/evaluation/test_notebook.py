"""A notebook gets a trained network, which is trained first where there is none."""

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.errors import LabError
from lab.evaluation.notebook import load_or_train, load_run


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be trained: each command leaves a run without a best checkpoint unless its config is vit_digits."""
    commands: list[list[str]] = []

    def run(command: list[str], **keywords: object) -> SimpleNamespace:
        commands.append(command[1:])
        name, root = Path(command[4]).stem, Path(command[6])
        folder = root / name / f"version_{len(commands)}" / "checkpoints"
        folder.mkdir(parents=True)
        if name == "vit_digits":
            (folder / "best.ckpt").touch()
        if "--trainer.limit_val_batches=0" in command:
            (folder / "last.ckpt").touch()
        return SimpleNamespace(returncode=int(name != "vit_digits"))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setattr("lab.evaluation.notebook.load_run", lambda folder: folder)
    return commands


def test_a_missing_run_is_trained_once_and_the_newest_is_taken(tmp_path: Path, typed: list[list[str]]) -> None:
    for version in (0, 9):  # a run without a checkpoint counts for nothing
        (tmp_path / "vit_digits" / f"version_{version}").mkdir(parents=True)
    first = load_or_train("vit_digits", tmp_path, ["--trainer.max_epochs=1"])
    assert load_or_train("vit_digits", tmp_path) == first == tmp_path / "vit_digits" / "version_1"
    (command,) = typed
    assert command[:3] == ["train.py", "fit", "--config"] and command[-1] == "--trainer.max_epochs=1"


def test_what_cannot_be_trained_is_told(tmp_path: Path, typed: list[list[str]]) -> None:
    with pytest.raises(LabError, match=r"there is no configs/vit_digit\.yaml: give the name of a config, such"):
        load_or_train("vit_digit", tmp_path)
    with pytest.raises(LabError, match="the training of autoencoder_digits left no checkpoint: type the command"):
        load_or_train("autoencoder_digits", tmp_path)


def test_a_training_without_a_validation_is_loaded_from_its_last_checkpoint(tmp_path: Path, typed: list) -> None:
    run = load_or_train("autoencoder_digits", tmp_path, ["--trainer.limit_val_batches=0"])
    assert run == tmp_path / "autoencoder_digits" / "version_1"


def test_what_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"is no finished run: it must hold config.yaml and checkpoints/best.ckpt"):
        load_run(tmp_path)
