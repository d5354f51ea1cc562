"""The picture of beam search: what it says of the handout's tree, and of one where the beam loses nothing."""

from itertools import product

import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from figures import HANDOUT_TREE, HANDOUT_WORDS, draw_search_tree, step_of_tree
from figures.search_tree import Tree
from nets import beam_search


def drawn(tree: Tree, words: tuple[str, ...], beam_width: int) -> Axes:
    """The tree with what ``nets.beam_search`` keeps and finds in it, and the best of an exhaustive search."""
    depth, start, state = 1 + max(map(len, tree)), torch.zeros(1, dtype=torch.long), torch.zeros(1, 0, dtype=torch.long)
    arguments = (step_of_tree(tree), state, start)
    beam = beam_search(*arguments, beam_width, depth, return_history=True)
    kept = {tuple(row) for level in beam.history for row in level.tokens[0].tolist()}
    exhaustive = beam_search(*arguments, len(words) ** depth, depth)
    found, best = ((search.tokens[0, 0].tolist(), float(search.log_probs[0, 0])) for search in (beam, exhaustive))
    (axes,) = draw_search_tree(tree, words, beam_width, kept, found, best).axes
    return axes


def search(beam_width: int) -> tuple[torch.Tensor, torch.Tensor]:
    start, state = torch.zeros(1, dtype=torch.long), torch.zeros(1, 0, dtype=torch.long)
    found = beam_search(step_of_tree(HANDOUT_TREE), state, start, beam_width, 3)
    return found.tokens[0, 0], found.log_probs[0, 0]


def test_every_word_follows_with_the_probability_of_the_tree() -> None:
    step = step_of_tree(HANDOUT_TREE)
    for length in range(3):
        for prefix in product(range(2), repeat=length):
            state, last = torch.zeros(1, 0, dtype=torch.long), torch.tensor([1])  # whatever the start is
            for token in [*prefix, None]:
                log_probs, state = step(last, state)
                last = torch.tensor([token or 0])
            assert log_probs.tolist() == [list(HANDOUT_TREE[prefix])]


def test_the_figure_has_every_sequence_its_sum_and_the_kept_ones_in_blue() -> None:
    axes = drawn(HANDOUT_TREE, HANDOUT_WORDS, 2)
    words = {text.get_text(): text for text in axes.texts if "n" in text.get_text()}
    assert sum("n" in text.get_text() for text in axes.texts) == 2 + 4 + 8
    kept = [name for name, text in words.items() if to_hex(text.get_color()) == "#1f77b4"]
    assert sorted(kept) == sorted(
        ["neural  -0.65", "network  -0.73", "network  -1.25", "neural  -1.33", "network  -1.85", "network  -1.93"]
    )
    orange = [name for name, text in words.items() if to_hex(text.get_color()) == "#ff7f0e"]
    assert orange == ["neural  -1.45", "neural  -1.46"]
    assert axes.get_title() == (
        "A beam of 2 (blue) finds “neural network network” at -1.85;\nthe most probable of all (orange) is “neural "
        "neural neural” at -1.46"
    )


def test_a_beam_that_loses_nothing_says_so() -> None:
    tree = {(): (-0.5, -1.0), (0,): (-0.2, -2.0), (1,): (-1.0, -1.0)}
    axes = drawn(tree, ("a", "b"), 1)
    assert axes.get_title() == (
        "A beam of 1 (blue) finds “a a” at -0.70;\nthe most probable of all (the same) is “a a” at -0.70"
    )


def test_a_wider_beam_finds_the_most_probable_sequence() -> None:
    assert search(2)[0].tolist() == [0, 1, 1] and float(search(2)[1]) == pytest.approx(-1.85)
    assert search(4)[0].tolist() == [0, 0, 0] and float(search(4)[1]) == pytest.approx(-1.46)
