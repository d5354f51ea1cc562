"""Side-by-side timings: contenders measured in alternating rounds, and a table of ratios that is printed and kept."""

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypeVar

import torch
from rich.console import Console
from rich.table import Table

from lab.machine import machine as lab_machine
from lab.reports.result_files import write_benchmark
from lab.reports.results import BenchmarkResult

FOLDER = Path("runs/benchmarks")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Measurement:
    """What one contender needed.

    Args:
        name: the contender.
        values: one value a round, in the unit of the comparison.
        facts: what stands beside the values in the table, by column.
    """

    name: str
    values: Sequence[float]
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def quartiles(self) -> tuple[float, float]:
        low, _, high = quantiles(self.values, n=4, method="inclusive")
        return low, high

    def ratio_to(self, reference: "Measurement") -> float:
        """The median over rounds of the ratio within a round, so that a machine that slows down slows both sides."""
        return median(own / other for own, other in zip(self.values, reference.values, strict=True))


def alternate(contenders: Mapping[str, Callable[[], Result]], rounds: int) -> dict[str, list[Result]]:
    """Run every contender once a round.

    Each round starts with the next contender, so that none always runs on a machine that is cool, or busy elsewhere.

    Args:
        contenders: what to run, by name.
        rounds: number of rounds, ≥ 2.

    Returns:
        the result of each round, by contender.
    """
    if rounds < 2:
        raise ValueError(f"rounds must be at least 2, because a spread is measured, but it is {rounds}.")
    results: dict[str, list[Result]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        Console(stderr=True).print(f"round {number + 1} of {rounds}")
        first = number % len(names)
        for name in names[first:] + names[:first]:
            results[name].append(contenders[name]())
    return results


@dataclass(frozen=True)
class Comparison:
    """Measurements side by side; the first one is what the others are divided by.

    Args:
        title: what was measured.
        unit: unit of the values.
        measurements: at least one, all with the same facts.
        verdict: the target, and what came of it.
        machine: where it was measured.
    """

    title: str
    unit: str
    measurements: Sequence[Measurement]
    verdict: str
    machine: str

    def result(self, name: str) -> BenchmarkResult:
        """The table, under the name that its file shall have."""
        columns = ["contender", *self.measurements[0].facts, f"median {self.unit}", "25–75 %", "ratio to ours"]
        details = {
            "unit": self.unit,
            "rounds": {item.name: list(item.values) for item in self.measurements},
            "ratio_to_ours": {item.name: item.ratio_to(self.measurements[0]) for item in self.measurements},
        }
        rows = [self._row(measurement) for measurement in self.measurements]
        return BenchmarkResult(name, self.title, columns, rows, self.machine, self.verdict, details)

    def publish(self, name: str, smoke: bool) -> None:
        """Print the table, and write it to ``runs/benchmarks``, with another name when its numbers mean nothing."""
        publish(self.result(f"{name}{'_smoke' if smoke else ''}"))

    def _row(self, item: Measurement) -> list[str]:
        low, high = map(_digits, item.quartiles)
        ratio = item.ratio_to(self.measurements[0])
        return [item.name, *item.facts.values(), _digits(item.median), f"{low}–{high}", f"{ratio:.3g} ×"]


def publish(result: BenchmarkResult, folder: Path | None = FOLDER) -> None:
    """Print a table, and write it to a folder, from which ``report.py --update-results`` takes it to RESULTS.md.

    Args:
        result: the table, its verdict and its machine.
        folder: the folder; None to print alone.
    """
    table = Table(title=result.title, caption=f"{result.verdict}\n{result.machine}".strip(), caption_justify="left")
    for number, column in enumerate(result.columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in result.rows:
        table.add_row(*row)
    Console(width=None if Console().is_terminal else 160).print(table)
    if folder is not None:
        print(f"Written: {write_benchmark(result, folder)}")


def benchmark_parser(description: str | None, rounds: int) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark.

    Args:
        description: what ``--help`` prints, the docstring of the benchmark.
        rounds: default number of rounds, ≥ 1.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds of each contender")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--smoke", action="store_true", help="does it run at all? its numbers mean nothing")
    return parser


def parse_benchmark(parser: argparse.ArgumentParser, **smoke: Any) -> argparse.Namespace:
    """Parse the command line of a benchmark, and set the threads of torch.

    Args:
        parser: made by ``benchmark_parser``, maybe with further options.
        smoke: values of options that ``--smoke`` sets, beside two rounds.
    """
    arguments = parser.parse_args()
    if arguments.smoke:
        vars(arguments).update(rounds=2, **smoke)
    torch.set_num_threads(arguments.threads)
    return arguments


def machine() -> str:
    """The machine, its threads, and how busy it was before the timing began."""
    return f"{lab_machine()}; {torch.get_num_threads()} threads; load {os.getloadavg()[0]:.1f}"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
