"""The command that runs what is missing of a grid: what it starts, and what it says; tests/test_sweeps.py sweeps."""

import os
import runpy
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from running import ROOT, Lab
from sweeping import CONFIG, NOISY, QUICK, Sweep, a_person

from lab.experiments.grid_files import read_grid
from lab.sweeps.folder import SweepFolder
from lab.sweeps.main import missing_runs


@pytest.fixture
def sweep(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Iterator[Sweep]:
    yield from a_person(lab, capsys)


@pytest.fixture
def ended_as(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Takes the place of the processes: each run ends at once in the state that is given for its name, or is done."""

    def replace(states: dict[str, str] | None = None, ctrl_c: bool = False) -> list[list[str]]:
        words_of_runs: list[list[str]] = []

        class Jobs:
            def __init__(self, folder: SweepFolder, jobs: int, *parameters: Any) -> None:
                assert jobs == 1
                self.folder = folder

            def start(self) -> None:
                for number, run in enumerate(self.folder.runs):
                    self.folder.claim(number, 0)
                    words_of_runs.append(run.argv)
                    if (state := (states or {}).get(run.name, "done")) != "running":
                        self.folder.end(number, state, error="error: it is wrong")
                if ctrl_c:
                    signal.raise_signal(signal.SIGTERM)

            def ended(self) -> bool:
                return True

            def stop(self) -> str:
                return "Stopping."

        monkeypatch.setattr("lab.sweeps.main.LocalJobs", Jobs)
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


def test_what_is_set_holds_for_each_cell_of_a_file(sweep: Sweep, lab: Lab) -> None:
    sweep.finish(0, lab, QUICK)
    sweep.finish(1, lab, {**NOISY, "model.num_replicas": 5})
    assert sweep("--set", "model.num_replicas=5", "--dry-run") == 0
    title, command = sweep.out.splitlines()
    assert title == "A grid, model.num_replicas=5: 2 runs, 1 of them finished."
    assert shlex.split(command)[-1] == "--model.num_replicas=5" and "std" not in command
    assert sweep("--set", "model.num_replica=5") == 1 and 'did you mean "num_replicas"?' in sweep.err


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
    assert sweep("--dry-run") == 0 and sweep.out == "A grid: 2 runs, 2 of them finished.\n"


def test_a_run_that_was_stopped_is_left_to_the_same_command(sweep: Sweep, ended_as: Callable) -> None:
    ended_as({"quiet": "stopped"})
    assert sweep() == 1
    assert "the same command goes on with what is missing" in sweep.out and sweep.err == ""
    ended_as({"quiet": "stopped"}, ctrl_c=True)
    assert sweep() == 130
    assert "Stopping.\n" in sweep.out and "the same command goes on with what is missing" in sweep.out


def test_what_an_earlier_sweep_still_does_is_not_started_again(sweep: Sweep, ended_as: Callable) -> None:
    ended_as({"quiet": "running"})
    assert sweep() == 1
    words = ended_as()
    sentence = f"is still under way in process {os.getpid()}: wait for its end, or let it save and stop with kill "
    for command in ([], ["--dry-run"]):
        assert sweep(*command) == 1 and words == [] and sweep.out == ""
        assert sweep.err.startswith("error: the run 000_quiet of runs/autoencoder_digits/sweep_0 ")
        assert sentence in sweep.err and sweep.err.count("\n") == 1
    sweep.write(rows={"noisy": NOISY})
    assert sweep() == 0 and len(words) == 1


def test_sweep_yaml_tells_at_every_moment_how_far_the_runs_are(sweep: Sweep, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[list[str]] = []

    class Jobs:
        def __init__(self, folder: SweepFolder, jobs: int) -> None:
            self.folder, self.steps = folder, iter([(0, ""), (0, "done"), (1, ""), (1, "failed")])

        def start(self) -> None:
            self._look()

        def ended(self) -> bool:
            if told[1:]:
                self._look()
            number, state = next(self.steps, (None, ""))
            if number is None:
                return True
            self.folder.end(number, state) if state else self.folder.claim(number, 0)
            told.append([])
            return False

        def _look(self) -> None:
            told.append([run["state"] for run in sweep.summary()["runs"]])

    monkeypatch.setattr("lab.sweeps.main.LocalJobs", Jobs)
    monkeypatch.setattr("lab.sweeps.jobs.SECONDS_BETWEEN", 0.0)
    assert sweep() == 1
    assert [states for states in told if states] == [
        *(["waiting", "waiting"], ["running", "waiting"], ["done", "waiting"], ["done", "running"], ["done", "failed"])
    ]


@pytest.mark.parametrize("moment", ["the imports", "the command"])
def test_ctrl_c_before_anything_runs_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], moment: str
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    entry = ModuleType("lab.sweeps.main")
    entry.__dict__["__getattr__" if moment == "the imports" else "main"] = interrupt
    monkeypatch.setitem(sys.modules, "lab.sweeps.main", entry)
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "sweep.py"), run_name="__main__")
    assert ended.value.code == 130 and capsys.readouterr() == ("", "Stopped by Ctrl-C.\n")


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
        (
            ["--config", CONFIG, "--seeds", "0", "--set", "a=1"],
            "--set goes with a file of configs/grids; beside --conf",
        ),
        (["grid.yaml", "--seeds", "0"], "--grid and --seeds go with --config; grid.yaml states its own; see"),
        ([], "give either a file of configs/grids, or --config with --grid or --seeds; see"),
        (
            ["--config", CONFIG, "--config", CONFIG, "--seeds", "0"],
            "--config is typed twice, but a sweep takes it once",
        ),
        (["--config", CONFIG, "--seeds", "0", "--seeds=1"], "--seeds is typed twice, but a sweep takes it once; see"),
        (["--config", CONFIG, "--grid", "test_after_fit=false"], "--grid sweeps test_after_fit, but every run"),
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
