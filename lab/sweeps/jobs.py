"""What every sweep does while its runs are under way, wherever they are."""

import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, Protocol

from lab.sweeps.progress import Progress

SECONDS_BETWEEN = 0.25  # so often the statuses are read


class Jobs(Protocol):
    """What does the runs of a sweep: processes of this machine, or a SLURM job array."""

    def start(self) -> None:
        """Start them."""

    def ended(self) -> bool:
        """Note which runs were lost, and tell whether nothing is waiting or under way any more."""

    def stop(self) -> str:
        """Tell the runs under way to stop, wait for none of them, and say in a sentence what happens to them."""


def work_off(jobs: Jobs, progress: Progress) -> bool:
    """Start jobs, and show how far they are until nothing is left to wait for.

    Args:
        jobs: what does the runs.
        progress: what shows them.

    Returns:
        whether they came to their end; not where Ctrl-C, SIGTERM or the end of the terminal came first, which the runs
        under way are told.
    """
    whole = True
    try:
        with _heard(signal.SIGTERM, _interrupt), _heard(signal.SIGHUP, _hang_up), progress:
            try:
                jobs.start()
                _wait(jobs, progress)
            except KeyboardInterrupt:
                whole = False
                progress.say(jobs.stop())
                _wait(jobs, progress)
    except KeyboardInterrupt:
        whole = False
        print("Stopped at once; what was told to stop may still be saving.")
    return whole


def _wait(jobs: Jobs, progress: Progress) -> None:
    while not jobs.ended():
        progress.update()
        time.sleep(SECONDS_BETWEEN)


@contextmanager
def _heard(number: signal.Signals, handler: Callable[..., NoReturn]) -> Iterator[None]:
    """Signals go to a handler, unless whoever started this process had it pass over them, as nohup does."""
    before = signal.getsignal(number)
    if before is not signal.SIG_IGN:
        signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _hang_up(*_: object) -> NoReturn:
    """Stop in silence: the terminal is gone, and a pipe may be."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a shell that ends says it once more
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        if not stat.S_ISREG(os.fstat(stream).st_mode):
            os.dup2(silence, stream)
    raise KeyboardInterrupt
