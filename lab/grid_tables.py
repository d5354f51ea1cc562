"""The results of a grid of experiments as a table."""

import math
import statistics
from collections.abc import Mapping
from pathlib import Path

import yaml

from lab.grids import FIRST, Grid
from lab.runs import fit_minutes, read_metrics
from lab.significance import compare_means

ROUNDING = 1e-20  # what is left of an exact 0 in float64


def replica_values(
    metrics: Mapping[str, tuple[list[int], list[float]]], name: str
) -> list[tuple[list[int], list[float]]]:
    """A metric of every replica of a run, or of the run itself where it has none."""
    each = [logged for key, logged in metrics.items() if key.startswith(f"{name}_replica_")]
    return each or [metrics[name]]


def grid_table(grid: Grid, root: Path) -> str | None:
    """The results of a grid in Markdown, mean ± standard deviation over replicas and seeds; None where it never ran."""
    names = [f"{column} {label}".strip() for column in grid.columns for label in grid.metrics.values()]
    header = ["", *grid.references.values(), *names]
    lines, repeats, all_runs, by_row = [], set(), [], {}
    for row in grid.rows:
        cells = [cell for cell in grid.cells if cell.row == row]
        runs = [list(grid.runs(cell, root).values()) for cell in cells]
        all_runs += [run for of_cell in runs for run in of_cell]
        metrics = [[read_metrics(run) for run in of_cell] for of_cell in runs]
        by_row[row] = _values(metrics[0], next(iter(grid.metrics)))
        repeats |= {len(_values(of_cell, next(iter(grid.metrics)))) for of_cell in metrics}
        shown = [_mean_and_spread(metrics[0], name) for name in grid.references]
        shown += [_mean_and_spread(of_cell, name) for of_cell in metrics for name in grid.metrics]
        lines.append("| " + " | ".join([row, *shown]) + " |")
    if not all_runs:
        return None
    reference = yaml.safe_load(Path(grid.config).read_text(encoding="utf-8")).get("reference", "–")
    counts = "–".join(map(str, sorted({min(repeats), max(repeats)})))
    return "\n".join(
        [
            f"### {grid.title}",
            "",
            "| " + " | ".join(header) + " |",
            "| --- |" + " ---: |" * (len(header) - 1),
            *lines,
            "",
            *_tests(grid.versus, by_row),
            f"Mean ± standard deviation over {counts} repeats. {len(all_runs)} runs of {fit_minutes(all_runs)} each: "
            f"`python sweep.py {grid.path}`. Reference: {reference}.",
            "",
        ]
    )


def _tests(versus: str, by_row: Mapping[str, list[float]]) -> list[str]:
    """How each row differs from the row that it is held against, in its first column and metric."""
    against = by_row.get(versus, [])
    others = {row: values for row, values in by_row.items() if row != versus and min(len(values), len(against)) > 1}
    return [line for row, values in others.items() for line in (compare_means(row, values, versus, against), "")]


def _values(runs: list[Mapping[str, tuple[list[int], list[float]]]], name: str) -> list[float]:
    name, place = name.removeprefix(FIRST), 0 if name.startswith(FIRST) else -1
    return [values[place] for metrics in runs if name in metrics for _, values in replica_values(metrics, name)]


def _mean_and_spread(runs: list[Mapping[str, tuple[list[int], list[float]]]], name: str) -> str:
    values = _values(runs, name)
    if not values:
        return "–"
    if not all(map(math.isfinite, values)):
        return "not finite"
    if max(map(abs, values)) < ROUNDING:
        return "0"
    mean, spread = statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0
    if spread < 1e-5 * abs(mean) or abs(mean) < 1e-3:
        return f"{mean:.4g} ± {spread:.1g}" if len(values) > 1 else f"{mean:.4g}"
    digits = max(0, 1 - math.floor(math.log10(spread)))  # two of the spread
    return f"{mean:.{digits}f} ± {spread:.{digits}f}"
