"""Studies: what the finished runs of a grid, or the repeats of an experiment, measured."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import Any

from lab.config_files import read_config, read_evaluation
from lab.directions import more_is_better
from lab.overrides import Variant, values_of, variants_of
from lab.repeats import read_data
from lab.reports.held_against import references_of
from lab.run_folder import owner_of, read_metrics, score_metric

ROUNDING = 1e-20  # what is left of an exact 0 in float64
# The result of an experiment, the first that its runs have: its name and its digits. What a config states as its
# reference is of this metric; for the configs of a grid it is of the grid's first one.
SCORES = {
    "test/iou": ("mean IoU", ".4f"),
    "test/acc": ("accuracy", ".4f"),
    "test/rse": ("relative squared error", ".2g"),
    "probe/test_acc": ("accuracy of a linear probe", ".4f"),
}
Logged = Mapping[str, tuple[list[int], list[float]]]


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
    """

    row: str
    column: str | None
    metric: str
    label: str
    values: tuple[float, ...]
    best: bool = False

    @property
    def heading(self) -> str:
        return f"{self.column or ''} {self.label}".strip()

    @property
    def text(self) -> str:
        """Mean ± standard deviation, to two digits of the latter."""
        return mean_and_spread(self.values)


@dataclass(frozen=True)
class Study:
    """A table of results and where they come from.

    Args:
        name: a short name, of letters that a file may have.
        title: what the table shows.
        rows: for each row, what was measured, column by column.
        runs: the run folders by row and column.
        reference: what the results are held against, and its source; "–" where nothing is stated.
        command: what one types to run it.
        notes: sentences on the table.
        reference_metric: the metric that the reference is of; empty where it is of none of the table.
        references: what each row and column is held against; the study's reference where one is not listed.
    """

    name: str
    title: str
    rows: list[list[Measured]]
    runs: Mapping[tuple[str, str], list[Path]]
    reference: str
    command: str
    notes: list[str] = field(default_factory=list)
    reference_metric: str = ""
    references: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def reference_for(self, cell: Measured) -> str:
        """What a cell of the table is held against; "–" where that is nothing."""
        return self.references.get((cell.row, cell.column or ""), self.reference)

    @property
    def all_runs(self) -> list[Path]:
        return [run for runs in self.runs.values() for run in runs]

    @property
    def cells(self) -> list[Measured]:
        return [cell for row in self.rows for cell in row]

    @property
    def repeats(self) -> str:
        """How many repeats there are of the first metric of an experiment, "3" or "0–3"."""
        first: dict[tuple[str, str], int] = {}
        for cell in (cell for cell in self.cells if cell.column is not None):
            first.setdefault((cell.row, cell.column), len(cell.values))
        return "–".join(map(str, sorted({min(first.values()), max(first.values())})))


def cell_name(row: str, column: str) -> str:
    """What an experiment of a table is called, by its row and, where there are several, its column."""
    return ", ".join(filter(None, (row, column.strip(": "))))


def spread_of(values: Sequence[float]) -> float | None:
    """The standard deviation over repeats; None of a single one, or where not all are finite."""
    return statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else None


