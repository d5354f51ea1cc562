"""Finished runs as tables: what was measured beside what it is held against."""

import csv
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lab.config_files import owner_of, read_config
from lab.directions import more_is_better
from lab.files import written_whole
from lab.grids import FIRST, Grid
from lab.machine import machine
from lab.overrides import Variant
from lab.references import reference_of
from lab.reports.grid_tables import grid_study, grid_table
from lab.reports.markdown import Results, escaped, merge, read_results
from lab.reports.reading import readable, whole_run
from lab.reports.studies import (
    SCORES,
    Study,
    experiment_studies,
    repeats_of,
    replica_values,
    score_name,
    spread_of,
)
from lab.run_folder import evaluations_of, fit_minutes, read_metrics

COLUMNS = ("study", "row", "column", "metric", "label", "mean", "std", "count", "best", "reference_value", "reference")


@dataclass(frozen=True)
class Finished:
    """What the run folders hold.

    Args:
        tested: tested runs of experiments whose configs no grid has.
        grids: a study of every grid that ran.
        others: tested runs of the configs of grids that are no part of one.
        results: for the configs of grids, the first metric of their grid and what it is called.
    """

    tested: list[Path]
    grids: list[Study]
    others: list[Path]
    results: dict[str, tuple[str, str]]

    @property
    def studies(self) -> list[Study]:
        """A study of every grid, of every experiment, and of what else was tried with the configs of grids."""
        tried = [
            replace(study, name=f"{study.name}_others", title=f"{study.title}: beside the grids")
            for study in experiment_studies(self.others, self.results)
        ]
        return self.grids + experiment_studies(self.tested) + tried


def read_finished(runs: Sequence[Path], root: Path, grids: Sequence[Grid] = ()) -> Finished:
    """Read what was measured.

    Args:
        runs: run folders, ``runs/<config name>/version_<n>``; those of one config are its repeats, unless other values
            than the seed were given on the command line: each set of them is a row of its own.
        root: the folder of all runs, of which the grids take theirs.
        grids: grids of experiments.
    """
    studies = [study for grid in grids if (study := grid_study(grid, root))]
    results = {cell.name: _first_metric(grid) for grid in grids for cell in grid.cells}
    used = {run.resolve() for of in studies for run in of.all_runs}
    folders = [folder for run in runs for folder in (run, *evaluations_of(run))]
    others = [run for run in folders if (run / "metrics.csv").is_file() and run.resolve() not in used]
    tested = [run for run in others if readable(whole_run, run) and score_name([run])]
    outside = [run for run in tested if owner_of(run).parent.name not in results]
    return Finished(outside, studies, [run for run in tested if run not in outside], results)


def write_results(
    finished: Finished, path: Path, notes: Path | None = None, overwrite: bool = False
) -> tuple[list[str], list[str]]:
    """Write what was measured into RESULTS.md, beside what that holds of studies without runs here.

    The first table has a row an experiment, each grid a section of its own; what ``notes`` holds follows. A row is
    replaced where there are as many seeds here as it states, a section where there are as many runs as it states and a
    value wherever it has one; ``overwrite`` replaces them in any case.

    Args:
        finished: what was measured.
        path: the Markdown file; made where there is none, left as it is where nothing was measured.
        notes: a folder of further sections in Markdown, such as benchmarks, which are always taken; or None.
        overwrite: whether also more complete rows and sections are replaced.

    Returns:
        the names of the grids whose sections were written, and a sentence on everything that was kept.
    """
    if not finished.tested and not finished.grids:
        return [], []
    before = read_results(path.read_text(encoding="utf-8")) if path.is_file() else Results()
    rows = [_row(variant, runs) for variant, runs in repeats_of(finished.tested).items()]
    sections = {study.name: grid_table(study) for study in finished.grids}
    merged, kept = merge(before, rows, list(sections.values()), overwrite)
    further = [part for file in sorted(notes.glob("*.md")) for part in _sections(file)] if notes else []
    merged, _ = merge(merged, [], further, overwrite=True)
    with written_whole(path) as part:
        part.write_text(merged.text, encoding="utf-8")
    return [name for name, text in sections.items() if text in merged.sections.values()], kept


def write_tables(studies: Sequence[Study], path: Path) -> None:
    """Write every mean as a row of a CSV file.

    Args:
        studies: what was measured.
        path: the file.
    """
    with written_whole(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for study in studies:
            for cell in (cell for cell in study.cells if cell.values):
                std = spread_of(cell.values)
                mean = statistics.fmean(cell.values)
                measured = (mean, "" if std is None else std, len(cell.values), int(cell.best))
                reference = study.reference_for(cell)
                held = reference_value(reference) if cell.metric == study.reference_metric else None
                about = (study.name, cell.row, cell.column or "", cell.metric, cell.label)
                writer.writerow([*about, *measured, "" if held is None else held, reference])


def reference_value(reference: str) -> float | None:
    """The number that a reference begins with, or None."""
    held = re.match(r"\d+(\.\d+)?(e[+-]?\d+)?", reference)
    return float(held[0]) if held else None


def _row(variant: Variant, folders: list[Path]) -> list[str]:
    score = score_name(folders)
    label, digits = SCORES.get(score, (score, ".4g"))
    repeats = {run: values for run in folders if (values := replica_values(read_metrics(run), score))}
    scores = [values[-1] for of_run in repeats.values() for _, values in of_run]
    mean, std = statistics.fmean(scores), spread_of(scores)
    spread = "" if std is None else f" ± {std:{digits}}"
    seeds = ", ".join(_seeds(run, len(repeats[run])) for run in sorted(repeats, key=_first_seed))
    reference = reference_of(folders[-1]).text or "–"
    held, more = reference_value(reference) if score in SCORES else None, more_is_better(score)
    if held is not None and (mean < held if more else mean > held):
        spread += f" ({'below' if more else 'above'} the reference)"
    result, minutes = f"{label} {mean:{digits}}{spread}", fit_minutes(list(repeats))
    row = [variant.label, result, seeds, reference, minutes, f"`{variant.command}`", machine()]
    return [escaped(cell) for cell in row]


def _seeds(run: Path, replicas: int) -> str:
    """The seeds of a run, of whose replicas each is the run of the next seed."""
    first = _first_seed(run)
    return str(first) if replicas == 1 else f"{first}–{first + replicas - 1}"


def _first_seed(run: Path) -> int:
    return int(read_config(run).get("seed_everything") or 0)


def _first_metric(grid: Grid) -> tuple[str, str]:
    """What the rows of a grid are compared by: its first metric that is a last value, and what that is called."""
    return next(((name, label) for name, label in grid.metrics.items() if not name.startswith(FIRST)), ("", ""))


def _sections(file: Path) -> list[str]:
    parts = re.split(r"^(?=### )", file.read_text(encoding="utf-8"), flags=re.M)
    return [part for part in parts if part.startswith("### ")]
