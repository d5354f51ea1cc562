"""Runs of train.py inside the test process, in a folder of their own."""

from pathlib import Path

import pytest

from lab.commands.main import main

ROOT = Path(__file__).resolve().parent.parent.parent
DIGITS = ["--config", str(ROOT / "configs" / "vit_digits.yaml")]
NO_PICTURES = "--trainer.callbacks=[]"  # they take most of the time
FEW = ["--trainer.accelerator=cpu", "--model.net.depth=1", "--trainer.limit_train_batches=3", "--trainer.max_epochs=2"]
SMALL = [*FEW, "--trainer.log_every_n_steps=1", NO_PICTURES]


class Lab:
    """A person at the command line in a folder: what was typed, what came back, what was printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys
        self.out = self.err = ""

    def __call__(self, *words: str) -> int:
        self.capsys.readouterr()
        try:
            status = main(words)
        except SystemExit as stopped:
            status = stopped.code
        self.out, self.err = self.capsys.readouterr()
        print(self.out, self.err)  # for pytest to show when the test fails
        return status

    def run(self, name: str = "vit_digits", version: int = 0) -> Path:
        return self.folder / "runs" / name / f"version_{version}"
