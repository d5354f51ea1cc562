"""Runs that are waited for: to their end, or until a person has enough."""

import os
import signal
import stat
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.sweeps.folder import SweepFolder
from lab.sweeps.jobs import run_jobs
from lab.sweeps.progress import Progress


@pytest.fixture(autouse=True)
def attentive() -> Iterator[None]:
    """Signals are heard as in a terminal, also where the tests themselves were started without one."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Jobs:
    """Ends when it is asked for the last time; a person loses patience at some of these times."""

    def __init__(self, interrupted_at: dict[int, int], asked: int) -> None:
        self.interrupted_at, self.left, self.asked = interrupted_at, asked, 0
        self.told = 0

    def start(self) -> None: ...

    def ended(self) -> bool:
        self.asked += 1
        if self.asked in self.interrupted_at:
            os.kill(os.getpid(), self.interrupted_at[self.asked])
        return self.asked >= self.left

    def stop(self) -> str:
        self.told += 1
        return "Stopping."


@pytest.mark.parametrize(
    ("interrupted_at", "whole", "told", "asked", "said"),
    [
        ({}, True, 0, 3, ""),
        ({2: signal.SIGINT}, False, 1, 3, "Stopping.\n"),
        ({2: signal.SIGTERM}, False, 1, 3, "Stopping.\n"),
        ({1: signal.SIGHUP, 2: signal.SIGHUP}, False, 1, 3, "Stopping.\n"),
        (
            {1: signal.SIGINT, 2: signal.SIGINT},
            False,
            1,
            2,
            "Stopping.\nStopped at once; the runs",
        ),
    ],
    ids=["to the end", "Ctrl-C", "SIGTERM", "SIGHUP twice, as a shell says it", "Ctrl-C twice"],
)
def test_the_runs_are_told_once_and_waited_for_unless_a_person_insists(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    interrupted_at: dict[int, int],
    whole: bool,
    told: int,
    asked: int,
    said: str,
) -> None:
    monkeypatch.setattr("lab.sweeps.jobs.SECONDS_BETWEEN", 0.01)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    monkeypatch.setattr("lab.sweeps.jobs.os.dup2", lambda *_: None)  # this terminal is there
    jobs = Jobs(interrupted_at, 3)
    assert run_jobs(jobs, Progress(SweepFolder(tmp_path, []))) is whole
    assert (jobs.told, jobs.asked) == (told, asked)
    assert capsys.readouterr().out.startswith(said)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def test_what_nohup_started_passes_over_the_end_of_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lab.sweeps.jobs.SECONDS_BETWEEN", 0.01)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_jobs(Jobs({2: signal.SIGHUP}, 3), Progress(SweepFolder(tmp_path, [])))
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("kind", "silenced"), [(stat.S_IFREG, []), (stat.S_IFCHR, [1, 2]), (stat.S_IFIFO, [1, 2])])
def test_nothing_is_said_to_a_terminal_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: int, silenced: list[int]
) -> None:
    replaced: list[int] = []
    monkeypatch.setattr("lab.sweeps.jobs.SECONDS_BETWEEN", 0.01)
    with monkeypatch.context() as patch:
        patch.setattr("lab.sweeps.jobs.os.fstat", lambda stream: SimpleNamespace(st_mode=kind))
        patch.setattr("lab.sweeps.jobs.os.dup2", lambda silence, stream: replaced.append(stream))
        assert not run_jobs(Jobs({1: signal.SIGHUP}, 2), Progress(SweepFolder(tmp_path, [])))
    assert replaced == silenced
