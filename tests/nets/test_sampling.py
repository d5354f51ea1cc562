"""Greedy search and sampling against small tables of probabilities."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nets import Hypotheses, greedy_search, sample_search

CHAIN = torch.tensor([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.05, 0.15, 0.8]], dtype=torch.float64)  # from row to column
Search = Callable[..., Hypotheses]
searches = pytest.mark.parametrize("search", [greedy_search, sample_search])


def chain_step(tokens: Tensor, steps: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """A Markov chain whose state is the list of all tokens that it was given."""
    return CHAIN[tokens].log(), [*steps, tokens]


def constant(log_probs: Tensor, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
    return log_probs.expand(len(tokens), -1), state


def draw_by_seed(seed: int, number: int = 20, length: int = 6, **options: Any) -> Hypotheses:
    generator = torch.Generator().manual_seed(seed)
    return sample_search(chain_step, [], torch.zeros(number, dtype=torch.long), length, generator=generator, **options)


def test_greedy_search_takes_the_most_probable_token_at_every_step() -> None:
    found = greedy_search(chain_step, [], torch.tensor([0, 1, 2]), 4)
    assert found.tokens.tolist() == [[[1, 0, 1, 0]], [[0, 1, 0, 1]], [[2, 2, 2, 2]]]
    products = [[0.5 * 0.6 * 0.5 * 0.6], [0.6 * 0.5 * 0.6 * 0.5], [0.8**4]]
    assert_close(found.log_probs.exp(), torch.tensor(products, dtype=torch.float64))
    assert found.history is None


def test_of_equally_probable_tokens_greedy_search_takes_the_smallest() -> None:
    log_probs = torch.full((1000,), -7.0)
    log_probs[:400] = -8
    found = greedy_search(partial(constant, log_probs), None, torch.zeros(9, dtype=torch.long), 3)
    assert torch.equal(found.tokens, torch.full((9, 1, 3), 400))


def test_behind_its_end_a_sequence_holds_eos_and_adds_nothing() -> None:
    found = greedy_search(chain_step, [], torch.tensor([0, 1, 2]), 4, eos=0)
    assert found.tokens.tolist() == [[[1, 0, 0, 0]], [[0, 0, 0, 0]], [[2, 2, 2, 2]]]
    assert_close(found.log_probs[:, 0].exp(), torch.tensor([0.5 * 0.6, 0.6, 0.8**4], dtype=torch.float64))
    assert greedy_search(chain_step, [], torch.tensor([2]), 4, eos=2).tokens.tolist() == [[[2]]]


@searches
def test_the_search_ends_when_all_sequences_have_ended(search: Search) -> None:
    given = []

    def step(tokens: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
        """Token 1, until 2 is certain after 1, 3 and 2 steps."""
        given.append(tokens.tolist())
        return torch.where(left[:, None] == 1, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0])).log(), left - 1

    found = search(step, torch.tensor([1, 3, 2]), torch.tensor([0, 0, 0]), 50, eos=2)
    assert found.tokens.tolist() == [[[2, 2, 2]], [[1, 1, 2]], [[1, 2, 2]]]
    assert not found.log_probs.any() and [tokens[1] for tokens in given] == [0, 1, 1]
    endless = search(step, torch.tensor([1, 3, 2]), torch.tensor([0, 0, 0]), 5)
    assert endless.tokens.shape == (3, 1, 5) and len(given) == 8


@searches
def test_every_step_is_given_the_last_tokens_and_the_last_state(search: Search) -> None:
    states = []

    def step(tokens: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        assert not torch.is_grad_enabled()
        log_probs, state = chain_step(tokens, state)
        states.append(state)
        return log_probs.requires_grad_(), state

    start = torch.tensor([2, 0, 1, 1])
    found = search(step, [], start, 5)
    assert [len(state) for state in states] == [1, 2, 3, 4, 5]
    assert torch.equal(torch.stack(states[-1], dim=1), torch.cat([start[:, None], found.tokens[:, 0, :-1]], dim=1))
    assert not found.log_probs.requires_grad


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_sequences_are_as_frequent_as_their_tempered_probabilities_say(temperature: float) -> None:
    number = 20_000
    found = draw_by_seed(1, number, 2, temperature=temperature)
    tempered = CHAIN ** (1 / temperature)
    tempered /= tempered.sum(dim=1, keepdim=True)
    expected = number * (tempered[0][:, None] * tempered).flatten()
    counts = (3 * found.tokens[:, 0, 0] + found.tokens[:, 0, 1]).bincount(minlength=9)
    assert ((counts - expected) ** 2 / expected).sum() < 20.1  # chi-square: 1 % of all seeds exceed it


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("eos", [None, 1])
def test_log_probabilities_are_those_of_the_model_whatever_the_temperature(temperature: float, eos: int | None) -> None:
    found = draw_by_seed(0, temperature=temperature, eos=eos)
    assert found.log_probs.shape == (20, 1) and found.tokens.shape == (20, 1, 6)
    for tokens, log_prob in zip(found.tokens[:, 0].tolist(), found.log_probs[:, 0].tolist(), strict=True):
        length = tokens.index(eos) + 1 if eos in tokens else 6
        assert tokens[length:] == [eos] * (6 - length)
        steps = zip([0, *tokens], tokens[:length], strict=False)
        assert log_prob == pytest.approx(sum(math.log(CHAIN[before, after]) for before, after in steps))


def test_tokens_of_probability_zero_are_never_drawn() -> None:
    log_probs = torch.tensor([0.0, 0.5, 0.0, 0.5]).log()
    found = sample_search(partial(constant, log_probs), None, torch.zeros(1000, dtype=torch.long), 2, temperature=10)
    assert found.tokens.unique().tolist() == [1, 3]


def test_the_same_generator_draws_the_same_and_torch_has_its_own() -> None:
    torch.manual_seed(0)
    assert torch.equal(draw_by_seed(3).tokens, draw_by_seed(3).tokens)
    assert torch.equal(draw_by_seed(3).tokens, draw_by_seed(3, temperature=1.0).tokens)
    assert not torch.equal(draw_by_seed(3).tokens, draw_by_seed(4).tokens)
    untouched = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(1), untouched)
    start = torch.zeros(20, dtype=torch.long)
    first, second = (sample_search(chain_step, [], start, 6).tokens for _ in range(2))
    torch.manual_seed(0)
    torch.rand(1)
    assert torch.equal(sample_search(chain_step, [], start, 6).tokens, first) and not torch.equal(first, second)


@pytest.mark.parametrize("eos", [None, 0, 2])
def test_a_tiny_temperature_draws_what_greedy_search_takes(eos: int | None) -> None:
    start = torch.tensor([0, 1, 2] * 10)
    found = sample_search(chain_step, [], start, 6, eos, temperature=1e-3)
    greedy = greedy_search(chain_step, [], start, 6, eos)
    assert torch.equal(found.tokens, greedy.tokens)
    assert_close(found.log_probs, greedy.log_probs, rtol=0, atol=0)


@searches
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_log_probabilities_are_summed_in_single_precision_or_better(search: Search, dtype: torch.dtype) -> None:
    log_prob = torch.tensor([-0.0101], dtype=dtype)
    found = search(partial(constant, log_prob), None, torch.tensor([0]), 300)
    assert found.log_probs.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert found.log_probs.item() == pytest.approx(300 * log_prob.item(), rel=1e-5)


@searches
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_length": 0}, "max_length must be at least 1, but it is 0"),
        ({"start": torch.zeros(3)}, r"start must be integers \(B,\), .* shape \(3,\) and the type torch.float32"),
        ({"start": torch.tensor([[0, 0, 0]])}, r"the first token of each sequence, .* the shape \(1, 3\)"),
        ({"start": torch.zeros(0, dtype=torch.long)}, r"the shape \(0,\) and the type torch.int64"),
        ({"step": lambda *_: (torch.zeros(2, 4), None)}, r"log-probabilities \(3, V\), but they are \(2, 4\)"),
        ({"step": lambda *_: (torch.zeros(3, 1, 4), None)}, r"log-probabilities \(3, V\), but they are \(3, 1, 4\)"),
        ({"eos": 2}, r"eos must be one of the tokens 0 … 1, but it is 2"),
        ({"eos": -1}, r"eos must be one of the tokens 0 … 1, but it is -1"),
        ({"step": partial(constant, torch.tensor([-1, torch.nan]))}, "log-probabilities, but some of them are NaN"),
    ],
)
def test_arguments_out_of_range_and_other_steps_are_refused(
    search: Search, arguments: dict[str, Any], message: str
) -> None:
    usual = {"step": partial(constant, torch.zeros(2)), "state": None, "start": torch.tensor([0, 0, 0])}
    with pytest.raises(ValueError, match=message):
        search(**{**usual, "max_length": 3, **arguments})


@pytest.mark.parametrize("temperature", [0, -1.0, math.nan])
def test_temperatures_that_are_not_above_zero_are_refused(temperature: float) -> None:
    with pytest.raises(ValueError, match=f"temperature must be above 0, but it is {temperature}"):
        sample_search(chain_step, [], torch.tensor([0]), 3, temperature=temperature)
