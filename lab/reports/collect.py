"""Finished runs as tables: what was measured beside its reference."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from lab.experiments.grids import Grid
from lab.experiments.references import reference_of
from lab.experiments.variants import Variant
from lab.files import atomic_write
from lab.machine import machine
from lab.metrics import Metric, replica_values
from lab.reports.grid_tables import grid_study
from lab.reports.merging import merge
from lab.reports.reading import complete_run, readable
from lab.reports.rendering import PAGES, write_rendered
from lab.reports.result_files import read_results, read_study, write_results
from lab.reports.results import BenchmarkResult, ExperimentResult, GridResult, reference_value
from lab.reports.statistics import Summary
from lab.reports.studies import (
    Study,
    experiment_studies,
    repeats_of,
    score_name,
)
from lab.run_folder import RunFolder, fit_minutes

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

    tested: list[RunFolder]
    grids: list[Study]
    others: list[RunFolder]
    results: dict[str, tuple[str, str]]

    @property
    def studies(self) -> list[Study]:
        """A study of every grid, of every experiment, and of what else was tried with the configs of grids."""
        tried = [
            replace(study, name=f"{study.name}_others", title=f"{study.title}: beside the grids")
            for study in experiment_studies(self.others, self.results)
        ]
        return self.grids + experiment_studies(self.tested) + tried


def read_finished(runs: Sequence[RunFolder], root: Path, grids: Sequence[Grid] = ()) -> Finished:
    """Read what was measured.

    Args:
        runs: run folders, ``runs/<config name>/version_<n>``; those of one config are its repeats, unless other values
            than the seed were given on the command line: each set of them is a row of its own.
        root: the folder of all runs, of which the grids take theirs.
        grids: grids of experiments.
    """
    studies = [study for grid in grids if (study := grid_study(grid, root))]
    results = {cell.name: _first_metric(grid) for grid in grids for cell in grid.cells}
    used = {run.path.resolve() for of in studies for run in of.all_runs}
    folders = [folder for run in runs for folder in (run, *run.evaluations)]
    others = [run for run in folders if run.has_metrics and run.path.resolve() not in used]
    tested = [run for run in others if readable(complete_run, run) and score_name([run])]
    outside = [run for run in tested if run.name not in results]
    return Finished(outside, studies, [run for run in tested if run not in outside], results)


def update_results(
    finished: Finished, root: Path, benchmarks: Path | None = None, overwrite: bool = False
) -> tuple[list[str], list[str]]:
    """Write what was measured into ``results/``, and render RESULTS.md and docs/experiments.md of all that is there.

    The first table has a row an experiment, each grid a section of its own; benchmarks follow. A row is replaced where
    there are as many seeds here as it states, a section where there are as many runs as it states and a value wherever
    it has one; ``overwrite`` replaces them in any case. Studies without runs here stay as they are.

    Args:
        finished: what was measured.
        root: the folder of the files; they are made where there are none, and left alone where nothing was measured.
        benchmarks: a folder of results of benchmarks, which are always taken; or None.
        overwrite: whether also more complete rows and sections are replaced.

    Returns:
        the names of the grids whose sections were written, and a sentence on everything that was kept.

    Raises:
        LabError: when a file of ``results/`` is damaged; nothing is written then.
    """
    if not finished.tested and not finished.grids:
        return [], []
    rows = [_row(variant, runs) for variant, runs in repeats_of(finished.tested).items()]
    tables = [grid_result(study) for study in finished.grids]
    merged, kept = merge(read_results(root / "results"), rows, tables, overwrite)
    for file in sorted(benchmarks.glob("benchmark_*.json")) if benchmarks else ():
        measured = None if file.stem.endswith("_smoke") else readable(read_study, file)
        for benchmark in cast(list[BenchmarkResult], measured or []):
            merged.benchmarks[benchmark.name] = benchmark
    merged.benchmarks = dict(sorted(merged.benchmarks.items()))
    write_results(merged, root / "results")
    for template, path in PAGES.items():
        write_rendered(template, root / path, results=merged)
    return [table.name for table in tables if merged.grids[table.name] is table], kept


def write_tables(studies: Sequence[Study], path: Path) -> None:
    """Write every mean as a row of a CSV file.

    Args:
        studies: what was measured.
        path: the file.
    """
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for study in studies:
            for cell in (cell for cell in study.cells if cell.values):
                summary = cell.summary
                std = "" if summary.std is None else summary.std
                reference = study.reference_for(cell)
                bound = reference_value(reference) if cell.metric == study.reference_metric else None
                about = (study.name, cell.row, cell.column or "", cell.metric, cell.label)
                measured = (summary.mean, std, summary.count, int(cell.best))
                writer.writerow([*about, *measured, "" if bound is None else bound, reference])


def _row(variant: Variant, folders: list[RunFolder]) -> ExperimentResult:
    score = cast(str, score_name(folders))  # the runs are tested
    repeats = {run: each for run in folders if (each := replica_values(run.metrics, score))}
    runs = sorted(repeats, key=_first_seed)
    values = tuple(values[-1] for run in runs for _, values in repeats[run])
    seeds = tuple(_first_seed(run) + replica for run in runs for replica in range(len(repeats[run])))
    reference, fit = reference_of(folders[-1]).text or "–", fit_minutes(runs)
    about = (variant.name, variant.label, variant.config, variant.command, score, Summary.of(values))
    return ExperimentResult(*about, seeds, len(runs), reference, fit, machine(), values)


def grid_result(study: Study) -> GridResult:
    """A study of a grid without its run folders, as results keep it."""
    seeds = sorted({_first_seed(run) for run in study.all_runs})
    return GridResult(
        study.name, study.title, study.command, study.reference, study.reference_metric, study.rows,
        len(study.all_runs), fit_minutes(study.all_runs), machine(), study.notes, seeds,
    )  # fmt: skip


def _first_seed(run: RunFolder) -> int:
    return int(run.config.get("seed_everything") or 0)


def _first_metric(grid: Grid) -> tuple[str, str]:
    """What the rows of a grid are compared by: its first metric that is a last value, and what that is called."""
    return next(((name, label) for name, label in grid.metrics.items() if not Metric.parse(name).at_start), ("", ""))
