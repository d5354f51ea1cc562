"""Start the jobs of a sweep and wait for them, or stop them after Ctrl-C, SIGTERM or the end of the terminal."""

import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, Protocol

from lab.sweeps.progress import Progress

SECONDS_BETWEEN = 0.25  # two readings of the statuses
Handler = Callable[[int, FrameType | None], Any] | signal.Handlers


class Jobs(Protocol):
    """What executes the runs of a sweep: processes of this machine, or a SLURM job array."""

    def start(self) -> None:
        """Start them."""

    def ended(self) -> bool:
        """Note which runs were lost or cancelled; whether none waits or is under way any more."""

    def stop(self) -> str:
        """Ask the runs under way to stop, without waiting; a sentence that says what happens to them."""


def run_jobs(jobs: Jobs, progress: Progress) -> bool:
    """Start jobs, and show their progress until all have ended.

    Args:
        jobs: what executes the runs.
        progress: what shows them.

    Returns:
        whether they ended by themselves. Otherwise Ctrl-C, SIGTERM or the end of the terminal came first, and the runs
        under way were asked to stop; a second Ctrl-C does not wait for them.
    """
    completed = True
    try:
        with handling(signal.SIGTERM, signal.default_int_handler), handling(signal.SIGHUP, _hang_up), progress:
            try:
                jobs.start()
                _wait(jobs, progress)
            except KeyboardInterrupt:
                completed = False
                progress.print(jobs.stop())
                _wait(jobs, progress)
    except KeyboardInterrupt:
        completed = False
        print("Stopped at once; the runs that were asked to stop may still be saving.")
    return completed


def _wait(jobs: Jobs, progress: Progress) -> None:
    while not jobs.ended():
        progress.update()
        time.sleep(SECONDS_BETWEEN)


@contextmanager
def handling(number: signal.Signals, handler: Handler) -> Iterator[None]:
    """Handle a signal inside the block, unless this process was started to ignore it, as by nohup."""
    before = signal.getsignal(number)
    if before is not signal.SIG_IGN:
        signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _hang_up(*_: object) -> NoReturn:
    """Stop without printing: the terminal is gone, and a pipe may be."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a shell that ends sends it once more
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if not stat.S_ISREG(os.fstat(stream).st_mode):
            os.dup2(silence, stream)
    raise KeyboardInterrupt
