"""How far a sweep is: a live table on a terminal, a line for each run that ends elsewhere."""

import sys
import time
from collections import Counter
from collections.abc import Callable

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lab.sweeps.folder import SweepFolder
from lab.sweeps.status import RunStatus

STYLES = {"waiting": "dim", "running": "cyan", "done": "green", "failed": "bold red", "stopped": "yellow"}
STYLES |= {"cancelled": "magenta"}


class Progress:
    """Shows the states of the runs of a sweep while they change.

    Args:
        folder: the sweep.
        describe: returns the line to print for a run that ended, from its number and its status, on a terminal too;
            when None, its outcome is printed where there is no table.
        console: where to print; standard output when None.
        on_change: called once at first, and whenever the state of a run has changed.
    """

    def __init__(
        self,
        folder: SweepFolder,
        describe: Callable[[int, RunStatus], str] | None = None,
        console: Console | None = None,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.describe, self.on_change = folder, describe, on_change
        self.reported: dict[int, str] = {}
        self.states: list[str] | None = None
        self.console = console or Console(file=sys.stdout)
        self.live = Live(console=self.console, refresh_per_second=4) if self.console.is_terminal else None

    def __enter__(self) -> "Progress":
        self.update()
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.update()
        if self.live:
            self.live.stop()

    def update(self) -> None:
        """Read the statuses, and show what is new."""
        statuses = self.folder.statuses()
        states: list[str] = [status.state for status in statuses]
        if states != self.states:
            self.on_change()
            self.states = states
        for number, status in enumerate(statuses):
            if status.has_ended and self.reported.get(number) != status.state:  # SLURM may requeue a stopped run
                self.reported[number] = status.state
                self._report(number, status)
        if self.live:
            self.live.update(table(self.folder, statuses, self.console.height))

    def _report(self, number: int, status: RunStatus) -> None:
        if self.live and not self.describe:
            return
        line = self.describe(number, status) if self.describe else f"{self.folder.runs[number].name}: {outcome(status)}"
        self.print(f"[{len(self.reported)}/{len(self.folder.runs)}] {line}")

    def print(self, line: str) -> None:
        """Print a line, above the table where there is one."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        self.console.file.flush()


def outcome(status: RunStatus) -> str:
    """How a run ended, "done in 12 s, test/acc 0.97"."""
    state = "FAILED" if status.state == "failed" else status.state
    return f"{state} in {status.seconds or 0:.0f} s" + (f", {status.score}" if status.score else "")


def table(folder: SweepFolder, statuses: list[RunStatus], height: int) -> Table:
    """The states of the runs; where not all fit: those running, then failed, the last done, the next waiting."""
    counts = Counter(str(status.state) for status in statuses)
    caption = ", ".join(f"{counts[state]} {state}" for state in STYLES if counts[state])
    shown = Table(title=Text(str(folder.path)), caption=caption)
    for heading in ("run", "state", "time", "result"):
        shown.add_column(heading, justify="right" if heading == "time" else "left", overflow="fold")
    for number in _chosen(statuses, max(5, height - 8)):
        status = statuses[number]
        seconds = time.time() - status.began if status.seconds is None and status.began else status.seconds
        took = "" if seconds is None else f"{seconds:.0f} s"
        cells = (folder.runs[number].name, status.state, took, status.score or status.error)
        shown.add_row(*map(Text, cells), style=STYLES[status.state])
    return shown


def _chosen(statuses: list[RunStatus], height: int) -> list[int]:
    rank = {"running": 0, "failed": 1, "stopped": 1, "cancelled": 1, "done": 2, "waiting": 3}

    def priority(number: int) -> tuple[int, float]:
        status = statuses[number]
        return rank[status.state], -status.began - (status.seconds or 0) if status.began else number

    return sorted(sorted(range(len(statuses)), key=priority)[:height])