def mean_and_spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation in words, to two digits of the latter; "–" where there are no values."""
    if not values:
        return "–"
    if not all(map(math.isfinite, values)):
        return "not finite"
    if max(map(abs, values)) < ROUNDING:
        return "0"
    mean, spread = statistics.mean(values), spread_of(values) or 0.0
    if spread < 1e-5 * abs(mean) or abs(mean) < 1e-3:
        return f"{mean:.4g} ± {spread:.1g}" if len(values) > 1 else f"{mean:.4g}"
    digits = max(0, 1 - math.floor(math.log10(spread)))
    return f"{mean:.{digits}f} ± {spread:.{digits}f}"


def replica_values(metrics: Logged, name: str) -> list[tuple[list[int], list[float]]]:
    """A metric of every replica of a run, or of the run itself where it has none; empty where it was not logged."""
    each = [logged for key, logged in metrics.items() if key.startswith(f"{name}_replica_")]
    return each or [metrics[name] for name in [name] if name in metrics]


def with_best(rows: list[list[Measured]], runs: Mapping[tuple[str, str], list[Path]]) -> list[list[Measured]]:
    """Mark the best of each column; rows whose data differ are not held against each other, nor is a row alone."""
    data = {cell: _data_of(folders[0]) for cell, folders in runs.items() if folders}
    marked = [list(row) for row in rows]
    for number in range(len(rows[0]) if rows else 0):
        rivals: dict[str, list[int]] = {}
        for index, row in enumerate(rows):
            cell = row[number]
            if cell.column is not None and cell.values and all(map(math.isfinite, cell.values)):
                rivals.setdefault(data.get((cell.row, cell.column), ""), []).append(index)
        better = more_is_better(rows[0][number].metric)
        for group in (group for group in rivals.values() if len(group) > 1 and better is not None):
            means = {index: statistics.mean(rows[index][number].values) for index in group}
            best = (max if better else min)(means.values())
            for index in (index for index in group if means[index] == best):
                marked[index][number] = replace(rows[index][number], best=True)
    return marked


def score_name(runs: Sequence[Path], first: str = "") -> str | None:
    """The metric that is the result of runs of one config, or None where none of them was tested.

    Args:
        runs: run folders.
        first: a metric that is taken where one of them has it, before those of ``SCORES``.
    """
    measured = {name: None for run in runs for name in read_metrics(run)}
    monitor = str(read_config(runs[0]).get("monitor", ""))
    return score_metric(measured, monitor, [first, *SCORES])


def repeats_of(runs: Iterable[Path]) -> dict[Variant, list[Path]]:
    """The runs by the name of their config and what was typed beside it, what the config states first.

    Of several runs with the same seeds the last counts: the same run twice is no repeat.
    """
    by_name: dict[str, list[Path]] = {}
    for run in runs:
        by_name.setdefault(owner_of(run).parent.name, []).append(run)
    groups: dict[Variant, list[Path]] = {}
    for folders in by_name.values():
        for folder, variant in zip(folders, variants_of(folders), strict=True):
            groups.setdefault(variant, []).append(folder)
    order = sorted(groups, key=lambda of: (of.name, not of.is_usual, of.config, of.overrides, of.evaluation))
    return {variant: list({_seeds(run): run for run in groups[variant]}.values()) for variant in order}


def _seeds(run: Path) -> tuple[Any, Any]:
    config = read_config(run)
    return config.get("seed_everything"), values_of(config).get("data.seed")


def experiment_studies(runs: Sequence[Path], results: Mapping[str, tuple[str, str]] | None = None) -> list[Study]:
    """A study of every config with tested runs, a row for each set of values that were typed beside it.

    Args:
        runs: tested run folders.
        results: by the name of a config, the metric that is its result, and what that is called in a table; for the
            others it is the first of ``SCORES``, or that of the test which its monitor or its metrics suggest.
    """
    of_name: dict[str, dict[Variant, list[Path]]] = {}
    for variant, folders in repeats_of(runs).items():
        of_name.setdefault(variant.name, {})[variant] = folders
    return [_study(name, variants, (results or {}).get(name)) for name, variants in of_name.items()]


def _study(name: str, variants: Mapping[Variant, list[Path]], result: tuple[str, str] | None) -> Study:
    first, everything = next(iter(variants)), [run for folders in variants.values() for run in folders]
    metric = score_name(everything, result[0] if result else "")
    label = result[1] if result and metric == result[0] else SCORES.get(metric, (metric,))[0]
    held = result[0] if result else metric if metric in SCORES else ""
    found = {(_row_name(variant, first), ""): folders for variant, folders in variants.items()}
    rows = [[_measured(row, metric, label, folders)] for (row, _), folders in found.items()]
    (reference, each), command = references_of(found), replace(first, overrides="", evaluation="").command
    about = (reference, command, _description(first.config), held, each)
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


def _measured(row: str, metric: str, label: str, folders: list[Path]) -> Measured:
    values = [of[-1] for folder in folders for _, of in replica_values(read_metrics(folder), metric)]
    return Measured(row, "", metric, label, tuple(values))


def _data_of(run: Path) -> str:
    """What data a run was measured on, but for its seed, its place and its batches."""
    values: dict[str, Any] = values_of({"data": read_config(run).get("data") or {}})
    values |= {f"data.{key}": value for key, value in read_evaluation(run).items()}
    values["data.files"] = read_data(run).get("fingerprint")
    free = ("data.seed", "data.root", "data.batch_size", "data.eval_batch_size")
    return repr(sorted((key, repr(value)) for key, value in values.items() if key not in free))
