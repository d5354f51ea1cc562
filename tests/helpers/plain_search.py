"""Models for searches, and the beam search of the docstring written with lists, one sequence at a time."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from nets import Hypotheses
from nets.search import Step

Found = tuple[float, tuple[int, ...]]  # log-probability, tokens


class Model:
    """Knows the whole past: its table (B, pasts, V) tells the log-probabilities that follow each."""

    def __init__(self, table: Tensor) -> None:
        self.table, self.steps = table, 0
        self.state = (torch.arange(len(table)), torch.full((len(table),), -1))  # before the start

    def after(self, past: Any, token: Any) -> Any:
        return (past + 1) * self.table.shape[2] + token

    def step(self, tokens: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        self.steps += 1
        row, past = state[0], self.after(state[1], tokens)
        return self.table[row, past], (row, past)


def random_model(vocabulary: int, length: int, batch: int = 3, forbidden: float = 0.0) -> Model:
    pasts = sum(vocabulary**steps for steps in range(1, length + 1))
    table = 1.5 * torch.randn(batch, pasts, vocabulary, dtype=torch.float64)
    return Model(table.log_softmax(dim=2).masked_fill(torch.rand(table.shape) < forbidden, -torch.inf))


def always(log_probs: Tensor) -> Step:
    return lambda tokens, state: (log_probs.expand(len(tokens), -1), state)


def every_sequence(model: Model, row: list, past: int, length: int, eos: int | None) -> Iterator[Found]:
    for token, log_prob in enumerate(row[past]):
        if length == 1 or token == eos:
            yield log_prob, (token,)
        else:
            for rest, tokens in every_sequence(model, row, model.after(past, token), length - 1, eos):
                yield log_prob + rest, (token, *tokens)


def ranked(found: Iterable[Found], penalty: float) -> list[Found]:
    return sorted(found, key=lambda each: -each[0] / len(each[1]) ** penalty)


def plain_search(
    model: Model, row: list, start: int, beam_width: int, max_length: int, eos: int | None, penalty: float
) -> tuple[list[Found], list[list[Found]]]:
    """What the docstring says, for one sequence: the finished, best first, and those that went on at every step."""
    pasts, live, finished, history = {(): start}, [(0.0, ())], [], []
    for length in range(1, max_length + 1):
        found = [(total + each, (*tokens, i)) for total, tokens in live for i, each in enumerate(row[pasts[tokens]])]
        found = sorted((each for each in found if each[0] > -math.inf), key=lambda each: -each[0])
        pasts |= {tokens: model.after(pasts[tokens[:-1]], tokens[-1]) for _, tokens in found}
        finished += [each for each in found[:beam_width] if each[1][-1] == eos]
        live = [each for each in found if each[1][-1] != eos][:beam_width]
        history.append(live)
        finished = ranked([*finished, *(live if length == max_length else [])], penalty)[:beam_width]
        total, tokens = finished[-1] if len(finished) == beam_width else (-math.inf, "?")
        hopes = [each / end**penalty for each, _ in live[:1] for end in range(length + 1, max_length + 1)]
        if not any(hope > total / len(tokens) ** penalty for hope in hopes):
            break
    return finished, history


def assert_found(found: Hypotheses, row: int, expected: list[Found], eos: int | None) -> None:
    """The same sequences, behind their ends ``eos``; −inf where there are no more."""
    tokens, log_probs = found.tokens[row].tolist(), found.log_probs[row].tolist()
    for ours, (_, theirs) in zip(tokens, expected, strict=False):
        assert ours == [*theirs, *[eos] * (len(ours) - len(theirs))]
    missing = [-math.inf] * (len(tokens) - len(expected))
    assert log_probs == pytest.approx([total for total, _ in expected[: len(tokens)]] + missing, abs=1e-12)
