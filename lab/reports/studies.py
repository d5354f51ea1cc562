"""Studies: what the finished runs of a grid, or the repeats of an experiment, measured."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

from lab.config_files import values_of
from lab.directions import more_is_better
from lab.experiments.variants import Variant, variants_of
from lab.metrics import replica_values, score_metric
from lab.reports.references import references_of
from lab.reports.statistics import Summary
from lab.run_folder import RunFolder

# The result of an experiment, the first that its runs have: its name and its digits. What a config states as its
# reference is of this metric; for the configs of a grid it is of the grid's first one.
SCORES = {
    "test/iou": ("mean IoU", ".4f"),
    "test/acc": ("accuracy", ".4f"),
    "test/rse": ("relative squared error", ".2g"),
    "probe/test_acc": ("accuracy of a linear probe", ".4f"),
}


@dataclass(frozen=True)
class Measured:
    """What the runs of one experiment measured of one metric.

    Args:
        row: the name of its row.
        column: the name of its column; empty where there is but one, None for a reference that holds for the row.
        metric: the metric, as it is logged.
        label: what the metric is called in a table.
        values: its value in each repeat, that is each replica of each run.
        best: whether its mean is the best of its column, among the rows with the same data.
        stated: mean, spread and count, where the single values are no longer known.
    """

    row: str
    column: str | None
    metric: str
    label: str
    values: tuple[float, ...]
    best: bool = False
    stated: Summary | None = None

    @property
    def heading(self) -> str:
        return f"{self.column or ''} {self.label}".strip()

    @property
    def summary(self) -> Summary:
        return self.stated or Summary.of(self.values)

    @property
    def text(self) -> str:
        """Mean ± standard deviation, to two digits of the latter."""
        return self.summary.text


@dataclass(frozen=True)
class Study:
    """A table of results and where they come from.

    Args:
        name: a short name, of letters that a file may have.
        title: what the table shows.
        rows: for each row, what was measured, column by column.
        runs: the run folders by row and column.
        reference: the reference value, and its source; "–" where nothing is stated.
        command: what one types to run it.
        notes: sentences on the table.
        reference_metric: the metric that the reference is of; empty where it is of none of the table.
        references: the reference of each row and column; the study's reference where one is not listed.
    """

    name: str
    title: str
    rows: list[list[Measured]]
    runs: Mapping[tuple[str, str], list[RunFolder]]
    reference: str
    command: str
    notes: list[str] = field(default_factory=list)
    reference_metric: str = ""
    references: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def reference_for(self, cell: Measured) -> str:
        """The reference of a cell of the table; "–" where that is nothing."""
        return self.references.get((cell.row, cell.column or ""), self.reference)

    @property
    def all_runs(self) -> list[RunFolder]:
        return [run for runs in self.runs.values() for run in runs]

    @property
    def cells(self) -> list[Measured]:
        return [cell for row in self.rows for cell in row]

    @property
    def repeats(self) -> str:
        return count_repeats(self.rows)


def count_repeats(rows: Sequence[Sequence[Measured]]) -> str:
    """How many repeats there are of the first metric of an experiment, "3" or "0–3"."""
    first: dict[tuple[str, str], int] = {}
    for cell in (cell for row in rows for cell in row if cell.column is not None):
        first.setdefault((cell.row, cell.column or ""), cell.summary.count)
    return "–".join(map(str, sorted({min(first.values()), max(first.values())})))


def best_experiment(rows: Sequence[Sequence[Measured]]) -> Measured | None:
    """The result of the best experiment by its first metric; that of the first one where none can be called the best.

    Those marked as best come first. Where no repeats say by how much experiments vary, the best mean counts.
    """
    first: dict[tuple[str, str], Measured] = {}
    for cell in (cell for row in rows for cell in row if cell.column is not None):
        first.setdefault((cell.row, cell.column or ""), cell)
    measured = [cell for cell in first.values() if cell.summary.count and math.isfinite(cell.summary.mean)]
    single = any(cell.summary.count < 2 for cell in measured)
    rivals = [cell for cell in measured if cell.best] or (measured if single else measured[:1])
    better = more_is_better(rivals[0].metric) if rivals else None
    if better is None:
        return next(iter(measured), None)
    return (max if better else min)(rivals, key=lambda cell: cell.summary.mean)


def cell_name(row: str, column: str) -> str:
    """What an experiment of a table is called, by its row and, where there are several, its column."""
    return ", ".join(filter(None, (row, column.strip(": "))))


def with_best(rows: list[list[Measured]], runs: Mapping[tuple[str, str], list[RunFolder]]) -> list[list[Measured]]:
    """Mark the best of each column among rows with at least two repeats on the same data; a row alone is not best."""
    data = {cell: _data_of(folders[0]) for cell, folders in runs.items() if folders}
    marked = [list(row) for row in rows]
    for number in range(len(rows[0]) if rows else 0):
        rivals: dict[str, list[int]] = {}
        for index, row in enumerate(rows):
            cell = row[number]
            if cell.column is not None and len(cell.values) > 1 and all(map(math.isfinite, cell.values)):
                rivals.setdefault(data.get((cell.row, cell.column), ""), []).append(index)
        better = more_is_better(rows[0][number].metric)
        for group in (group for group in rivals.values() if len(group) > 1 and better is not None):
            means = {index: statistics.mean(rows[index][number].values) for index in group}
            best = (max if better else min)(means.values())
            for index in (index for index in group if means[index] == best):
                marked[index][number] = replace(rows[index][number], best=True)
    return marked


def score_name(runs: Sequence[RunFolder], first: str = "") -> str | None:
    """The metric that is the result of runs of one config, or None where none of them was tested.

    Args:
        runs: run folders.
        first: a metric that is taken where one of them has it, before those of ``SCORES``.
    """
    measured = {name: None for run in runs for name in run.metrics}
    return score_metric(measured, runs[0].monitor, [first, *SCORES])


def repeats_of(runs: Iterable[RunFolder]) -> dict[Variant, list[RunFolder]]:
    """The runs by the name of their config and what was typed beside it, what the config states first.

    Of several runs with the same seeds the last counts: the same run twice is no repeat.
    """
    by_name: dict[str, list[RunFolder]] = {}
    for run in runs:
        by_name.setdefault(run.name, []).append(run)
    groups: dict[Variant, list[RunFolder]] = {}
    for folders in by_name.values():
        for folder, variant in zip(folders, variants_of(folders), strict=True):
            groups.setdefault(variant, []).append(folder)
    order = sorted(groups, key=lambda of: (of.name, not of.is_usual, of.config, of.overrides, of.evaluation))
    return {variant: list({run.seeds: run for run in groups[variant]}.values()) for variant in order}


def experiment_studies(runs: Sequence[RunFolder], results: Mapping[str, tuple[str, str]] | None = None) -> list[Study]:
    """A study of every config with tested runs, a row for each set of values that were typed beside it.

    Args:
        runs: tested run folders.
        results: by the name of a config, the metric that is its result, and what that is called in a table; for the
            others it is the first of ``SCORES``, or that of the test which its monitor or its metrics suggest.
    """
    of_name: dict[str, dict[Variant, list[RunFolder]]] = {}
    for variant, folders in repeats_of(runs).items():
        of_name.setdefault(variant.name, {})[variant] = folders
    return [_study(name, variants, (results or {}).get(name)) for name, variants in of_name.items()]


def _study(name: str, variants: Mapping[Variant, list[RunFolder]], result: tuple[str, str] | None) -> Study:
    first, everything = next(iter(variants)), [run for folders in variants.values() for run in folders]
    metric = cast(str, score_name(everything, result[0] if result else ""))  # the runs are tested
    label = result[1] if result and metric == result[0] else SCORES.get(metric, (metric, ""))[0]
    reference_metric = result[0] if result else metric if metric in SCORES else ""
    found = {(_row_name(variant, first), ""): folders for variant, folders in variants.items()}
    rows = [[_measured(row, metric, label, folders)] for (row, _), folders in found.items()]
    (reference, each), command = references_of(found), replace(first, overrides="", evaluation="").command
    about = (reference, command, _description(first.config), reference_metric, each)
    return Study(name, name, with_best(rows, found), found, *about)


def _row_name(variant: Variant, first: Variant) -> str:
    """A row of the study whose command has the config of its first variant."""
    row = variant.overrides.strip() or "as the config states"
    row = row if variant.config == first.config else f"--config {variant.config}{variant.overrides}"
    return f"{row}, tested with {variant.evaluation}" if variant.evaluation else row


def _description(config: str) -> list[str]:
    """What the comment at the top of a config says, if there is one."""
    path = Path(config)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    comment = " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines))
    return [comment] if comment else []


def _measured(row: str, metric: str, label: str, folders: list[RunFolder]) -> Measured:
    values = [of[-1] for folder in folders for _, of in replica_values(folder.metrics, metric)]
    return Measured(row, "", metric, label, tuple(values))


def _data_of(run: RunFolder) -> str:
    """What data a run was measured on, but for its seed, its place and its batches."""
    values: dict[str, Any] = values_of({"data": run.config.get("data") or {}})
    values |= {f"data.{key}": value for key, value in run.evaluation.items()}
    values["data.files"] = run.data.get("fingerprint")
    free = ("data.seed", "data.root", "data.batch_size", "data.eval_batch_size")
    return repr(sorted((key, repr(value)) for key, value in values.items() if key not in free))
