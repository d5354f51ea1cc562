"""From how many tokens on the quadratic kernel is cheaper by its features than softmax with its N×N weights.

python benchmarks/attention_crossover.py     (a minute or two on two CPU cores)

One head, values as wide as the queries, forward, in alternating rounds at each size. The prediction is where the counts
of multiply-adds in theory.attention_cost cross, about D²/2 and so of the order D² that the paper gives; the measurement
is where the median times cross, on a straight line between sizes in the logarithms.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.scaling import seconds_of
from benchmarks.timing import FOLDER, benchmark_parser, machine, parse_benchmark, publish
from lab.reports.results import BenchmarkResult
from nets import linear_attention, quadratic_features, softmax_attention
from theory import attention_cost

SIZES = tuple(2**power for power in range(6, 15))
WEIGHTS, SDPA, FEATURES = "softmax with its weights", "torch SDPA", "quadratic features"


def main() -> None:
    """Measure the crossover at each width, and print and keep the table."""
    arguments = _parse()
    where = machine()
    rows = [crossover_row(width, arguments.sizes, arguments.rounds) for width in arguments.widths]
    columns = ["D", "D²", "features C", "predicted N", f"measured N, {WEIGHTS}", f"measured N, {SDPA}"]
    title = "Where the quadratic kernel becomes cheaper by its features than softmax (tokens)"
    result = BenchmarkResult("attention_crossover", title, columns, rows, where)
    publish(result, None if arguments.smoke else FOLDER)


def crossover_row(width: int, sizes: Sequence[int], rounds: int) -> list[str]:
    """The predicted and the measured crossovers at one width."""
    times = [measure(size, width, rounds) for size in sizes]
    measured = [crossing(sizes, [(at[rival], at[FEATURES]) for at in times]) for rival in (WEIGHTS, SDPA)]
    features = quadratic_features(torch.zeros(1, width)).shape[-1]
    shown = [f"{tokens:,.0f}" if tokens else f"> {sizes[-1]:,}" for tokens in measured]
    return [str(width), f"{width**2:,}", f"{features:,}", f"{predicted(width):,}", *shown]


def predicted(width: int) -> int:
    """The first number of tokens at which the features need fewer multiply-adds."""

    def cheaper(tokens: int) -> bool:
        softmax, features = (attention_cost(tokens, width, width, kind) for kind in ("softmax", "quadratic"))
        return features.multiply_adds < softmax.multiply_adds

    return next(tokens for tokens in range(1, 4 * width**2) if cheaper(tokens))


def measure(size: int, width: int, rounds: int) -> dict[str, float]:
    """The median seconds of each contender over alternating rounds."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 1, size, width) for _ in range(3))
    contenders = {
        WEIGHTS: partial(softmax_attention, q, k, v, return_weights=True),
        SDPA: partial(F.scaled_dot_product_attention, q, k, v),
        FEATURES: partial(linear_attention, q, k, v, quadratic_features),
    }
    with torch.no_grad():
        seconds = [{name: seconds_of(call) for name, call in contenders.items()} for _ in range(rounds + 1)]
    return {name: median(once[name] for once in seconds[1:]) for name in contenders}  # the first warms up


def crossing(sizes: Sequence[int], times: Sequence[tuple[float, float]]) -> float | None:
    """The size from which on the second time stays below the first, or None where that is never."""
    gaps = [math.log(second / first) for first, second in times]
    if gaps[-1] >= 0:
        return None
    last = max((index for index, gap in enumerate(gaps) if gap >= 0), default=None)
    if last is None:
        return float(sizes[0])
    share = gaps[last] / (gaps[last] - gaps[last + 1])
    return sizes[last] * (sizes[last + 1] / sizes[last]) ** share


def _parse() -> argparse.Namespace:
    parser = benchmark_parser(__doc__, rounds=9)
    parser.add_argument("--widths", type=int, nargs="+", default=[8, 16, 32, 64])
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), help="numbers of tokens, ascending")
    arguments = parse_benchmark(parser, widths=[4], sizes=[32, 64])
    if min(arguments.widths) < 2 or min(arguments.sizes) < 1 or arguments.rounds < 1:
        parser.error("--widths must be at least 2, --sizes and --rounds at least 1")
    return arguments


if __name__ == "__main__":
    main()
