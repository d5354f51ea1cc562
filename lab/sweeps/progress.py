"""How far a sweep is: a live table on a terminal, a line for each run that ends elsewhere."""

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lab.sweeps.folder import ENDED, SweepFolder

STYLES = {"waiting": "dim", "running": "cyan", "done": "green", "failed": "bold red", "stopped": "yellow"}


class Progress:
    """Shows the states of the runs of a sweep while they change.

    Args:
        folder: the sweep.
        sentence: what to say of a run that ended, by its number and its status, on a terminal too; its outcome when
            None, where the table does not show it.
        console: where to; standard output when None.
        changed: what to do once at first, and whenever the state of a run has changed.
    """

    def __init__(
        self,
        folder: SweepFolder,
        sentence: Callable[[int, dict[str, Any]], str] | None = None,
        console: Console | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.folder, self.sentence, self.changed = folder, sentence, changed
        self.told: dict[int, str] = {}
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
        """Look at the statuses, and show what is new."""
        statuses = self.folder.statuses()
        states = [status["state"] for status in statuses]
        if states != self.states:
            self.changed()
            self.states = states
        for number, status in enumerate(statuses):
            if status["state"] in ENDED and self.told.get(number) != status["state"]:  # on SLURM a stopped run goes on
                self.told[number] = status["state"]
                self._tell(number, status)
        if self.live:
            self.live.update(table(self.folder, statuses, self.console.height))

    def _tell(self, number: int, status: dict[str, Any]) -> None:
        if self.live and not self.sentence:
            return
        told = self.sentence(number, status) if self.sentence else f"{self.folder.runs[number].name}: {outcome(status)}"
        self.say(f"[{len(self.told)}/{len(self.folder.runs)}] {told}")

    def say(self, sentence: str) -> None:
        """Print a sentence, above the table where there is one."""
        self.console.print(sentence, highlight=False, markup=False, soft_wrap=True)
        self.console.file.flush()


def outcome(status: dict[str, Any]) -> str:
    """What came of a run, "done in 12 s, test/acc 0.97"."""
    state = "FAILED" if status["state"] == "failed" else status["state"]
    score = f", {status['score']}" if status.get("score") else ""
    return f"{state} in {status['seconds']:.0f} s{score}"


def table(folder: SweepFolder, statuses: list[dict[str, Any]], height: int) -> Table:
    """The states of the runs; of more than fit, those that say most: running, failed, the last done, the next."""
    counts = Counter(status["state"] for status in statuses)
    caption = ", ".join(f"{counts[state]} {state}" for state in STYLES if counts[state])
    shown = Table(title=Text(str(folder.path)), caption=caption)
    for heading in ("run", "state", "time", "result"):
        shown.add_column(heading, justify="right" if heading == "time" else "left", overflow="fold")
    for number in _chosen(statuses, max(5, height - 8)):
        status = statuses[number]
        state = status["state"]
        seconds = status.get("seconds", time.time() - status["began"] if "began" in status else None)
        took = "" if seconds is None else f"{seconds:.0f} s"
        result = status.get("score") or status.get("error") or ""
        shown.add_row(*map(Text, (folder.runs[number].name, state, took, result)), style=STYLES[state])
    return shown


def _chosen(statuses: list[dict[str, Any]], room: int) -> list[int]:
    weight = {"running": 0, "failed": 1, "stopped": 1, "done": 2, "waiting": 3}
    ended = {
        number: -status["began"] - status.get("seconds", 0)
        for number, status in enumerate(statuses)
        if "began" in status
    }
    order = sorted(
        range(len(statuses)), key=lambda number: (weight[statuses[number]["state"]], ended.get(number, number))
    )
    return sorted(order[:room])
