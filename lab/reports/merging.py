"""Results with what was measured anew: what there is already stays where nothing better has been measured."""

from collections.abc import Iterable

from lab.reports.results import ExperimentResult, GridResult, Results


def merge(
    results: Results, rows: Iterable[ExperimentResult], grids: Iterable[GridResult], overwrite: bool = False
) -> tuple[Results, list[str]]:
    """Results with what was measured anew, and what was kept instead of it.

    A row takes the place of the row with the same label, a table that of the table of the same grid, where it counts as
    many seeds or runs as that, and has values wherever that has some.

    Args:
        results: what there is.
        rows: rows of experiments.
        grids: tables of grids.
        overwrite: whether also more complete ones are replaced.

    Returns:
        the results, and a sentence on everything that was kept.
    """
    merged, kept = Results(dict(results.experiments), dict(results.grids), dict(results.benchmarks)), []
    for row in rows:
        old = results.experiments.get(row.row, row)
        if len(row.seeds) < len(old.seeds) and not overwrite:
            kept.append(f'the row "{row.row}" is of {len(old.seeds)} seeds, and {len(row.seeds)} are here')
        else:
            merged.experiments[row.row] = row
    for grid in grids:
        kept_grid = results.grids.get(grid.name)
        if kept_grid is not None and not overwrite and (reason := _loses(kept_grid, grid)):
            kept.append(f'the section "{kept_grid.title}" {reason}')
        else:
            merged.grids[grid.name] = grid
    merged.experiments = dict(sorted(merged.experiments.items()))
    merged.grids = dict(sorted(merged.grids.items()))
    return merged, kept


def _loses(old: GridResult, new: GridResult) -> str:
    """Why a table would lose something by another, or nothing."""
    if old.runs > new.runs:
        return f"is of {old.runs} runs, and {new.runs} are here"
    before, after = (
        {(cell.row, cell.column, cell.metric): cell.summary.count for row in of.rows for cell in row}
        for of in (old, new)
    )
    lost = {key[0] for key, count in before.items() if count and after.get(key) == 0}
    return f"has values where no run is here: {', '.join(sorted(lost))}" if lost else ""
