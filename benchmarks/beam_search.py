"""Beam search of a recurrent language model against a loop over hypotheses and against Hugging Face's generate.

python benchmarks/beam_search.py            (pip install -r requirements-bench.txt; about ten minutes on two CPU cores)
python benchmarks/beam_search.py --smoke    does it run at all?

An LSTM of 256 units, float32. Each contender of ``searches.py`` finds the k best hypotheses of B sequences, T steps, M
tokens; first it is checked that they are the same. generate is timed with a cache of the network's memory, and without
one, as it treats a network that it does not know: then it reads each prefix again. What none can do without, the T
steps of the network for B·k rows, is timed alone. The loop is left out where it is expected to take over a minute.
"""

import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.scaling import growth, seconds_of
from benchmarks.searches import EOS, GENERATE, LOOP, NETWORK, OURS, REREADS, Search, contenders_of
from benchmarks.timing import (
    FOLDER,
    Comparison,
    Measurement,
    alternate,
    benchmark_parser,
    machine,
    parse_benchmark,
    publish,
)
from lab.reports.results import BenchmarkResult

NAMES = (OURS, LOOP, GENERATE)  # of which the growth is measured
TOLERANCE, LIMIT, TARGETS = 1e-4, 60.0, {LOOP: 20.0, GENERATE: 3.0, REREADS: 3.0}
SIZES = {"T": (5, 10, 20, 40, 80), "k": (1, 2, 4, 8, 16, 32), "M": (58, 256, 1024, 4096, 16_384)}
Times = dict[str, dict[int, list[float]]]  # the seconds of each round, by contender and size


def main() -> None:
    """Check that all find the same, compare them without and with an end of sequences, and let T, k and M grow."""
    arguments = parse_benchmark(benchmark_parser(__doc__, rounds=5))
    search = Search(3, 3, 5) if arguments.smoke else Search()
    print(equal := check_equal(search))
    rounds, number = (2, 2) if arguments.smoke else (arguments.rounds, None)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if arguments.smoke else FOLDER
        for suffix, eos in {"": None, "_eos": EOS}.items():
            comparison = compare(search._replace(eos=eos), rounds, equal)
            publish(comparison.result(f"beam_search{suffix}"), folder)
        where = machine()
        times = {letter: measure(search, letter, sizes[:number], rounds) for letter, sizes in SIZES.items()}
        save_scaling(times, f"Beam search over T, k and M, else {search}", where, folder)


def check_equal(search: Search) -> str:
    """A sentence that says that all find the same, without ``eos`` and with it; else it raises RuntimeError."""
    largest = 0.0
    for eos in (None, EOS):
        contenders = contenders_of(search._replace(eos=eos), scores=True)
        found = {name: call() for name, call in contenders.items() if name != NETWORK}
        tokens = {name: F.pad(of.tokens, (0, search.T - of.tokens.shape[-1])) for name, of in found.items()}
        for name in TARGETS:
            differing = int((tokens[name] != tokens[OURS]).any(dim=-1).sum())
            gap = float((found[name].log_probs - found[OURS].log_probs).abs().max())
            if differing or not gap <= TOLERANCE:
                raise RuntimeError(f"{name}, eos={eos}: {differing} hypotheses differ, log-probabilities by {gap:.2g}.")
            largest = max(largest, gap)
    ended = (tokens[OURS] == EOS).any(dim=-1).float().mean()
    return (
        f"Equal outputs ({search}): all find the same tokens of all hypotheses, without an end of sequences and with "
        f"one (that {ended:.0%} reach), and log-probabilities within {largest:.1g} of ours."
    )


def compare(search: Search, rounds: int, equal: str) -> Comparison:
    """All at one size."""
    measurements, verdict = [], equal
    names = (*NAMES, REREADS, NETWORK)
    for name, of_name in measure(search, "T", (search.T,), rounds + 1, names).items():
        values = [1e3 * seconds for seconds in of_name[search.T][1:]]  # the first round warms up
        facts = {"hypotheses/s": f"{1e3 * search.B * search.k / median(values):,.0f}"}
        measurements.append(Measurement(name, values, facts))
    for item in measurements[1:-1]:
        ratio, target = item.ratio_to(measurements[0]), TARGETS[item.name]
        verdict += f" Our hypotheses/s in units of those of {item.name}: {ratio:.3g}, target ≥ {target:g}: "
        verdict += "met." if ratio >= target else "not met."
    title = f"Beam search of an LSTM {'without' if search.eos is None else 'with'} an end of sequences ({search})"
    return Comparison(title, "ms", measurements, verdict, machine())


def measure(search: Search, letter: str, sizes: tuple[int, ...], rounds: int, names: tuple[str, ...] = NAMES) -> Times:
    """Times while one of T, k and M grows; the loop leaves when it is expected to take too long."""
    times: Times = {name: {} for name in names}
    for size in sizes:
        every = contenders_of(search._replace(**{letter: size}))
        contenders = {name: every[name] for name in names}
        last = max(times[LOOP], default=size)
        if median(times[LOOP].get(last, [0.0])) * size / last > LIMIT:
            del contenders[LOOP]
        print(f"{letter} = {size:,}: {', '.join(contenders)}", flush=True)
        timed = {name: partial(seconds_of, call) for name, call in contenders.items()}
        for name, seconds in alternate(timed, rounds).items():
            times[name][size] = seconds
    return times


def save_scaling(times: Mapping[str, Times], title: str, where: str, folder: Path) -> None:
    """Print the times and how they grow, and write them to ``folder``, as data and as a picture."""
    columns, rows = ["", "", *(f"{name} (ms)" for name in NAMES)], []
    for letter, of_letter in times.items():
        for size in of_letter[OURS]:
            values = (of_letter[name].get(size) for name in NAMES)
            rows.append([letter, f"{size:,}", *(f"{1e3 * median(rounds):,.4g}" if rounds else "" for rounds in values)])
        for kind, count in {"all": 0, "two largest": 2}.items():
            exponents = (growth(dict(list(of_letter[name].items())[-count:])) for name in NAMES)
            rows.append([f"time ∝ {letter}^", kind, *(f"{value:.2f}" if value == value else "" for value in exponents)])
    publish(BenchmarkResult("beam_search_scaling", title, columns, rows, where, details={"seconds": times}), folder)
    draw(times, title, folder / "beam_search_scaling.png")


def draw(times: Mapping[str, Times], title: str, path: Path) -> None:
    """Time over T, k and M on logarithmic axes, with the fitted exponents in the legends."""
    figure = Figure(figsize=(15.0, 5.0), layout="constrained")
    for axes, (letter, of_letter) in zip(figure.subplots(1, 3, sharey=True), times.items(), strict=True):
        for name, values in of_letter.items():
            seconds, label = [median(rounds) for rounds in values.values()], f"{name}: {letter}^{growth(values):.2f}"
            axes.loglog(list(values), seconds, marker="o", linewidth=2.5 if name == OURS else 1.2, label=label)
        axes.set_xscale("log", base=2)
        axes.set(xlabel=letter, ylabel="seconds" if letter == "T" else "")
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=8)
    figure.suptitle(title)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
