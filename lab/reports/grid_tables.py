"""The results of a grid of experiments as a table."""

from collections.abc import Mapping
from pathlib import Path

from lab.commands import command_line
from lab.grids import FIRST, Grid
from lab.machine import machine
from lab.reports.held_against import references_of
from lab.reports.markdown import escaped
from lab.reports.significance import compare_means
from lab.reports.studies import Logged, Measured, Study, replica_values, with_best
from lab.run_folder import fit_minutes, read_metrics


def grid_study(grid: Grid, root: Path) -> Study | None:
    """What the runs of a grid measured; None where it never ran.

    The metrics that hold for a whole row come first, with None as their column.

    Args:
        grid: the grid.
        root: the folder of all runs.
    """
    runs = {(cell.row, cell.column): list(grid.runs(cell, root).values()) for cell in grid.cells}
    if not any(runs.values()):
        return None
    rows = [_row(grid, row, runs) for row in grid.rows]
    first = next(iter(grid.metrics))
    by_row = {row[0].row: next(cell.values for cell in row if cell.metric == first) for row in rows}
    reference, each = references_of(runs)
    command, name = command_line("sweep.py", str(grid.path)), Path(grid.path).stem
    notes = _tests(grid.versus, by_row)
    return Study(name, grid.title, with_best(rows, runs), runs, reference, command, notes, first, each)


def grid_table(study: Study) -> str:
    """A study of a grid in Markdown: mean ± standard deviation, the best of a column in bold, and the machine."""
    header = ["", *(escaped(cell.heading) for cell in study.rows[0])]
    lines = [f"| {' | '.join([escaped(row[0].row), *map(_told, row)])} |" for row in study.rows]
    runs = study.all_runs
    return "\n".join(
        [
            f"### {escaped(study.title)}",
            "",
            "| " + " | ".join(header) + " |",
            "| --- |" + " ---: |" * (len(header) - 1),
            *lines,
            "",
            *(line for note in study.notes for line in (escaped(note), "")),
            f"Mean ± standard deviation over {study.repeats} repeats. {len(runs)} runs of {fit_minutes(runs)} each: "
            f"`{study.command}`. Reference: {escaped(study.reference)}.",
            "",
            f"Machine: {machine()}.",
            "",
        ]
    )


def _told(cell: Measured) -> str:
    return f"**{cell.text}**" if cell.best else cell.text


def _row(grid: Grid, row: str, runs: Mapping[tuple[str, str], list[Path]]) -> list[Measured]:
    metrics = {column: [read_metrics(run) for run in runs[row, column]] for column in grid.columns}
    of_row = metrics[next(iter(grid.columns))]
    cells = [Measured(row, None, name, label, _values(of_row, name)) for name, label in grid.references.items()]
    return cells + [
        Measured(row, column, name, label, _values(of_cell, name))
        for column, of_cell in metrics.items()
        for name, label in grid.metrics.items()
    ]


def _tests(versus: str, by_row: Mapping[str, tuple[float, ...]]) -> list[str]:
    """How each row differs from the row that it is held against, in its first column and metric."""
    against = by_row.get(versus, ())
    others = {row: values for row, values in by_row.items() if row != versus and min(len(values), len(against)) > 1}
    return [compare_means(row, values, versus, against) for row, values in others.items()]


def _values(runs: list[Logged], name: str) -> tuple[float, ...]:
    name, place = name.removeprefix(FIRST), 0 if name.startswith(FIRST) else -1
    return tuple(values[place] for metrics in runs for _, values in replica_values(metrics, name))
