"""Nodes drawn to have labels."""

import pytest
import torch

from datamodules.node_splits import draw, draw_per_class

LABELS = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2])
EVERY = torch.ones(12, dtype=torch.bool)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_every_class_has_as_many_among_the_candidates() -> None:
    candidates = EVERY.clone()
    candidates[[0, 5]] = False
    for seed in range(20):
        mask = draw_per_class(LABELS, candidates, 2, generator(seed))
        assert LABELS[mask].bincount().tolist() == [2, 2, 2] and not bool((mask & ~candidates).any())


def test_a_draw_is_a_function_of_the_generator() -> None:
    masks = [draw_per_class(LABELS, EVERY, 2, generator(seed)) for seed in (0, 0, 1)]
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])
    drawn = draw("num_val", 5, EVERY, generator())
    assert int(drawn.sum()) == 5 and torch.equal(drawn, draw("num_val", 5, EVERY, generator()))


@pytest.mark.parametrize(
    ("per_class", "message"),
    [
        (0, r"num_labeled_per_class must be at least 1, but it is 0\."),
        (4, r"num_labeled_per_class is 4, but class 1 has 3 nodes to draw from\."),
    ],
)
def test_a_number_that_cannot_be_drawn_is_refused(per_class: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw_per_class(LABELS, EVERY, per_class, generator())


@pytest.mark.parametrize("count", [-1, 13])
def test_more_nodes_than_there_are_cannot_be_drawn(count: int) -> None:
    with pytest.raises(
        ValueError, match=rf"num_val must be in \[0, 12\], the nodes that are left, but it is {count}\."
    ):
        draw("num_val", count, EVERY, generator())
