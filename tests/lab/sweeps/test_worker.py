"""One run of a sweep in a process that may do others after it."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.files import PROJECT_ROOT
from lab.sweeps.folder import SweepFolder, SweepRun
from lab.sweeps.worker import StopRequest, execute, last_line, project_on_path, score_of, train_in_process


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int]], None]:
    """Puts a function in the place of train.py."""

    def replace(function: Callable[[], int]) -> None:
        monkeypatch.setattr("lab.commands.main.main", lambda words: function())

    return replace


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    sweep = SweepFolder(tmp_path, [SweepRun("one", ["fit", "--x=1"])])
    sweep.claim(0, 0)
    return sweep


def test_a_run_says_all_to_its_log_and_leaves_the_process_as_it_was(tmp_path: Path, train: Callable, capfd) -> None:
    before, log = (dict(os.environ), list(sys.argv)), tmp_path / "log"

    def trained() -> int:
        assert sys.argv == [str(PROJECT_ROOT / "train.py"), "fit"]  # what Lightning starts for a second device
        assert sys.modules["__main__"].__spec__ is None and "ARCHLAB_RUN_DIR" not in os.environ
        os.environ.update(ARCHLAB_RUN_DIR="runs/x/version_3", LOCAL_RANK="0")
        os.write(1, b"to the log\n")
        os.write(2, b"this too\n")
        return 0

    train(trained)
    assert train_in_process(["fit"], log) == (0, Path("runs/x/version_3"))
    assert (dict(os.environ), sys.argv) == before and capfd.readouterr() == ("", "")
    assert sorted(log.read_text().splitlines()) == ["this too", "to the log"]
    train_in_process(["fit"], log, append=True)
    assert log.read_text().count("this too") == 2
    train_in_process(["fit"], log)
    assert log.read_text().count("this too") == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [(SystemExit(143), 143), (SystemExit("no"), 1), (KeyboardInterrupt(), 130), (RuntimeError("so"), 2)],
)
def test_whatever_a_run_raises_is_a_status(tmp_path: Path, train: Callable, error: BaseException, status: int) -> None:
    def fail() -> int:
        raise error

    train(fail)
    assert train_in_process(["fit"], tmp_path / "log") == (status, None)


def test_the_last_line_of_a_log_is_the_last_that_says_anything(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == "the log is empty"
    log.write_text("Seed set to 0\nerror: so\n\n  \n")
    assert last_line(log) == "error: so"


def test_sigterm_stops_a_run_at_once_where_nobody_else_hears_it(folder: SweepFolder, train: Callable) -> None:
    stop, before = StopRequest(), signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, stop)
    try:
        signal.raise_signal(signal.SIGTERM)  # between two runs it is noted
        assert stop.requested
        stop.requested = False
        train(lambda: signal.raise_signal(signal.SIGTERM) or 0)
        assert execute(folder, 0, stop) == "stopped"
    finally:
        signal.signal(signal.SIGTERM, before)
    assert folder.status(0).state == "stopped" and folder.status(0).run == ""


def test_a_run_that_ends_well_has_its_score(folder: SweepFolder, train: Callable, tmp_path: Path) -> None:
    run = tmp_path / "version_0"
    run.mkdir()
    (run / "metrics.csv").write_text("step,val/loss,test/loss,test/acc,test/iou\n1,2,0.5,0.25,0.125\n")
    assert score_of(run) == "test/acc 0.25" and score_of(run, "test/iou") == "test/iou 0.125"
    (run / "config.yaml").write_text("monitor: val/loss\n")
    assert score_of(run) == "test/loss 0.5" and score_of(tmp_path) == ""

    def trained() -> int:
        os.environ["ARCHLAB_RUN_DIR"] = str(run)
        return 0

    train(trained)
    assert execute(folder, 0, StopRequest()) == "done"
    status = folder.status(0)
    assert (status.state, status.run, status.score) == ("done", str(run), "test/loss 0.5")


def test_processes_that_are_started_find_the_laboratory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    with project_on_path():
        assert os.environ["PYTHONPATH"] == os.pathsep.join([str(PROJECT_ROOT), "elsewhere"])
    assert os.environ["PYTHONPATH"] == "elsewhere"
    monkeypatch.delenv("PYTHONPATH")
    with project_on_path():
        assert os.environ["PYTHONPATH"] == str(PROJECT_ROOT)
    assert "PYTHONPATH" not in os.environ
