"""Pooling by windows is PyTorch's, gives what one computes by hand, and refuses what does not fit."""

import pytest
import torch
from torch.nn import functional as F

import theory

NINE = torch.tensor([[1, 1, 1, 0, 1], [1, 0, 1, 0, 1], [1, 1, 1, 0, 1], [0, 0, 0, 0, 1], [1, 1, 1, 1, 1]])
RING = F.pad(torch.tensor([[1, 1, 1], [1, 0, 1], [1, 1, 1]]), (1, 1, 1, 1))


@pytest.mark.parametrize("kernel, stride", [(1, 1), (2, None), (3, 2), (2, 3), (5, 1)])
def test_it_is_torchs_pooling(kernel, stride):
    maps = torch.randn(2, 3, 7, 9, dtype=torch.float64)
    assert torch.equal(theory.pool(maps, kernel, stride, "max"), F.max_pool2d(maps, kernel, stride))
    assert torch.allclose(theory.pool(maps, kernel, stride, "average"), F.avg_pool2d(maps, kernel, stride))


def test_two_matrices_by_hand():
    ninths = [(9 * theory.pool(matrix, 3, 2, "average")).round().tolist() for matrix in (NINE, RING)]
    assert ninths == [[[8, 6], [6, 6]], [[3, 3], [3, 3]]]
    assert all((theory.pool(matrix, 3, 2, "max") == 1).all() for matrix in (NINE, RING))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"kind": "median"}, 'kind must be one of max, average, but it is "median"'),
        ({"kernel": 6}, "does not fit in 5"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"maps": torch.ones(5)}, r"maps must be \(…, H, W\)"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        theory.pool(**{"maps": NINE, "kernel": 3, **arguments})
