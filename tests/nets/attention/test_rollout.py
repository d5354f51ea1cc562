"""Attention rollouts worked out by hand."""

import pytest
import torch
from torch.testing import assert_close

from nets import attention_rollout


def test_rollout_of_one_layer_by_hand() -> None:
    heads = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])  # their mean is 1/2 everywhere
    assert_close(attention_rollout([heads[None]]), torch.tensor([[[0.75, 0.25], [0.25, 0.75]]]))


def test_rollout_of_two_layers_applies_the_first_layer_first() -> None:
    first, second = torch.tensor([[0.0, 1.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    expected = torch.tensor([[0.5, 0.5], [0.25, 0.75]])  # [[1, 0], [1/2, 1/2]] · [[1/2, 1/2], [0, 1]]
    assert_close(attention_rollout([first[None, None], second[None, None]])[0], expected)


def test_rows_of_a_rollout_sum_to_one() -> None:
    torch.manual_seed(0)
    weights = [torch.randn(2, 3, 6, 6, dtype=torch.float64).softmax(dim=-1) for _ in range(4)]
    rollout = attention_rollout(weights)
    assert rollout.shape == (2, 6, 6)
    assert_close(rollout.sum(dim=-1), torch.ones(2, 6, dtype=torch.float64))


def test_rollout_of_no_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one layer, but the list is empty"):
        attention_rollout([])
