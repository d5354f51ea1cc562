"""How far a sweep is: lines in a file, a table on a terminal."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from lab.sweeps.folder import SweepFolder, SweepRun
from lab.sweeps.progress import Progress, table


@pytest.fixture
def folder(tmp_path: Path) -> SweepFolder:
    """Four runs: done, failed, running, waiting."""
    sweep = SweepFolder(tmp_path, [SweepRun(f"depth={number}", []) for number in range(4)])
    for number in range(3):
        sweep.claim(number, 0)
    sweep.end(0, "done", score="test/acc 0.5")
    sweep.end(1, "failed", error="error: [so]")
    return sweep


def test_where_there_is_no_terminal_each_run_that_ended_is_a_line(
    folder: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress(folder) as progress:
        progress.update()
        progress.update()
        first = capsys.readouterr().out
        folder.end(2, "stopped")
        progress.print("Stopping.")
        progress.update()
        folder.end(2, "done")  # its job was put back into the queue
    assert first == "[1/4] depth=0: done in 0 s, test/acc 0.5\n[2/4] depth=1: FAILED in 0 s\n"
    assert capsys.readouterr().out == "Stopping.\n[3/4] depth=2: stopped in 0 s\n[3/4] depth=2: done in 0 s\n"


def test_each_change_of_a_state_is_told_once_and_the_first_before_anything_starts(folder: SweepFolder) -> None:
    told: list[list[str]] = []

    def changed() -> None:
        told.append([status.state for status in folder.statuses()])

    with Progress(folder, on_change=changed) as progress:
        assert told == [["done", "failed", "running", "waiting"]]
        progress.update()
        folder.claim(3, 0)
        progress.update()
        progress.update()
        folder.end(2, "done")
    assert told[1:] == [["done", "failed", "running", "running"], ["done", "failed", "done", "running"]]


def test_a_terminal_shows_a_table_of_all_states(folder: SweepFolder) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=30, color_system=None)
    with Progress(folder, console=console) as progress:
        progress.update()
    shown = out.getvalue()
    for row in ("depth=0", "done", "test/acc 0.5", "failed", "error: [so]", "running", "waiting"):
        assert row in shown
    assert "1 waiting, 1 running, 1 done, 1 failed" in shown


def test_a_sentence_of_ones_own_is_said_on_a_terminal_too(folder: SweepFolder) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=30, color_system=None)
    with Progress(folder, lambda number, status: f"{number} is {status.state}", console) as progress:
        progress.update()
    assert out.getvalue().count("[1/4] 0 is done") == out.getvalue().count("[2/4] 1 is failed") == 1


def test_of_more_runs_than_fit_those_that_say_most_are_shown(tmp_path: Path) -> None:
    sweep = SweepFolder(tmp_path, [SweepRun(f"run {number}", []) for number in range(50)])
    for number in range(30):
        sweep.claim(number, 0)
        sweep.end(number, "done")
    sweep.claim(30, 0)
    shown = table(sweep, sweep.statuses(), height=12)
    names = [str(cell) for cell in shown.columns[0].cells]
    assert (
        len(names) == 5
        and "run 30" in names
        and "run 49" not in names
        and shown.caption == "19 waiting, 1 running, 30 done"
    )
