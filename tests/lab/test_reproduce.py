"""The command that holds every experiment against what is expected of it: what it runs, says and writes."""

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import yaml
from running import ROOT

from lab.expectations import Experiment
from lab.reproduce import ROOMS, main, run_experiment
from train import ROOMS as PACKAGES

CONFIG = "configs/autoencoder_digits.yaml"
QUICK = {"trainer.max_epochs": 1, "trainer.limit_train_batches": 2, "trainer.logger": False, "trainer.callbacks": []}


def expectation(**others: Any) -> dict[str, Any]:
    stated = {"config": CONFIG, "metric": "test/loss", "full": {"at_most": 1}, "source": "the handout"}
    return {**stated, "reduced": {"at_most": 2, "overrides": QUICK}, **others}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a config and the expectations of two experiments and one with data."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lab.reproduce.STOPPED", Event())
    (tmp_path / "configs" / "reproduce").mkdir(parents=True)
    shutil.copy(ROOT / CONFIG, tmp_path / "configs")
    away = {key: value for key, value in expectation(data=True).items() if key != "reduced"}
    experiments = {"one": expectation(), "two": expectation(metric="first test/loss"), "away": away}
    path = tmp_path / "configs" / "reproduce" / "experiments.yaml"
    path.write_text(yaml.safe_dump({"experiments": experiments}, sort_keys=False))
    handler = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Takes the place of train.py: each command ends with a status, says something, and leaves what it logged."""

    def replace(status: int = 0, says: str = "", logged: str = "step,test/loss\n1,1.5\n2,2.5\n") -> list[list[str]]:
        commands: list[list[str]] = []

        def run_one(words: list[str], rooms: list[str], log: Path) -> tuple[int, Path | None]:
            commands.append(words)
            run = Path("runs", "x", f"version_{len(commands)}")
            run.mkdir(parents=True)
            (run / "metrics.csv").write_text(logged)
            log.write_text(f"Seed set to 0\n{says}\n\n")
            return status, None if says else run

        monkeypatch.setattr("lab.reproduce.run_one", run_one)
        return commands

    return replace


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processes do their work when they are asked, in this one."""

    class Pool:
        def __init__(self, *arguments: Any, **keywords: Any) -> None: ...
        def __enter__(self) -> "Pool":
            return self

        def __exit__(self, *error: object) -> None: ...
        def shutdown(self, **keywords: bool) -> None: ...

        def submit(self, function: Callable, *arguments: Any) -> Future:
            future: Future = Future()
            try:
                future.set_result(function(*arguments))
            except BaseException as error:
                future.set_exception(error)
            return future

    monkeypatch.setattr("lab.reproduce.ProcessPoolExecutor", Pool)


def an_experiment(**others: Any) -> Experiment:
    return Experiment(
        **{"name": "one", "config": CONFIG, "metric": "test/loss", "source": "s", "at_most": 2.0, **others}
    )


def outcomes(budget: str = "reduced") -> dict[str, dict[str, Any]]:
    return json.loads(Path("runs", "reproduce", f"{budget}.json").read_text())["outcomes"]


def test_the_rooms_are_those_of_train_py() -> None:
    assert [package.__name__ for package in PACKAGES] == ROOMS


def test_the_last_or_the_first_value_is_held_against_the_bounds(folder: Path, ran: Callable) -> None:
    commands = ran()
    last = run_experiment(an_experiment(), Path("runs/r"))
    assert (last.status, last.value, last.expected, last.run) == ("failed", 2.5, "at most 2", "runs/x/version_1")
    first = run_experiment(an_experiment(metric="first test/loss"), Path("runs/r"))
    assert (first.status, first.value) == ("passed", 1.5)
    assert commands[0] == ["fit", "--test_after_fit=true", "--config", CONFIG, "--trainer.default_root_dir=runs/r"]
    assert last.line.startswith("   FAIL  one: test/loss 2.5, expected at most 2 (")
    assert first.line.startswith("   pass  one: first test/loss 1.5")


