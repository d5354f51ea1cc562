"""The command that holds every experiment against what is expected of it: what it runs, says and writes."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT

from lab.sweeps.expectations import Experiment
from lab.sweeps.folder import SweepFolder, SweepRun, new_sweep_path
from lab.sweeps.reproduce import judged, main
from lab.sweeps.status import RunStatus

CONFIG = "configs/autoencoder_digits.yaml"
QUICK = {"trainer.max_epochs": 1, "trainer.limit_train_batches": 2, "trainer.logger": False, "trainer.callbacks": []}


def expectation(**others: Any) -> dict[str, Any]:
    stated = {"config": CONFIG, "metric": "test/loss", "full": {"at_most": 1}, "source": "the handout"}
    return {**stated, "reduced": {"at_most": 2, "overrides": QUICK}, **others}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a config and the expectations of two experiments and one with data."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs" / "reproduce").mkdir(parents=True)
    shutil.copy(ROOT / CONFIG, tmp_path / "configs")
    away = {key: value for key, value in expectation(data=True).items() if key != "reduced"}
    experiments = {"one": expectation(), "two": expectation(metric="first test/loss"), "away": away}
    path = tmp_path / "configs" / "reproduce" / "experiments.yaml"
    path.write_text(yaml.safe_dump({"experiments": experiments}, sort_keys=False))
    return tmp_path


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Takes the place of processes: each run ends in a state and leaves what it logged; data are there, or not."""

    def replace(
        logged: str = "step,test/loss\n1,1.5\n2,2.5\n", state: str = "done", no_data: str = "", ctrl_c: bool = False
    ) -> list[list[str]]:
        commands: list[list[str]] = []

        class Jobs:
            def __init__(self, folder: SweepFolder, jobs: int) -> None:
                self.folder = folder

            def start(self) -> None:
                for number, of in enumerate(self.folder.runs):
                    commands.append(of.argv)
                    run = Path("runs", "x", f"version_{len(commands)}")
                    run.mkdir(parents=True)
                    (run / "metrics.csv").write_text(logged)
                    self.folder.claim(number, 0)
                    error = "error: no such option" if state == "failed" else ""
                    self.folder.end(number, state, run=str(run), error=error)
                    if ctrl_c:
                        raise KeyboardInterrupt

            def ended(self) -> bool:
                return True

            def stop(self) -> str:
                return "Stopping."

        def train_in_process(words: list[str], log: Path) -> tuple[int, None]:
            commands.append(words)
            log.write_text(f"Seed set to 0\n{no_data}\n\n")
            return (130 if ctrl_c else 2 if "Error" in no_data else int(bool(no_data))), None

        monkeypatch.setattr("lab.sweeps.reproduce.LocalJobs", Jobs)
        monkeypatch.setattr("lab.sweeps.reproduce.train_in_process", train_in_process)
        return commands

    return replace


def an_experiment(**others: Any) -> Experiment:
    return Experiment(
        **{"name": "one", "config": CONFIG, "metric": "test/loss", "source": "s", "at_most": 2.0, **others}
    )


def outcomes(budget: str = "reduced") -> dict[str, dict[str, Any]]:
    return json.loads(Path("runs", "reproduce", f"{budget}.json").read_text())["outcomes"]


def judgement(folder: Path, logged: str = "", error: str = "", **others: Any) -> Any:
    (folder / "metrics.csv").write_text(logged)
    state = "failed" if error else "done"
    status = RunStatus(state, seconds=2.4, run=str(folder), error=error)
    return judged(an_experiment(**others), status, Path("one.log"))


def test_the_last_or_the_first_value_is_held_against_the_bounds(folder: Path) -> None:
    logged = "step,test/loss\n1,1.5\n2,2.5\n"
    last = judgement(folder, logged)
    assert (last.status, last.value, last.expected, last.run) == ("failed", 2.5, "at most 2", str(folder))
    first = judgement(folder, logged, metric="first test/loss")
    assert (first.status, first.value) == ("passed", 1.5)
    assert last.line == "   FAIL  one: test/loss 2.5, expected at most 2 (2 s)"
    assert first.line == "   pass  one: first test/loss 1.5, expected at most 2 (2 s)"


@pytest.mark.parametrize(
    ("given", "note"),
    [
        ({"error": "error: no such option"}, "no such option (see one.log)"),
        ({"error": "its process was killed, or ran out of memory"}, "its process was killed, or ran out of memory (s"),
        ({"logged": "step,val/loss\n1,2\n"}, "the run logged no test/loss (see "),
        ({"logged": "step,test/loss\n1,nan\n"}, "test/loss is not finite (see "),
    ],
)
def test_a_run_without_a_result_failed(folder: Path, given: dict[str, str], note: str) -> None:
    outcome = judgement(folder, **given)
    assert (outcome.status, outcome.value) == ("failed", None) and outcome.note.startswith(note)


