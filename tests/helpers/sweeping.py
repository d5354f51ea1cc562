"""A person at the command line of sweep.py, and the rows of a quick grid."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT, Lab

from lab.experiments.grids import Cell
from lab.sweeps.main import main

QUICK = {"trainer.max_epochs": 1, "trainer.limit_train_batches": 2, "trainer.logger": False, "trainer.callbacks": []}
NOISY = {**QUICK, "model.corruption.std": 0.5}
CONFIG = "configs/autoencoder_digits.yaml"


class Sweep:
    """A person at the command line of sweep.py in a folder with a config and a grid."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys, self.grid = folder, capsys, folder / "grid.yaml"
        self.out = self.err = ""

    def write(self, **content: Any) -> None:
        rows = {"quiet": QUICK, "noisy": NOISY}
        given = {"title": "A grid", "config": CONFIG, "metrics": {"test/loss": "error"}, "rows": rows, **content}
        self.grid.write_text(yaml.safe_dump(given, sort_keys=False))

    def __call__(self, *words: str) -> int:
        return self.typed(str(self.grid), *words)

    def typed(self, *words: str) -> int:
        self.capsys.readouterr()
        status = main(words)
        self.out, self.err = self.capsys.readouterr()
        print(self.out, self.err)  # for pytest to show when the test fails
        return status

    def summary(self, number: int = 0) -> dict[str, Any]:
        path = self.folder / "runs" / "autoencoder_digits" / f"sweep_{number}" / "sweep.yaml"
        return yaml.safe_load(path.read_text())

    def finish(self, version: int, lab: Lab, overrides: dict[str, Any], seed: int = 0) -> None:
        """Leave the folder of a finished run."""
        words = Cell("", "", overrides, "configs/x.yaml").options(seed)
        assert lab("fit", "--config", CONFIG, *words, "--print_config") == 0
        run = self.folder / "runs" / "autoencoder_digits" / f"version_{version}"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(lab.out)
        (run / "overrides.yaml").write_text(yaml.safe_dump({"configs": [CONFIG], "values": overrides}))
        (run / "metrics.csv").write_text("step,test/loss\n9,0.5\n")


def a_person(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Iterator[Sweep]:
    """A person in a folder with a grid of two rows, who leaves the handlers of signals as they were."""
    (lab.folder / "configs").mkdir()
    shutil.copy(ROOT / CONFIG, lab.folder / "configs")
    person = Sweep(lab.folder, capsys)
    person.write()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    yield person
    assert {number: signal.getsignal(number) for number in handlers} == handlers
