"""Results of made-up studies, for the tests of what is read, merged and rendered."""

from typing import Any

from lab.reports.results import BenchmarkResult, ExperimentResult, GridResult, Results
from lab.reports.statistics import Summary
from lab.reports.studies import Measured

EVIL = "a|b _c_ 5 % & &lt; <i>d</i> *e*"  # what each of the languages would take for something else


def experiment(row: str, *seeds: int, **others: Any) -> ExperimentResult:
    """A row whose result is 0.9 for each seed."""
    values = tuple(0.9 for _ in seeds)
    given = {"name": row.split()[0], "config": "configs/x.yaml", "command": "x", "metric": "test/acc", "fit": "1 min"}
    given |= {"summary": Summary.of(values), "values": values, "reference": "–", "machine": "A", "runs": len(seeds)}
    return ExperimentResult(**{**given, "row": row, "seeds": seeds, **others})


def grid(name: str, runs: int, *values: float | None, **others: Any) -> GridResult:
    """A table of one column with a row for each value; None where nothing ran."""
    rows = [
        [Measured(f"row {number}", "", "test/acc", "accuracy", () if value is None else (value,))]
        for number, value in enumerate(values)
    ]
    given = {"command": f"python sweep.py configs/grids/{name}.yaml", "reference": "0.9: x", "fit": "1 min"}
    given |= {"title": f"Title of {name}", "reference_metric": "test/acc", "machine": "A", "rows": rows, "runs": runs}
    return GridResult(name, **{**given, **others})


def benchmark(name: str = "speed", **others: Any) -> BenchmarkResult:
    """A table of two contenders."""
    given = {"title": "Speed", "columns": ["contender", "s"], "rows": [["ours", "1"], ["theirs", "2"]], "machine": "A"}
    return BenchmarkResult(name, **{**given, **others})


def results(*parts: ExperimentResult | GridResult | BenchmarkResult) -> Results:
    """Results of the parts."""
    found = Results()
    for part in parts:
        if isinstance(part, ExperimentResult):
            found.experiments[part.row] = part
        else:
            (found.grids if isinstance(part, GridResult) else found.benchmarks)[part.name] = part
    return found
