"""The results of a grid of experiments as a study."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.experiments.grids import Grid
from lab.metrics import Logged, Metric, replica_values
from lab.printed_commands import command_line
from lab.reports.references import references_of
from lab.reports.significance import compare_means
from lab.reports.studies import Measured, Study, with_best
from lab.run_folder import RunFolder


def grid_study(grid: Grid, root: Path) -> Study | None:
    """What the runs of a grid measured; None where it never ran.

    The metrics that hold for a whole row come first, with None as their column.

    Args:
        grid: the grid.
        root: the folder of all runs.
    """
    runs = {key: list(found.values()) for key, found in grid.finished_runs(root).items()}
    if not any(runs.values()):
        return None
    rows = [_row(grid, row, runs) for row in grid.rows]
    first = next(iter(grid.metrics))
    by_row = {row[0].row: next(cell.values for cell in row if cell.metric == first) for row in rows}
    reference, each = references_of(runs)
    command, name = command_line("sweep.py", str(grid.path)), Path(grid.path).stem
    notes = _tests(grid.baseline, by_row)
    return Study(name, grid.title, with_best(rows, runs), runs, reference, command, notes, first, each)


def _row(grid: Grid, row: str, runs: Mapping[tuple[str, str], list[RunFolder]]) -> list[Measured]:
    metrics = {column: [run.metrics for run in runs[row, column]] for column in grid.columns}
    of_row = metrics[next(iter(grid.columns))]
    cells = [Measured(row, None, name, label, values_of_runs(of_row, name)) for name, label in grid.references.items()]
    return cells + [
        Measured(row, column, name, label, values_of_runs(of_cell, name))
        for column, of_cell in metrics.items()
        for name, label in grid.metrics.items()
    ]


def _tests(baseline: str, by_row: Mapping[str, tuple[float, ...]]) -> list[str]:
    """How each row differs from its baseline, in its first column and metric."""
    against = by_row.get(baseline, ())
    others = {row: values for row, values in by_row.items() if row != baseline and min(len(values), len(against)) > 1}
    return [compare_means(row, values, baseline, against) for row, values in others.items()]


def values_of_runs(runs: Sequence[Logged], name: str) -> tuple[float, ...]:
    """A metric of every replica of some runs: its last value, or with "first " before its name the first one."""
    metric = Metric.parse(name)
    return tuple(metric.of(values) for metrics in runs for _, values in replica_values(metrics, metric.name))
