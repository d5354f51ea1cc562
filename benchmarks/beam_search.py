"""Beam search of a recurrent language model against a loop over hypotheses and against Hugging Face's generate.

python benchmarks/beam_search.py            (pip install -r requirements-bench.txt; about ten minutes on two CPU cores)
python benchmarks/beam_search.py --smoke    does it run at all?

An LSTM of 256 units, float32. Each contender finds the k best hypotheses of B sequences, T steps, M tokens; first it is
checked that they are the same. The weights are random, those of the readout ten times as large as initialised: without
that, float32 sums tie in about one of 64 sequences, and of equals generate keeps any. The loop takes one hypothesis of
one sequence at a time; it is left out where it is expected to take longer than 20 seconds. generate has a cache of
the memory, and neither attention mask nor logits processors, compilation or scores; with k = 1 it is a greedy search.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.scaling import growth, seconds_of
from benchmarks.timing import Comparison, Measurement, alternate, machine
from nets import Hypotheses, RecurrentLanguageModel, beam_search

try:
    from transformers import GenerationConfig, GenerationMixin, PreTrainedConfig, PreTrainedModel, logging
    from transformers.modeling_outputs import CausalLMOutputWithPast
except ImportError as error:
    raise SystemExit(f"{error}: pip install -r requirements-bench.txt") from error

EOS, NUM_CONDITIONS, SHARPER = 0, 18, 10.0  # as many conditions as surnames have languages
BEST_FIRST = {"key": itemgetter(0), "reverse": True}
OURS, LOOP, GENERATE = NAMES = "archlab", "loop over hypotheses", f"transformers {version('transformers')} generate"
TOLERANCE, LIMIT, TARGETS = 1e-4, 20.0, {LOOP: 20.0, GENERATE: 3.0}
SIZES = {"T": (5, 10, 20, 40, 80), "k": (1, 2, 4, 8, 16, 32), "M": (58, 256, 1024, 4096, 16_384)}
Times = dict[str, dict[int, list[float]]]  # the seconds of each round, by contender and size


class Search(NamedTuple):
    """What is searched for: the k best sequences of at most T of M tokens, B times."""

    B: int = 64
    k: int = 8
    T: int = 20
    M: int = 58
    eos: int | None = None

    def __str__(self) -> str:
        return f"B = {self.B}, k = {self.k}, T = {self.T}, M = {self.M}"


def main() -> None:
    """Check that all find the same, compare them without and with an end of sequences, and let T, k and M grow."""
    arguments = _parse()
    torch.set_num_threads(arguments.threads)
    logging.set_verbosity_error()  # of one beam it says that nothing is searched
    search = Search(3, 3, 5) if arguments.smoke else Search()
    print(equal := check_equal(search))
    rounds, number = (2, 2) if arguments.smoke else (arguments.rounds, None)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) if arguments.smoke else Path("runs/benchmarks")
        for suffix, eos in {"": None, "_eos": EOS}.items():
            comparison = compare(search._replace(eos=eos), rounds, equal)
            comparison.show()
            comparison.save(folder / f"beam_search{suffix}")
        where = machine()
        times = {letter: measure(search, letter, sizes[:number], rounds) for letter, sizes in SIZES.items()}
        save_scaling(times, f"Beam search over T, k and M, else {search}", where, folder / "beam_search_scaling.md")


def contenders_of(search: Search, scores: bool = False) -> dict[str, Callable[[], Hypotheses]]:
    """The searches with the same network; generate tells log-probabilities only where ``scores`` are wanted."""
    torch.manual_seed(0)
    model = RecurrentLanguageModel(search.M, NUM_CONDITIONS).eval().requires_grad_(False)
    model.readout.weight.mul_(SHARPER)
    start = torch.randint(1, search.M, (search.B,))
    conditions = torch.randint(NUM_CONDITIONS, (search.B,))
    state, wrapped = model.initial_state(conditions), Wrapped(model, search, scores)
    return {
        OURS: lambda: beam_search(model.step, state, start, search.k, search.T, search.eos, num_return=search.k),
        LOOP: lambda: looped_search(model, start, conditions, search),
        GENERATE: lambda: wrapped.find(start, conditions),
    }


@torch.no_grad()
def looped_search(model: RecurrentLanguageModel, start: Tensor, conditions: Tensor, search: Search) -> Hypotheses:
    """Beam search as a handout tells it, by the rules of ``nets.beam_search``."""
    states = (model.initial_state(condition[None]) for condition in conditions)
    found = [_search_one(model, first, state, search) for first, state in zip(start.tolist(), states, strict=True)]
    tokens = [[tokens + [EOS] * (search.T - len(tokens)) for _, tokens, _ in of_one] for of_one in found]
    return Hypotheses(torch.tensor(tokens), torch.tensor([[item[0] for item in of_one] for of_one in found]))


def _search_one(model: RecurrentLanguageModel, first: int, state: Any, search: Search) -> list[tuple]:
    live, finished = [(0.0, [], state)], []  # log-probabilities, tokens and states
    for _ in range(search.T):
        steps = [model.step(torch.tensor(tokens[-1:] or [first]), state) for _, tokens, state in live]
        sums = torch.cat([item[0] + log_probs[0] for item, (log_probs, _) in zip(live, steps, strict=True)])
        best, places = (part[: 2 * search.k].tolist() for part in sums.sort(descending=True, stable=True))
        going_on = []
        for rank, (log_prob, place) in enumerate(zip(best, places, strict=True)):
            parent, token = divmod(place, search.M)
            if token != search.eos or rank < search.k:  # those that end must be among the k best
                kept = finished if token == search.eos else going_on
                kept.append((log_prob, [*live[parent][1], token], steps[parent][1]))
        live, finished = going_on[: search.k], sorted(finished, **BEST_FIRST)[: search.k]
        if len(finished) == search.k and live[0][0] <= finished[-1][0]:
            return finished
    return sorted(finished + live, **BEST_FIRST)[: search.k]


class MemoryCache:
    """The memory (L, B·k, H) of a recurrent network, with all that generate asks of a cache."""

    memory: tuple[Tensor, ...] | None = None

    def get_seq_length(self) -> int:
        return 0  # generate asks before the first token only

    def reorder_cache(self, rows: Tensor) -> None:
        self.memory = tuple(part.index_select(1, rows) for part in self.memory)


class Wrapped(PreTrainedModel, GenerationMixin):
    """Our network and our rules for generate: its "never" stops early only where nothing better can come."""

    def __init__(self, model: RecurrentLanguageModel, search: Search, scores: bool) -> None:
        super().__init__(PreTrainedConfig())
        self.model, self.width = model, search.k
        self.settings = GenerationConfig(
            num_beams=self.width, num_return_sequences=self.width, max_new_tokens=search.T, do_sample=False,
            eos_token_id=search.eos, pad_token_id=search.eos, length_penalty=0.0, early_stopping="never",
            use_cache=True, disable_compile=True, return_dict_in_generate=True, output_scores=scores,
        )  # fmt: skip

    def forward(self, input_ids: Tensor, conditions: Tensor, past_key_values: MemoryCache, **_: Any) -> Any:
        condition = self.model.condition(conditions)[:, None]  # the tokens are (B·k, 1); no log-softmax, it has its own
        inputs = torch.cat([self.model.embedding(input_ids), condition], dim=-1)
        outputs, past_key_values.memory = self.model.rnn(inputs, past_key_values.memory)
        return CausalLMOutputWithPast(logits=self.model.readout(outputs), past_key_values=past_key_values)

    def find(self, start: Tensor, conditions: Tensor) -> Hypotheses:
        inputs = {"conditions": conditions, "past_key_values": MemoryCache()}
        found = self.generate(start[:, None], generation_config=self.settings, **inputs)
        log_probs = found.sequences_scores.view(-1, self.width) if self.settings.output_scores else None
        return Hypotheses(found.sequences[:, 1:].unflatten(0, (-1, self.width)), log_probs)


def check_equal(search: Search) -> str:
    """A sentence that says that all find the same, without ``eos`` and with it; else it raises RuntimeError."""
    largest = 0.0
    for eos in (None, EOS):
        found = {name: call() for name, call in contenders_of(search._replace(eos=eos), scores=True).items()}
        tokens = {name: F.pad(of.tokens, (0, search.T - of.tokens.shape[-1])) for name, of in found.items()}
        for name in (LOOP, GENERATE):
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
    for name, of_name in measure(search, "T", (search.T,), rounds + 1).items():
        values = [1e3 * seconds for seconds in of_name[search.T][1:]]  # the first round warms up
        facts = {"hypotheses/s": f"{1e3 * search.B * search.k / median(values):,.0f}"}
        measurements.append(Measurement(name, values, facts))
    for item in measurements[1:]:
        ratio, target = item.ratio_to(measurements[0]), TARGETS[item.name]
        verdict += f" Our hypotheses/s in units of those of {item.name}: {ratio:.3g}, target ≥ {target:g}: "
        verdict += "met." if ratio >= target else "not met."
    title = f"Beam search of an LSTM {'without' if search.eos is None else 'with'} an end of sequences ({search})"
    return Comparison(title, "ms", measurements, verdict, machine())


def measure(search: Search, letter: str, sizes: tuple[int, ...], rounds: int) -> Times:
    """Times while one of T, k and M grows; the loop leaves when it is expected to take too long."""
    times: Times = {name: {} for name in NAMES}
    for size in sizes:
        contenders = contenders_of(search._replace(**{letter: size}))
        last = max(times[LOOP], default=size)
        if median(times[LOOP].get(last, [0.0])) * size / last > LIMIT:
            del contenders[LOOP]
        print(f"{letter} = {size:,}: {', '.join(contenders)}", flush=True)
        timed = {name: partial(seconds_of, call) for name, call in contenders.items()}
        for name, seconds in alternate(timed, rounds).items():
            times[name][size] = seconds
    return times


def save_scaling(times: Mapping[str, Times], title: str, where: str, path: Path) -> None:
    """Print the times and how they grow, and write them to ``path``, as .json and as .png."""
    rows = [["", "", *(f"{name} (ms)" for name in NAMES)], ["---"] + ["---:"] * (1 + len(NAMES))]
    for letter, of_letter in times.items():
        for size in of_letter[OURS]:
            values = (of_letter[name].get(size) for name in NAMES)
            rows.append([letter, f"{size:,}", *(f"{1e3 * median(rounds):,.4g}" if rounds else "" for rounds in values)])
        for kind, count in {"all": 0, "two largest": 2}.items():
            exponents = (growth(dict(list(of_letter[name].items())[-count:])) for name in NAMES)
            rows.append([f"time ∝ {letter}^", kind, *(f"{exponent:.2f}" for exponent in exponents)])
    text = "\n".join([f"### {title}", "", *("| " + " | ".join(cells) + " |" for cells in rows), "", where, ""])
    print(text)
    path.write_text(text, encoding="utf-8")
    path.with_suffix(".json").write_text(json.dumps({"machine": where, "seconds": times}, indent=2), encoding="utf-8")
    draw(times, title, path.with_suffix(".png"))


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


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
    parser.add_argument("--smoke", action="store_true", help="does it run at all? its numbers mean nothing")
    return parser.parse_args()


if __name__ == "__main__":
    main()
