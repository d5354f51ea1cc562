"""Results as files: ``results/*.json``, one a study, of which RESULTS.md is rendered."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.files import atomic_write
from lab.reports.results import BenchmarkResult, ExperimentResult, GridResult, Results
from lab.reports.statistics import Summary
from lab.reports.studies import Measured

WIDTH = 110  # characters of a JSON object that stands in one line
SIMPLE = re.compile(r"([\[{])\n\s+([^\n\[\]{}]+(?:\n\s+[^\n\[\]{}]+)*)\n\s+([\]}])")  # a list or object without another


def read_results(folder: Path) -> Results:
    """The results of a folder; none where there is no such folder.

    Raises:
        LabError: when a file of it is damaged, or none of the three kinds.
    """
    results = Results()
    for file in sorted(folder.glob("*.json")):
        for read in read_study(file):
            if isinstance(read, ExperimentResult):
                results.experiments[read.row] = read
            elif isinstance(read, GridResult):
                results.grids[read.name] = read
            else:
                results.benchmarks[read.name] = read
    results.experiments = dict(sorted(results.experiments.items()))
    return results


def read_study(file: Path) -> list[ExperimentResult | GridResult | BenchmarkResult]:
    """What a file of results holds: the rows of an experiment, or a section.

    Raises:
        LabError: when the file is damaged, or none of the three kinds.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        kind = content.pop("kind")
        if kind == "experiment":
            return [_experiment(content["name"], row) for row in content["rows"]]
        return [_grid(content) if kind == "grid" else {"benchmark": BenchmarkResult}[kind](**content)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise LabError(
            f"{file} holds no results of an experiment, a grid or a benchmark ({type(error).__name__}: {error}): "
            f"restore it, for example with `git checkout {file}`, or remove it and measure anew."
        ) from error


def write_results(results: Results, folder: Path) -> None:
    """Write results as files that ``read_results`` reads: ``<kind>_<name>.json``."""
    for name, rows in groupby(results.experiments.values(), key=lambda row: row.name):
        stated = [_without(vars(row), "name", "summary", "values") | _numbers(row.summary, row.values) for row in rows]
        _write(folder, "experiment", name, {"rows": stated})
    for grid in results.grids.values():
        columns = [{key: getattr(cell, key) for key in ("column", "metric", "label")} for cell in grid.rows[0]]
        cells = [{"row": row[0].row, "cells": [_cell(cell) for cell in row]} for row in grid.rows]
        _write(folder, "grid", grid.name, {**_without(vars(grid), "rows"), "columns": columns, "rows": cells})
    for benchmark in results.benchmarks.values():
        write_benchmark(benchmark, folder)


def write_benchmark(benchmark: BenchmarkResult, folder: Path) -> Path:
    """Write a benchmark as a file ``benchmark_<name>.json`` of a folder."""
    return _write(folder, "benchmark", benchmark.name, vars(benchmark))


def _write(folder: Path, kind: str, name: str, content: Mapping[str, Any]) -> Path:
    path = folder / f"{kind}_{name}.json"
    text = json.dumps({"kind": kind, "name": name, **content}, indent=2, ensure_ascii=False)
    with atomic_write(path) as part:
        part.write_text(f"{SIMPLE.sub(_in_one_line, text)}\n", encoding="utf-8")
    return path


def _in_one_line(found: re.Match[str]) -> str:
    """A list, or a short object, without its line breaks, so that a change of a number is a line of a comparison."""
    line = found[1] + re.sub(r"\n\s+", " ", found[2]) + found[3]
    return line if found[1] == "[" or len(line) <= WIDTH else found[0]


def _numbers(summary: Summary, values: Sequence[float]) -> dict[str, Any]:
    """The values where they are known, mean, standard deviation and count where not; what is not finite as a word."""
    if values or not summary.count:
        return {"values": [value if math.isfinite(value) else str(value) for value in values]}
    return asdict(summary)


def _summary(stated: Mapping[str, Any]) -> tuple[Summary, tuple[float, ...]]:
    if "values" in stated:
        values = tuple(map(float, stated["values"]))
        return Summary.of(values), values
    mean, std, count = stated["mean"], stated["std"], stated["count"]
    return Summary(float(mean), None if std is None else float(std), int(count)), ()


def _without(content: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in keys}


def _cell(cell: Measured) -> dict[str, Any]:
    return _numbers(cell.summary, cell.values) | ({"best": True} if cell.best else {})


def _experiment(name: str, row: dict[str, Any]) -> ExperimentResult:
    summary, values = _summary(row)
    given = {"name": name, "summary": summary, "values": values, "seeds": tuple(row["seeds"])}
    return ExperimentResult(**_without(row, "mean", "std", "count") | given)


def _grid(content: dict[str, Any]) -> GridResult:
    columns, rows = content.pop("columns"), []
    if not columns or not content["rows"]:
        raise ValueError("a table needs columns and rows")
    for row in content["rows"]:
        cells = []
        for column, cell in zip(columns, row["cells"], strict=True):
            summary, values = _summary(cell)
            stated = None if "values" in cell else summary
            cells.append(Measured(row["row"], **column, values=values, best=cell.get("best", False), stated=stated))
        rows.append(cells)
    return GridResult(**{**content, "rows": rows})
