"""The command that runs what is missing of a grid: what it starts, what it says, and one sweep for real."""

import shlex
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT, Lab

from lab import read_metrics
from lab.grids import Cell, read_grid
from lab.sweep import main, missing_runs
from train import ROOMS

QUICK = {"trainer.max_epochs": 1, "trainer.limit_train_batches": 2, "trainer.logger": False, "trainer.callbacks": []}
NOISY = {**QUICK, "model.corruption.std": 0.5}
BROKEN = {**QUICK, "model.corruption.std": -1}
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
        self.capsys.readouterr()
        try:
            status = main([str(self.grid), *words], ROOMS)
        except SystemExit as stopped:
            status = stopped.code
        self.out, self.err = self.capsys.readouterr()
        print(self.out, self.err)  # for pytest to show when the test fails
        return status

    def finish(self, version: int, lab: Lab, overrides: dict[str, Any], seed: int = 0) -> None:
        """Leave the folder of a finished run."""
        words = Cell("", "", overrides, "configs/x.yaml").words(seed)
        assert lab("fit", "--config", CONFIG, *words, "--print_config") == 0
        run = self.folder / "runs" / "autoencoder_digits" / f"version_{version}"
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(lab.out)
        (run / "overrides.yaml").write_text(yaml.safe_dump({"configs": [CONFIG], "values": overrides}))
        (run / "metrics.csv").write_text("step,test/loss\n9,0.5\n")


@pytest.fixture
def sweep(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Iterator[Sweep]:
    (lab.folder / "configs").mkdir()
    shutil.copy(ROOT / CONFIG, lab.folder / "configs")
    person = Sweep(lab.folder, capsys)
    person.write()
    handler = signal.getsignal(signal.SIGTERM)
    yield person
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, int]], list[list[str]]]:
    """Takes the place of the processes: each run ends at once with the status of the first row that its log names."""

    def replace(statuses: dict[str, int]) -> list[list[str]]:
        words_of_runs: list[list[str]] = []

        class Pool:
            def __init__(self, *arguments: Any, **keywords: Any) -> None: ...
            def __enter__(self) -> "Pool":
                return self

            def __exit__(self, *error: object) -> None: ...
            def shutdown(self, **keywords: bool) -> None: ...

            def submit(self, function: Callable, words: list[str], rooms: list[str], log: Path) -> Future:
                assert rooms == ["callbacks", "datamodules", "lit_models", "nets"]
                words_of_runs.append(words)
                log.write_text(f"Seed set to 0\nerror: {log.stem} is wrong\n\n")
                future: Future = Future()
                future.set_result((statuses.get(log.stem, 0), 61.0))
                return future

        monkeypatch.setattr("lab.sweep.ProcessPoolExecutor", Pool)
        return words_of_runs

    return replace


def test_a_dry_run_prints_the_commands_of_what_is_missing(sweep: Sweep, lab: Lab) -> None:
    sweep.finish(0, lab, QUICK)
    assert sweep("--dry-run") == 0
    title, command = sweep.out.splitlines()
    assert title == "A grid: 2 runs, 1 of them finished."
    words = shlex.split(command)
    assert words[:5] == ["python", "train.py", "fit", "--config", CONFIG] and "--test_after_fit=true" in words
    assert lab(*words[2:], "--print_config") == 0  # as a shell would type it
    typed = yaml.safe_load(lab.out)
    assert typed["model"]["init_args"]["corruption"]["init_args"] == {"std": 0.5}
    assert typed["trainer"]["limit_train_batches"] == 2 and typed["trainer"]["callbacks"] == []
    assert len(list((lab.folder / "runs").rglob("version_*"))) == 1


def test_each_missing_seed_of_a_cell_is_a_run(sweep: Sweep, lab: Lab) -> None:
    sweep.write(seeds=[3, 5])
    sweep.finish(0, lab, NOISY, seed=3)
    sweep.finish(1, lab, QUICK, seed=4)
    missing = [(cell.row, seed) for cell, seed in missing_runs(read_grid(sweep.grid))]
    assert missing == [("quiet", 3), ("quiet", 5), ("noisy", 5)]
    assert sweep("--dry-run") == 0
    title, *commands = sweep.out.splitlines()
    assert title == "A grid: 4 runs, 1 of them finished."
    assert [command.split()[-2:] for command in commands] == [
        [f"--seed_everything={seed}", f"--data.seed={seed}"] for seed in (3, 5, 5)
    ]


def test_what_is_done_and_what_failed_is_told(sweep: Sweep, started: Callable) -> None:
    sweep.write(columns={"few": {}, "1/2": {"trainer.max_epochs": 2}}, seeds=[4])
    words = started({"noisy, 1-2, seed 4": 2})
    assert sweep() == 1
    assert [("--trainer.max_epochs=2" in run, "--data.seed=4" in run) for run in words] == [
        (False, True),
        (True, True),
    ] * 2
    assert sweep.out.count(": done in 61 s") == 3 and "] noisy, 1/2, seed 4: FAILED in 61 s" in sweep.out
    assert "3 runs in 0.0 min; python report.py" in sweep.out
    log = Path("runs", "autoencoder_digits", "logs", "noisy, 1-2, seed 4.log")
    assert sweep.err == f"failed: noisy, 1/2, seed 4: error: noisy, 1-2, seed 4 is wrong (see {log})\n"


def test_a_finished_grid_starts_nothing(sweep: Sweep, lab: Lab, started: Callable) -> None:
    for version, overrides in enumerate((NOISY, QUICK)):
        sweep.finish(version, lab, overrides)
    words = started({})
    assert sweep() == 0 and words == [] and sweep.err == ""
    assert sweep.out.startswith("A grid: 2 runs, 2 of them finished.\n")


@pytest.mark.parametrize("status", [130, 143])
def test_a_run_that_was_stopped_stops_the_sweep(sweep: Sweep, started: Callable, status: int) -> None:
    started({"quiet": status, "noisy": status})
    assert sweep() == 130
    assert "the same command goes on with what is missing" in sweep.out and sweep.err == ""


def test_a_grid_that_is_not_there_is_told_in_a_sentence(sweep: Sweep) -> None:
    sweep.grid = Path("configs/missing.yaml")
    assert sweep() == 1
    assert (
        sweep.err == 'error: the grid "configs/missing.yaml" does not exist; configs holds autoencoder_digits.yaml.\n'
    )
    assert sweep.out == "" and not Path("runs").exists()


def test_no_jobs_are_refused(sweep: Sweep) -> None:
    assert sweep("--jobs", "0") == 2
    assert "--jobs must be at least 1, but it is 0." in sweep.err


def test_a_sweep_runs_what_is_missing_and_goes_on_after_a_failure(sweep: Sweep, started: Callable, lab: Lab) -> None:
    sweep.write(rows={"broken": BROKEN, "quiet": QUICK})
    assert sweep() == 1
    assert "] broken: FAILED in " in sweep.out and "] quiet: done in " in sweep.out
    log = Path("runs", "autoencoder_digits", "logs", "broken.log")
    assert sweep.err.startswith("failed: broken: error: ") and sweep.err.endswith(f" (see {log})\n")
    assert "std must be a finite number ≥ 0, but it is -1" in sweep.err
    assert len(read_metrics(lab.run("autoencoder_digits"))["test/loss"][1]) == 1
    assert "test/loss" in log.with_name("quiet.log").read_text()
    words = started({})
    assert sweep() == 0
    assert [typed[-1] for typed in words] == ["--model.corruption.std=-1"]
