"""What every sweep does while its runs are under way, wherever they are."""

import signal
import time
from typing import NoReturn, Protocol

from lab.sweep_table import Progress

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
        whether they came to their end; not where Ctrl-C or SIGTERM came first, which the runs under way are told.
    """
    whole = True
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with progress:
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
    finally:
        signal.signal(signal.SIGTERM, before)
    return whole


def _wait(jobs: Jobs, progress: Progress) -> None:
    while not jobs.ended():
        progress.update()
        time.sleep(SECONDS_BETWEEN)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
