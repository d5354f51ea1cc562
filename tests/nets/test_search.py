"""Beam search against every sequence, against Viterbi's algorithm, and against a plain search with lists."""

import math
from itertools import islice, product
from typing import Any

import pytest
import torch
from plain_search import Model, always, assert_found, every_sequence, plain_search, random_model, ranked
from torch import Tensor
from torch.testing import assert_close

from nets import beam_search, greedy_search

PENALTIES = [0, 1, -0.7, 2]
sizes = pytest.mark.parametrize(("vocabulary", "length"), list(product((2, 3, 4), (1, 2, 3, 4))))
ends = pytest.mark.parametrize("eos", [None, 0, -1], ids=["endless", "first ends", "last ends"])


@pytest.fixture(autouse=True)
def same_models_each_time() -> None:
    torch.manual_seed(0)


def test_the_beams_of_the_tree_of_two_words_are_those_by_hand() -> None:
    neural, network = 0, 1
    tree = {
        (): (-0.65, -0.73),
        (neural,): (-0.8, -0.6),
        (network,): (-0.6, -0.8),
        (neural, neural): (-0.01, -4.6),
        (neural, network): (-0.8, -0.6),
        (network, neural): (-0.8, -0.6),
        (network, network): (-0.7, -0.7),
    }
    start = torch.zeros(1, dtype=torch.long)

    def step(tokens: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        words = torch.cat([words, tokens[:, None]], dim=1)
        return torch.tensor([tree[tuple(past[1:])] for past in words.tolist()], dtype=torch.float64), words

    found = beam_search(step, start.new_zeros(1, 0), start, 2, 3, num_return=2, return_history=True)
    expected = [
        {(neural,): -0.65, (network,): -0.73},
        {(neural, network): -1.25, (network, neural): -1.33},
        {(neural, network, network): -1.85, (network, neural, network): -1.93},
    ]
    for kept, beams in zip(found.history, expected, strict=True):
        assert kept.tokens.tolist() == [[list(words) for words in beams]] and kept.history is None
        assert kept.log_probs[0].tolist() == pytest.approx(list(beams.values()))
    assert torch.equal(found.tokens, kept.tokens) and torch.equal(found.log_probs, kept.log_probs)
    best = beam_search(step, start.new_zeros(1, 0), start, 8, 3)
    assert best.tokens.tolist() == [[[neural, neural, neural]]] and best.history is None
    assert best.log_probs.tolist() == [[pytest.approx(-1.46)]]


@pytest.mark.parametrize("penalty", PENALTIES)
@ends
@sizes
def test_a_beam_as_wide_as_all_sequences_finds_every_one_in_order(
    vocabulary: int, length: int, eos: int | None, penalty: float
) -> None:
    model, start = random_model(vocabulary, length), torch.randint(vocabulary, (3,))
    eos, width = eos and eos % vocabulary, vocabulary**length
    found = beam_search(model.step, model.state, start, width, length, eos, penalty, width)
    assert found.tokens.shape == (3, width, length) and found.log_probs.shape == (3, width)
    for row, (table, first) in enumerate(zip(model.table.tolist(), start.tolist(), strict=True)):
        expected = ranked(every_sequence(model, table, first, length, eos), penalty)
        assert len(expected) == width if eos is None or length == 1 else 0 < len(expected) < width
        assert_found(found, row, expected, eos)


@ends
@sizes
def test_a_beam_of_one_finds_what_greedy_search_finds(vocabulary: int, length: int, eos: int | None) -> None:
    model, start = random_model(vocabulary, length, batch=8), torch.randint(vocabulary, (8,))
    eos = eos and eos % vocabulary
    found, greedy = (
        beam_search(model.step, model.state, start, 1, length, eos),
        greedy_search(model.step, model.state, start, length, eos),
    )
    assert torch.equal(found.tokens, greedy.tokens)
    assert_close(found.log_probs, greedy.log_probs, rtol=0, atol=1e-14)


@sizes
def test_in_a_markov_chain_a_wide_beam_finds_the_path_of_viterbi(vocabulary: int, length: int) -> None:
    chain = torch.randn(5, vocabulary, vocabulary, dtype=torch.float64).log_softmax(dim=2)
    start = torch.randint(vocabulary, (5,))
    found = beam_search(
        lambda tokens, row: (chain[row, tokens], row), torch.arange(5), start, vocabulary ** (length - 1), length
    )
    best, back = chain[torch.arange(5), start], []
    for _ in range(length - 1):
        best, parents = (best[:, :, None] + chain).max(dim=1)
        back.append(parents)
    total, token = best.max(dim=1)
    path = [token]
    for parents in reversed(back):
        path.append(parents.gather(1, path[-1][:, None])[:, 0])
    assert_close(found.log_probs[:, 0], total, rtol=0, atol=1e-12)
    assert torch.equal(found.tokens[:, 0], torch.stack(path[::-1], dim=1))


@pytest.mark.parametrize("forbidden", [0.0, 0.4], ids=["all tokens", "some tokens of probability 0"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("width", [1, 2, 3, 5])
@ends
def test_a_batch_gives_what_a_plain_search_gives_in_as_many_steps(
    eos: int | None, width: int, penalty: float, forbidden: float
) -> None:
    for vocabulary, length in ((2, 6), (3, 4), (4, 4), (5, 1)):
        model, start = random_model(vocabulary, length, 4, forbidden), torch.randint(vocabulary, (4,))
        end = eos and eos % vocabulary
        found = beam_search(model.step, model.state, start, width, length, end, penalty, width, True)
        steps = 0
        for row, (table, first) in enumerate(zip(model.table.tolist(), start.tolist(), strict=True)):
            expected, history = plain_search(model, table, first, width, length, end, penalty)
            assert_found(found, row, expected, end)
            for kept, live in zip(found.history, history, strict=False):
                assert_found(kept, row, live, None)
            steps = max(steps, len(history))
        assert model.steps == found.tokens.shape[2] == len(found.history) == steps
        shapes = [(*kept.tokens.shape, *kept.log_probs.shape) for kept in found.history]
        assert shapes == [(4, width, time, 4, width) for time in range(1, steps + 1)]


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("eos", [None, 1])
def test_a_batch_gives_what_each_of_its_sequences_gives_alone(eos: int | None, penalty: float) -> None:
    model, start = random_model(3, 4, batch=20), torch.randint(3, (20,))
    found = beam_search(model.step, model.state, start, 3, 4, eos, penalty, num_return=2)
    for row in range(20):
        alone = Model(model.table[row : row + 1])
        own = beam_search(alone.step, alone.state, start[row : row + 1], 3, 4, eos, penalty, num_return=2)
        tokens, behind = found.tokens[row].split([alone.steps, model.steps - alone.steps], dim=1)
        assert torch.equal(tokens, own.tokens[0]) and torch.equal(found.log_probs[row], own.log_probs[0])
        assert eos is None or (behind == eos).all()


@pytest.mark.parametrize("batch", [1, 2, 33])
@pytest.mark.parametrize(("vocabulary", "width"), [(3, 5), (3, 27), (1, 1), (2, 3), (200, 7), (1000, 40), (40, 41)])
def test_of_equals_the_better_hypothesis_comes_first_and_then_the_smaller_token(
    batch: int, vocabulary: int, width: int
) -> None:
    expected = torch.tensor([list(islice(product(range(vocabulary), repeat=3), width))] * batch)
    for _ in range(2):
        start, step = torch.zeros(batch, dtype=torch.long), always(torch.full((vocabulary,), -1.0))
        found = beam_search(step, None, start, width, 3, num_return=width)
        assert torch.equal(found.tokens, expected)


@pytest.mark.parametrize("width", [1, 2, 3, 8])
def test_of_equals_on_the_edge_of_the_beam_the_smallest_token_is_kept(width: int) -> None:
    log_probs = torch.full((50,), -3.0)
    log_probs[torch.arange(40, 39 + width)] = -torch.arange(1.0, width) / width
    found = beam_search(always(log_probs), None, torch.tensor([0, 0]), width, 1, num_return=width)
    assert found.tokens.flatten(1).tolist() == [[*range(40, 39 + width), 0]] * 2


def test_a_larger_token_of_a_better_hypothesis_precedes_its_equals() -> None:
    after_start, after_0, after_1 = (-2.0, -1.0), (-1.0, -2.0), (-3.0, -2.0)
    model = Model(torch.tensor([[after_start, after_start, after_0, after_1]]))
    found = beam_search(model.step, model.state, torch.tensor([0]), 4, 2, num_return=4)
    assert found.tokens.tolist() == [[[1, 1], [0, 0], [1, 0], [0, 1]]]
    assert found.log_probs.tolist() == [[-3, -3, -4, -4]]


def test_of_equals_the_sequence_that_finished_earlier_comes_first() -> None:
    steps = iter([(-1.0, -0.5, -2.0), (-0.5, -0.5, -0.5), (-0.5, -0.5, -0.5)])  # 0 ends

    def step(tokens: Tensor, state: None) -> tuple[Tensor, None]:
        return torch.tensor(next(steps)).expand(len(tokens), 3), state

    found = beam_search(step, None, torch.tensor([2]), 2, 3, eos=0, num_return=2)
    assert found.tokens.tolist() == [[[0, 0], [1, 0]]] and found.log_probs.tolist() == [[-1, -1]]
    assert len(list(steps)) == 1


@pytest.mark.parametrize("eos", [None, 0])
def test_a_vocabulary_of_one_token_has_one_sequence(eos: int | None) -> None:
    found = beam_search(always(torch.tensor([-0.5])), None, torch.tensor([0, 0]), 3, 4, eos, num_return=3)
    length = 4 if eos is None else 1
    assert found.tokens.tolist() == [[[0] * length] * 3] * 2
    assert found.log_probs.tolist() == [[-0.5 * length, -math.inf, -math.inf]] * 2


def test_the_search_ends_with_the_last_sequence_of_the_batch_whose_end_is_certain() -> None:
    calls = []

    def step(tokens: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
        """Two words with 1/2 each, until the end is certain: after 2 steps in the first sequence, 4 in the second."""
        calls.append(len(tokens))
        probabilities = torch.where((time == 1)[:, None], torch.tensor([1.0, 0, 0]), torch.tensor([0, 0.5, 0.5]))
        return probabilities.log(), time - 1

    found = beam_search(step, torch.tensor([2, 4]), torch.tensor([0, 0]), 2, 10, eos=0, num_return=2)
    assert calls == [4] * 4
    assert found.tokens.tolist() == [[[1, 0, 0, 0], [2, 0, 0, 0]], [[1, 1, 1, 0], [1, 1, 2, 0]]]
    assert_close(found.log_probs.exp(), torch.tensor([[0.5, 0.5], [0.125, 0.125]]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_log_probabilities_are_summed_in_single_precision_or_better(dtype: torch.dtype) -> None:
    log_prob = torch.tensor([-0.0101], dtype=dtype)
    found = beam_search(always(log_prob), None, torch.tensor([0]), 1, 300)
    assert found.log_probs.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert found.log_probs.item() == pytest.approx(300 * log_prob.item(), rel=1e-5)


def test_no_gradient_is_kept() -> None:
    model = random_model(3, 2)
    model.table.requires_grad_()
    found = beam_search(model.step, model.state, torch.tensor([0, 1, 2]), 2, 2, return_history=True)
    assert not any(each.log_probs.requires_grad for each in (found, *found.history))


def test_the_type_of_the_start_does_not_limit_the_tokens() -> None:
    step = always(torch.eye(300)[280].log_softmax(dim=0))
    found = beam_search(step, None, torch.zeros(2, dtype=torch.uint8), 2, 2)
    assert found.tokens[:, 0].tolist() == [[280, 280]] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beam_width": 0}, "beam_width must be at least 1, but it is 0"),
        ({"max_length": 0}, "max_length must be at least 1, but it is 0"),
        ({"num_return": -1}, "num_return must be at least 1, but it is -1"),
        ({"length_penalty": float("nan")}, r"length_penalty must be in \[−10, 10\], but it is nan"),
        ({"length_penalty": 400.0}, r"length_penalty must be in \[−10, 10\], but it is 400.0"),
        ({"num_return": 3}, "num_return must be at most beam_width=2, but it is 3"),
        ({"start": torch.zeros(3)}, r"start must be integers \(B,\), .* shape \(3,\) and the type torch.float32"),
        ({"start": torch.tensor([[0, 0, 0]])}, r"the first token of each sequence, .* the shape \(1, 3\)"),
        ({"start": torch.zeros(0, dtype=torch.long)}, r"the shape \(0,\) and the type torch.int64"),
        ({"state": {"a": (torch.zeros(3), [torch.zeros(2, 5)])}}, r"must have 3 rows, one a sequence, .* \(2, 5\)"),
        ({"state": torch.tensor(0)}, r"each tensor of the state must have 3 rows, one a sequence, but one has \(\)"),
        ({"state": (torch.zeros(3), 0)}, "tensors in tuples, lists and dictionaries, but holds a int"),
        ({"step": lambda *_: (torch.zeros(3, 4), None)}, r"must give log-probabilities \(6, V\), but .* \(3, 4\)"),
        ({"step": lambda *_: (torch.zeros(6, 1, 4), None)}, r"\(6, V\), but they are \(6, 1, 4\)"),
        ({"eos": 4}, r"eos must be one of the tokens 0 … 3, but it is 4"),
        ({"eos": -1}, r"eos must be one of the tokens 0 … 3, but it is -1"),
        ({"step": always(torch.tensor([-1, torch.nan]))}, "log-probabilities, but some of them are NaN"),
    ],
)
def test_arguments_out_of_range_and_other_steps_are_refused(arguments: dict[str, Any], message: str) -> None:
    usual = {"step": always(torch.zeros(4)), "state": None, "start": torch.tensor([0, 0, 0])}
    with pytest.raises(ValueError, match=message):
        beam_search(**{**usual, "beam_width": 2, "max_length": 3, **arguments})
