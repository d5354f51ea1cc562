"""The contenders of ``beam_search.py``: three ways to search with the same recurrent language model.

The weights are random, those of the readout ten times as large as initialised: without that, float32 sums tie in about
one of 64 sequences, and of equals generate keeps any. The loop takes one hypothesis of one sequence at a time. generate
has neither attention mask nor logits processors, compilation or scores; with k = 1 it is a greedy search.
"""

from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from operator import itemgetter
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nets import Hypotheses, RecurrentLanguageModel, beam_search

try:
    from transformers import GenerationConfig, GenerationMixin, PreTrainedConfig, PreTrainedModel, logging
    from transformers.modeling_outputs import CausalLMOutputWithPast
except ImportError as error:
    raise SystemExit(f"{error}: pip install -r requirements-bench.txt") from error

logging.set_verbosity_error()  # of one beam it says that nothing is searched
EOS, NUM_CONDITIONS, SHARPER = 0, 18, 10.0  # as many conditions as surnames have languages
BEST_FIRST = {"key": itemgetter(0), "reverse": True}
OURS, LOOP, GENERATE = "archlab", "loop over hypotheses", f"transformers {version('transformers')} generate"
REREADS, NETWORK = "generate without a cache", "the network alone"


class Search(NamedTuple):
    """What is searched for: the k best sequences of at most T of M tokens, B times."""

    B: int = 64
    k: int = 8
    T: int = 20
    M: int = 58
    eos: int | None = None

    def __str__(self) -> str:
        return f"B = {self.B}, k = {self.k}, T = {self.T}, M = {self.M}"


def contenders_of(search: Search, scores: bool = False) -> dict[str, Callable[[], Hypotheses]]:
    """The searches with the same network; generate tells log-probabilities only where ``scores`` are wanted."""
    torch.manual_seed(0)
    model = RecurrentLanguageModel(search.M, NUM_CONDITIONS).eval().requires_grad_(False)
    model.readout.weight.mul_(SHARPER)
    start = torch.randint(1, search.M, (search.B,))
    conditions = torch.randint(NUM_CONDITIONS, (search.B,))
    state = model.initial_state(conditions)
    return {
        OURS: lambda: beam_search(model.step, state, start, search.k, search.T, search.eos, num_return=search.k),
        LOOP: lambda: looped_search(model, start, conditions, search),
        GENERATE: partial(Wrapped(model, search, scores, use_cache=True).find, start, conditions),
        REREADS: partial(Wrapped(model, search, scores, use_cache=False).find, start, conditions),
        NETWORK: partial(run_network, model, start.repeat(search.k), conditions.repeat(search.k), search.T),
    }


def run_network(model: RecurrentLanguageModel, tokens: Tensor, conditions: Tensor, steps: int) -> None:
    state = model.initial_state(conditions)
    for _ in range(steps):
        _, state = model.step(tokens, state)


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

    def __init__(self, model: RecurrentLanguageModel, search: Search, scores: bool, use_cache: bool) -> None:
        super().__init__(PreTrainedConfig())
        self.model, self.width = model, search.k
        self.settings = GenerationConfig(
            num_beams=self.width, num_return_sequences=self.width, max_new_tokens=search.T, do_sample=False,
            eos_token_id=search.eos, pad_token_id=search.eos, length_penalty=0.0, early_stopping="never",
            use_cache=use_cache, disable_compile=True, return_dict_in_generate=True, output_scores=scores,
        )  # fmt: skip

    def forward(self, input_ids: Tensor, conditions: Tensor, past_key_values: Any = None, **_: Any) -> Any:
        cache = past_key_values or MemoryCache()  # with one the tokens are (B·k, 1), else (B·k, t)
        condition = self.model.condition(conditions)[:, None].expand(-1, input_ids.shape[1], -1)
        outputs, cache.memory = self.model.rnn(
            torch.cat([self.model.embedding(input_ids), condition], -1), cache.memory
        )
        logits = self.model.readout(outputs[:, -1:])  # no log-softmax, generate has its own
        return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)

    def find(self, start: Tensor, conditions: Tensor) -> Hypotheses:
        cache = {"past_key_values": MemoryCache()} if self.settings.use_cache else {}
        found = self.generate(start[:, None], generation_config=self.settings, conditions=conditions, **cache)
        log_probs = found.sequences_scores.view(-1, self.width) if self.settings.output_scores else None
        return Hypotheses(found.sequences[:, 1:].unflatten(0, (-1, self.width)), log_probs)