def test_missing_data_are_no_failure_and_told_in_their_own_sentence(
    folder: Path, ran: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = ran(no_data="error: MNIST is not in data: put it there.")
    assert main(["--full", "--only", "away"]) == 0
    assert (outcomes("full")["away"]["status"], len(commands)) == ("no data", 1)
    assert "no data  away: MNIST is not in data: put it there. (0 s)\n1 no data in" in capsys.readouterr().out


def test_data_that_cannot_be_read_for_another_reason_are_one(folder: Path, ran: Callable) -> None:
    Path("runs/reproduce").mkdir(parents=True)
    Path("runs/reproduce/full.json").write_text('{"machine":')  # nor does a damaged file of before stop it
    ran(no_data="error: KeyError: 'images'")
    assert main(["--full", "--only", "away"]) == 1
    assert {name: (of["status"], of["note"]) for name, of in outcomes("full").items()} == {
        "away": ("failed", "KeyError: 'images'")
    }


def test_what_is_still_under_way_is_not_started_twice(
    folder: Path, ran: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = ran()
    main(["--only", "one"])
    under_way = SweepRun("one", commands[0])
    SweepFolder(new_sweep_path(Path("runs/reproduce")), [under_way]).claim(0, 0)  # by this process
    capsys.readouterr()
    assert main([]) == 1 and len(commands) == 1
    assert "error: the run 000_one of runs/reproduce/sweep_1 is still under way in process" in capsys.readouterr().err


def test_every_experiment_is_told_and_written(folder: Path, ran: Callable, capsys: pytest.CaptureFixture[str]) -> None:
    commands = ran()
    assert main(["--jobs", "1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 experiments at the reduced budget, 1 at a time."
    assert lines[1] == "[1/2]    FAIL  one: test/loss 2.5, expected at most 2 (0 s)"
    assert lines[2] == "[2/2]    pass  two: first test/loss 1.5, expected at most 2 (0 s)"
    assert lines[3].startswith("1 passed, 1 failed in 0.0 min; python report.py")
    assert {name: of["status"] for name, of in outcomes().items()} == {"one": "failed", "two": "passed"}
    assert commands[0] == [
        *("fit", "--test_after_fit=true", "--config", CONFIG),
        *(f"--{key}={json.dumps(value)}" for key, value in QUICK.items()),
        "--trainer.default_root_dir=runs/reproduce",
    ]


def test_a_full_run_lies_with_the_others_and_passes_without_data(folder: Path, ran: Callable) -> None:
    commands = ran(logged="step,test/loss\n1,0.5\n")
    assert main(["--full"]) == 0
    assert all("--trainer.default_root_dir=runs" in words for words in commands)
    assert [words[0] for words in commands] == ["download", "fit", "fit", "fit"]
    assert set(outcomes("full")) == {"one", "two", "away"}


def test_a_part_keeps_the_outcomes_of_the_others(folder: Path, ran: Callable) -> None:
    ran()
    main([])
    ran(logged="step,test/loss\n1,0.5\n")
    shutil.rmtree("runs/x")
    assert main(["--only", "one"]) == 0
    assert {name: of["value"] for name, of in outcomes().items()} == {"one": 0.5, "two": 1.5}


def test_mistakes_are_told_in_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, told in (
        (["--only", "onne"], '"onne" is no experiment of this budget; did you mean "one"?; there are one, two.'),
        (["--jobs", "0"], "--jobs must be at least 1, but it is 0; see python -m lab.sweeps.reproduce --help."),
        (["--ful"], "unrecognized arguments: --ful; see python -m lab.sweeps.reproduce --help."),
    ):
        assert main(words) == 1
        assert capsys.readouterr().err == f"error: {told}\n"


@pytest.mark.parametrize(("words", "left"), [([], "--only two"), (["--full"], "--full --only one two away")])
def test_ctrl_c_stops_and_tells_what_is_left(
    folder: Path, ran: Callable, words: list[str], left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = ran(ctrl_c=True)
    assert main(words) == 130
    assert len(commands) == 1  # and none after it
    told = f"Stopped; the runs that finished are kept. What is left: python -m lab.sweeps.reproduce {left}\n"
    assert capsys.readouterr().out.endswith(told)


def test_a_stopped_run_is_no_outcome_and_goes_on_the_next_time(
    folder: Path, ran: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran(state="stopped", ctrl_c=True)
    assert main(["--only", "one"]) == 130
    assert not Path("runs/reproduce/reduced.json").exists()
    ran_config = yaml.safe_load(Path(CONFIG).read_text())
    ran_config["trainer"]["callbacks"] = []  # as it was typed
    Path("runs/x/version_1/config.yaml").write_text(yaml.safe_dump(ran_config))
    (Path("runs/x/version_1/checkpoints")).mkdir()
    Path("runs/x/version_1/checkpoints/last.ckpt").touch()
    began: list[Path | None] = []
    monkeypatch.setattr("lab.sweeps.reproduce.LocalJobs", lambda folder, *_: began.append(folder.runs[0].checkpoint))
    monkeypatch.setattr("lab.sweeps.reproduce.run_jobs", lambda *_: True)
    assert main(["--only", "one"]) == 0
    assert began == [Path("runs/x/version_1/checkpoints/last.ckpt")]


def test_an_experiment_is_run_for_real_in_a_process_of_its_own(folder: Path) -> None:
    assert main(["--only", "one", "--jobs", "1"]) == 0
    outcome = outcomes()["one"]
    assert (outcome["status"], outcome["run"]) == ("passed", "runs/reproduce/autoencoder_digits/version_0")
    assert "Run folder: " in Path("runs/reproduce/sweep_0/000_one.log").read_text()
