"""What runs measured, as data: rows of experiments, tables of grids, and benchmarks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.directions import more_is_better
from lab.reports.statistics import Summary
from lab.reports.studies import SCORES, Measured, best_experiment, count_repeats


def reference_value(reference: str) -> float | None:
    """The number that a reference begins with, or None."""
    number = re.match(r"\d+(\.\d+)?(e[+-]?\d+)?", reference)
    return float(number[0]) if number else None


@dataclass(frozen=True)
class ExperimentResult:
    """A row of the first table: the repeats of a config, or of one set of values typed beside it.

    Args:
        name: the name of the config.
        row: the name, and what was typed behind it.
        config: the path of the config file.
        command: what one types to run it.
        metric: the metric that is its result, as it is logged.
        summary: what was measured.
        seeds: a seed for each repeat.
        runs: how many runs there are; fewer than seeds where one of them holds several replicas.
        reference: the reference value, and its source; "–" where nothing is stated.
        fit: the wall-clock of a run, such as "0.3–0.4 min".
        machine: where that was measured, and with which versions.
        values: the result of each repeat; empty where only mean and standard deviation are known.
    """

    name: str
    row: str
    config: str
    command: str
    metric: str
    summary: Summary
    seeds: tuple[int, ...]
    runs: int
    reference: str
    fit: str
    machine: str
    values: tuple[float, ...] = ()

    @property
    def text(self) -> str:
        """The result in words, and whether it misses its reference."""
        label, digits = SCORES.get(self.metric, (self.metric, ".4g"))
        bound, more = reference_value(self.reference) if self.metric in SCORES else None, more_is_better(self.metric)
        misses = bound is not None and (self.summary.mean < bound if more else self.summary.mean > bound)
        missed = f" ({'below' if more else 'above'} the reference)" if misses else ""
        return f"{label} {self.summary.text_with(digits)}{missed}"

    @property
    def seeds_text(self) -> str:
        """The seeds in words, "0, 1, 2", or "0–2" of a run of three replicas."""
        return f"{self.seeds[0]}–{self.seeds[-1]}" if self.runs < len(self.seeds) else ", ".join(map(str, self.seeds))


@dataclass(frozen=True)
class GridResult:
    """A section: the table of a grid.

    Args:
        name: the name of the grid's file.
        title: what the table shows.
        command: what one types to run it.
        reference: the reference value, and its source; "–" where nothing is stated.
        reference_metric: the metric that the reference is of.
        rows: for each row, what was measured, column by column.
        runs: how many runs there are.
        fit: the wall-clock of a run.
        machine: where that was measured, and with which versions.
        notes: sentences on the table.
        seeds: the seeds of the runs; empty where they are not known.
    """

    name: str
    title: str
    command: str
    reference: str
    reference_metric: str
    rows: Sequence[Sequence[Measured]]
    runs: int
    fit: str
    machine: str
    notes: Sequence[str] = ()
    seeds: Sequence[int] = ()

    @property
    def repeats(self) -> str:
        return count_repeats(self.rows)

    @property
    def best(self) -> Measured | None:
        return best_experiment(self.rows)


@dataclass(frozen=True)
class BenchmarkResult:
    """A section: contenders side by side.

    Args:
        name: a short name, of letters that a file may have.
        title: what was measured.
        columns: headings.
        rows: the cells, as they are shown.
        machine: where it was measured.
        verdict: the target, and what came of it.
        details: what else is known, such as the value of every round.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    machine: str
    verdict: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.rows or any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a table needs rows of {len(self.columns)} cells, as many as it has columns")


@dataclass
class Results:
    """Everything in a folder of results: the rows by their labels, the sections by their names."""

    experiments: dict[str, ExperimentResult] = field(default_factory=dict)
    grids: dict[str, GridResult] = field(default_factory=dict)
    benchmarks: dict[str, BenchmarkResult] = field(default_factory=dict)