@pytest.mark.parametrize(
    ("replaced", "note"),
    [
        ({"status": 1, "says": "error: no such option"}, "no such option (see "),
        ({"logged": "step,val/loss\n1,2\n"}, "the run logged no test/loss (see "),
        ({"logged": "step,test/loss\n1,nan\n"}, "test/loss is not finite (see "),
        ({"says": "nothing of a folder"}, "nothing of a folder (see "),
    ],
)
def test_a_run_without_a_result_failed(folder: Path, ran: Callable, replaced: dict[str, Any], note: str) -> None:
    ran(**replaced)
    outcome = run_experiment(an_experiment(), Path("runs/r"))
    assert (outcome.status, outcome.value) == ("failed", None) and outcome.note.startswith(note)
    assert outcome.note.endswith("runs/reproduce/logs/one.log)")


def test_missing_data_are_no_failure_and_told_in_their_own_sentence(folder: Path, ran: Callable) -> None:
    commands = ran(status=1, says="error: MNIST is not in data: put it there.")
    outcome = run_experiment(an_experiment(data=True), Path("runs/r"))
    assert (outcome.status, outcome.note) == ("no data", "MNIST is not in data: put it there.")
    assert [words[0] for words in commands] == ["download"]


def test_every_experiment_is_told_and_written(
    folder: Path, ran: Callable, here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = ran()
    assert main(["--jobs", "1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 experiments at the reduced budget, 1 at a time."
    assert {line.partition("]")[2].split(":")[0].strip() for line in lines[1:3]} == {"FAIL  one", "pass  two"}
    assert lines[3].startswith("1 passed, 1 failed in 0.0 min; python report.py")
    assert {name: of["status"] for name, of in outcomes().items()} == {"one": "failed", "two": "passed"}
    assert all("--trainer.default_root_dir=runs/reproduce" in words for words in commands)


def test_a_full_run_lies_with_the_others_and_passes_without_data(folder: Path, ran: Callable, here: None) -> None:
    commands = ran(logged="step,test/loss\n1,0.5\n")
    assert main(["--full"]) == 0
    assert all("--trainer.default_root_dir=runs" in words for words in commands)
    assert [words[0] for words in commands] == ["fit", "fit", "download", "fit"]
    assert set(outcomes("full")) == {"one", "two", "away"}


def test_a_part_keeps_the_outcomes_of_the_others(folder: Path, ran: Callable, here: None) -> None:
    ran()
    main([])
    ran(logged="step,test/loss\n1,0.5\n")
    shutil.rmtree("runs/x")
    assert main(["--only", "one"]) == 0
    assert {name: of["value"] for name, of in outcomes().items()} == {"one": 0.5, "two": 1.5}


def test_mistakes_are_told_in_a_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--only", "onne"]) == 1
    told = 'error: "onne" is no experiment of this budget; did you mean "one"?; there are one, two.\n'
    assert capsys.readouterr().err == told
    with pytest.raises(SystemExit):
        main(["--jobs", "0"])
    assert "--jobs must be at least 1, but it is 0." in capsys.readouterr().err


def test_ctrl_c_stops_and_keeps_what_finished(
    folder: Path, ran: Callable, here: None, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = ran(status=130)
    assert main([]) == 130
    assert len(commands) == 1  # and none after it
    assert capsys.readouterr().out.endswith("Stopped; the runs that finished are kept.\n")


def test_a_killed_process_is_a_failure(
    folder: Path, here: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def killed(*_: Any) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr("lab.reproduce.run_experiment", killed)
    assert main([]) == 1
    assert "FAIL  one: its process was killed" in capsys.readouterr().out


def test_an_experiment_is_run_for_real_in_a_process_of_its_own(folder: Path) -> None:
    assert main(["--only", "one", "--jobs", "1"]) == 0
    outcome = outcomes()["one"]
    assert (outcome["status"], outcome["run"]) == ("passed", "runs/reproduce/autoencoder_digits/version_0")
    assert "Run folder: " in Path("runs/reproduce/logs/one.log").read_text()
