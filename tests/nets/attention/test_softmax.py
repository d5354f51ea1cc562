"""Scaled dot-product attention against a hand-written twin."""

import pytest
import torch
from naive_attention import MASKS, MISFITS, naive_attention, random_inputs, value_and_gradients
from torch import Tensor
from torch.testing import assert_close

from nets import softmax_attention


@pytest.mark.parametrize("return_weights", [False, True])
@pytest.mark.parametrize("name", MASKS)
def test_equals_naive_attention_in_value_and_gradients(name: str, return_weights: bool) -> None:
    inputs = random_inputs(2, 3)
    mask = MASKS[name]()
    output = softmax_attention(*inputs, mask=mask, return_weights=return_weights)
    expected, expected_weights = naive_attention(*inputs, mask)
    if return_weights:
        output, weights = output
        assert_close(weights, expected_weights)
    assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))


def test_takes_inputs_without_a_batch_and_with_several() -> None:
    for batch in [(), (2,), (2, 3, 2)]:
        inputs = random_inputs(*batch)
        assert_close(softmax_attention(*inputs), naive_attention(*inputs)[0])


@pytest.mark.parametrize("return_weights", [False, True])
def test_a_query_that_may_attend_to_nothing_gives_zeros_and_finite_gradients(return_weights: bool) -> None:
    inputs = random_inputs(2)
    output = softmax_attention(*inputs, mask=torch.zeros(5, 7, dtype=torch.bool), return_weights=return_weights)
    if return_weights:
        output, weights = output
        assert (weights == 0).all()
    assert (output == 0).all()
    for gradient in torch.autograd.grad(output.sum(), inputs):
        assert (gradient == 0).all()


def test_scale_replaces_the_square_root() -> None:
    q, k, v = random_inputs()
    halved = softmax_attention(q, k, v, scale=0.25)  # 1/√4 is 0.5
    assert_close(halved, softmax_attention(q / 2, k, v))
    assert_close(halved, softmax_attention(q, k, v, scale=0.25, return_weights=True)[0])


@pytest.mark.parametrize("return_weights", [False, True])
def test_dropout_drops_weights_and_scales_the_others(return_weights: bool) -> None:
    q, k, _ = random_inputs(queries=20, keys=30)
    _, weights = naive_attention(q, k, k)
    torch.manual_seed(0)
    output = softmax_attention(q, k, torch.eye(30, dtype=q.dtype), dropout_p=0.5, return_weights=return_weights)
    dropped = output[0] if return_weights else output  # with the identity for v, the weights themselves
    assert 0 < (dropped == 0).sum() < dropped.numel()
    assert_close(dropped, torch.where(dropped == 0, 0.0, 2 * weights))


@pytest.mark.parametrize(("shapes", "mask", "message"), MISFITS)
def test_inputs_that_do_not_fit_are_refused(shapes: tuple, mask: Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        softmax_attention(*map(torch.zeros, shapes), mask=mask)


def test_whole_numbers_and_other_probabilities_are_refused() -> None:
    q = torch.zeros(5, 4)
    with pytest.raises(
        ValueError, match=r"k must hold floating-point numbers, but its dtype is torch.int64; use k.float"
    ):
        softmax_attention(q, q.long(), q)
    with pytest.raises(ValueError, match=r"dropout_p must be in \[0, 1\), but it is 1.0"):
        softmax_attention(q, q, q, dropout_p=1.0)
