"""The command that runs what is missing of a grid: what it starts, what it says, and sweeps for real."""

import os
import shlex
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT, Lab
from sweeping import CONFIG, NOISY, QUICK, Sweep

from lab import read_metrics
from lab.grids import read_grid
from lab.sweep import missing_runs
from lab.sweep_folder import SweepFolder

BROKEN = {**QUICK, "model.corruption.std": -1}
KILLED = {**NOISY, "trainer.callbacks": [{"class_path": "hindrances.Killed"}]}


@pytest.fixture
def sweep(lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweep]:
    (lab.folder / "configs").mkdir()
    shutil.copy(ROOT / CONFIG, lab.folder / "configs")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))  # for hindrances.py
    person = Sweep(lab.folder, capsys)
    person.write()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield person
    assert {number: signal.getsignal(number) for number in handlers} == handlers


@pytest.fixture
def ended_as(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Takes the place of the processes: each run ends at once in the state that is given for its name, or is done."""

    def replace(states: dict[str, str] | None = None, ctrl_c: bool = False) -> list[list[str]]:
        words_of_runs: list[list[str]] = []

        class Jobs:
            def __init__(self, folder: SweepFolder, rooms: list[str], jobs: int, *parameters: Any) -> None:
                assert rooms == ["callbacks", "datamodules", "lit_models", "nets"] and jobs == 1
                self.folder = folder

            def start(self) -> None:
                for number, run in enumerate(self.folder.runs):
                    self.folder.claim(number, 0)
                    words_of_runs.append(run.words)
                    self.folder.end(number, (states or {}).get(run.name, "done"), error="error: it is wrong")
                if ctrl_c:
                    signal.raise_signal(signal.SIGTERM)

            def ended(self) -> bool:
                return True

            def stop(self) -> str:
                return "Stopping."

        monkeypatch.setattr("lab.sweep.LocalJobs", Jobs)
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
    assert [path.name for path in (lab.folder / "runs" / "autoencoder_digits").iterdir()] == ["version_0"]


def test_a_typed_grid_is_the_cross_product_of_its_values_and_seeds(sweep: Sweep) -> None:
    grid = ["--grid", "model.net.hidden_dims=[8],[16, 4]", "trainer.max_epochs=1,2", "--seeds", "0,3"]
    assert sweep.typed("--config", CONFIG, *grid, "--dry-run") == 0
    title, *commands = sweep.out.splitlines()
    assert title == "autoencoder_digits × model.net.hidden_dims × trainer.max_epochs: 8 runs, 0 of them finished."
    assert len(set(commands)) == 8 and shlex.split(commands[-1])[-4:] == [
        *("--model.net.hidden_dims=[16, 4]", "--trainer.max_epochs=2", "--seed_everything=3", "--data.seed=3")
    ]
    assert not Path("runs").exists()


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


def test_what_is_done_and_what_failed_is_told(sweep: Sweep, ended_as: Callable) -> None:
    sweep.write(columns={"few": {}, "1/2": {"trainer.max_epochs": 2}}, seeds=[4])
    words = ended_as({"noisy, 1/2, seed 4": "failed"})
    assert sweep("--jobs", "1") == 1
    assert [("--trainer.max_epochs=2" in run, "--data.seed=4" in run) for run in words] == [
        (False, True),
        (True, True),
    ] * 2
    assert sweep.out.count(": done in 0 s") == 3 and "] noisy, 1/2, seed 4: FAILED in 0 s" in sweep.out
    folder = Path("runs", "autoencoder_digits", "sweep_0")
    assert f"3 runs in 0.0 min, see {folder / 'sweep.yaml'}; python report.py" in sweep.out
    log = folder / "003_noisy_1_2_seed_4.log"
    assert sweep.err == f"failed: noisy, 1/2, seed 4: error: it is wrong (see {log})\n"


def test_a_sweep_says_what_was_swept_and_the_next_one_does_not_overwrite_it(sweep: Sweep, ended_as: Callable) -> None:
    words = ended_as({"quiet": "failed"})
    assert sweep("--jobs", "1") == 1 and sweep() == 1
    summary = sweep.summary()
    assert summary["command"] == f"python sweep.py {sweep.grid} --jobs 1" and summary["config"] == CONFIG
    assert summary["rows"] == {"quiet": QUICK, "noisy": NOISY} and "columns" not in summary
    assert [(run["name"], run["state"]) for run in summary["runs"]] == [("quiet", "failed"), ("noisy", "done")]
    assert shlex.split(summary["runs"][1]["command"])[2:] == words[1]
    assert sweep.summary(1)["command"] == f"python sweep.py {sweep.grid}"


def test_a_finished_grid_starts_nothing(sweep: Sweep, lab: Lab, ended_as: Callable) -> None:
    for version, overrides in enumerate((NOISY, QUICK)):
        sweep.finish(version, lab, overrides)
    words = ended_as()
    assert sweep() == 0 and words == [] and sweep.err == ""
    assert sweep.out == "A grid: 2 runs, 2 of them finished.\n"


def test_a_run_that_was_stopped_is_left_to_the_same_command(sweep: Sweep, ended_as: Callable) -> None:
    ended_as({"quiet": "stopped"})
    assert sweep() == 1
    assert "the same command goes on with what is missing" in sweep.out and sweep.err == ""
    ended_as({"quiet": "stopped"}, ctrl_c=True)
    assert sweep() == 130
    assert "Stopping.\n" in sweep.out and "the same command goes on with what is missing" in sweep.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["configs/missing.yaml"], 'the grid "configs/missing.yaml" does not exist; configs holds autoencoder_digits'),
        (["--config", "configs/x.yaml", "--seeds", "0"], 'the config file "configs/x.yaml" does not exist.'),
        (["--config", CONFIG], "nothing is swept: add --grid key=value,value or --seeds 0..4."),
        (["--config", CONFIG, "--grid", "model.lr"], '"model.lr" has no =.'),
        (["--config", CONFIG, "--grid", "model.net.hiden_dims=[1],[2]"], 'did you mean "hidden_dims"?'),
        (["--config", CONFIG, "--seeds", "4..0"], '--seeds must be like 0..4 or 0,3,7, but it is "4..0".'),
        (["--config", CONFIG, "--seeds", "0", "--jobs", "0"], "--jobs must be at least 1, but it is 0; see"),
        (["--config", CONFIG, "--seeds", "0", "--job", "2"], "unrecognized arguments: --job; see python sweep.py"),
        (["--config", CONFIG, "--seeds", "0", "--executor", "cloud"], "invalid choice: 'cloud'"),
        (["--config", CONFIG, "--seeds", "0", "--slurm", "time=5"], "--slurm goes with --executor slurm; see"),
        (["grid.yaml", "--seeds", "0"], "--grid and --seeds go with --config; grid.yaml states its own; see"),
        ([], "give either a file of configs/grids, or --config with --grid or --seeds; see"),
        (["grid.yaml", "--config", CONFIG], "give either a file of configs/grids, or --config with"),
    ],
)
def test_a_mistake_is_told_in_a_sentence_and_nothing_starts(sweep: Sweep, words: list[str], message: str) -> None:
    assert sweep.typed(*words) == 1
    assert sweep.err.startswith("error: ") and message in sweep.err and sweep.err.count("\n") == 1
    assert sweep.out == "" and not Path("runs").exists()


def test_where_there_is_no_slurm_it_is_told(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert sweep("--executor", "slurm") == 1
    assert (
        sweep.err
        == "error: --executor slurm needs sbatch and srun, which are not here: use a login node of the cluster.\n"
    )


def test_a_sweep_goes_on_after_a_failure_and_after_a_killed_process(sweep: Sweep, ended_as: Callable, lab: Lab) -> None:
    sweep.write(rows={"broken": BROKEN, "killed": KILLED, "quiet": QUICK})
    assert sweep() == 1
    assert "] broken: FAILED in " in sweep.out and "] killed: FAILED in " in sweep.out
    assert "] quiet: done in " in sweep.out and ", test/loss 0." in sweep.out
    broken, killed = sweep.err.splitlines()
    log = Path("runs", "autoencoder_digits", "sweep_0", "000_broken.log")
    assert broken.startswith("failed: broken: error: ") and broken.endswith(f" (see {log})")
    assert "std must be a finite number ≥ 0, but it is -1" in broken
    assert "failed: killed: its process was killed, or ran out of memory (see " in killed
    done = sweep.summary()["runs"][2]
    assert len(read_metrics(done["run"])["test/loss"][1]) == 1 and done["state"] == "done"
    assert "test/loss" in log.with_name("002_quiet.log").read_text()
    words = ended_as()
    assert sweep() == 0
    assert ["std=-1" in " ".join(typed) for typed in words] == [True, False]


def test_a_stopped_sweep_goes_on_with_the_run_that_was_under_way(sweep: Sweep, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.touch()
    callback = {"class_path": "hindrances.SlowWhile", "init_args": {"path": str(slow)}}
    sweep.write(rows={"quiet": {**QUICK, "trainer.limit_train_batches": 1.0, "trainer.callbacks": [callback]}})

    def stop() -> None:
        log, until = Path("runs", "autoencoder_digits", "sweep_0", "000_quiet.log"), time.monotonic() + 60
        while time.monotonic() < until and not (log.is_file() and "params" in log.read_text()):
            time.sleep(0.1)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    assert sweep() == 130
    assert "Stopping: the runs under way save their last checkpoint." in sweep.out
    assert "] quiet: stopped in " in sweep.out and sweep.summary()["runs"][0]["state"] == "stopped"
    slow.unlink()
    assert sweep("--dry-run") == 0
    checkpoint = Path(sweep.summary()["runs"][0]["run"], "checkpoints", "last.ckpt")
    assert sweep.out.rstrip().endswith(f"--ckpt_path={checkpoint}")
    assert sweep() == 0
    assert sweep.summary(1)["runs"][0]["run"] == str(checkpoint.parent.parent)
    assert f"Checkpoint: {checkpoint}" in Path("runs/autoencoder_digits/sweep_1/000_quiet.log").read_text()
    assert sweep() == 0 and "1 runs, 1 of them finished" in sweep.out
