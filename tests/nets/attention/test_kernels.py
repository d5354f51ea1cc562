"""Attention with any similarity: against a double loop, against softmax, and what it refuses."""

import math
from collections.abc import Callable

import pytest
import torch
from naive_attention import MASKS, MISFITS, random_inputs, value_and_gradients
from torch import Tensor
from torch.testing import assert_close

from nets import kernel_attention, quadratic_kernel, softmax_attention, softmax_kernel


def gaussian_kernel(q: Tensor, k: Tensor) -> Tensor:
    return (q.unsqueeze(-2) - k.unsqueeze(-3)).square().sum(dim=-1).neg().exp()


# Each similarity, and the same of one query and one key.
SIMILARITIES = {
    "softmax": (softmax_kernel, lambda q, k: ((q * k).sum(-1) / math.sqrt(q.shape[-1])).exp()),
    "quadratic": (quadratic_kernel, lambda q, k: ((q * k).sum(-1) + 1) ** 2),
    "gaussian": (gaussian_kernel, lambda q, k: (-((q - k) ** 2).sum(-1)).exp()),
}
Pair = Callable[[Tensor, Tensor], Tensor]


def double_loop(q: Tensor, k: Tensor, v: Tensor, of_pair: Pair, mask: Tensor | None) -> Tensor:
    allowed = torch.ones(1, dtype=torch.bool) if mask is None else mask
    allowed = allowed.expand(*q.shape[:-1], k.shape[-2])
    rows = []
    for i in range(q.shape[-2]):
        numerator, denominator = torch.zeros_like(v[..., 0, :]), torch.zeros_like(v[..., 0, 0])
        for j in range(k.shape[-2]):
            similarity = of_pair(q[..., i, :], k[..., j, :]) * allowed[..., i, j]
            numerator = numerator + similarity.unsqueeze(-1) * v[..., j, :]
            denominator = denominator + similarity
        nothing = ~allowed[..., i, :].any(dim=-1)
        rows.append(numerator / (denominator + nothing).unsqueeze(-1))
    return torch.stack(rows, dim=-2)


@pytest.mark.parametrize("mask_name", MASKS)
@pytest.mark.parametrize("name", SIMILARITIES)
def test_equals_the_double_loop_in_value_and_gradients(name: str, mask_name: str) -> None:
    similarity, of_pair = SIMILARITIES[name]
    inputs = random_inputs(2, 3)
    mask = MASKS[mask_name]()
    output, expected = kernel_attention(*inputs, similarity, mask), double_loop(*inputs, of_pair, mask)
    assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))


@pytest.mark.parametrize("lengths", [(5, 7), (1, 1), (1, 4), (4, 1)])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3, 2)])
@pytest.mark.parametrize("name", SIMILARITIES)
def test_takes_any_batch_and_length(name: str, batch: tuple[int, ...], lengths: tuple[int, int]) -> None:
    similarity, of_pair = SIMILARITIES[name]
    inputs = random_inputs(*batch, queries=lengths[0], keys=lengths[1])
    output, expected = kernel_attention(*inputs, similarity), double_loop(*inputs, of_pair, None)
    assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))


@pytest.mark.parametrize("name", SIMILARITIES)
def test_similarities_equal_those_of_the_pairs_in_value_and_gradients(name: str) -> None:
    similarity, of_pair = SIMILARITIES[name]
    q, k, _ = random_inputs(2, 3)
    expected = of_pair(q.unsqueeze(-2), k.unsqueeze(-3))
    assert_close(value_and_gradients(similarity(q, k), [q, k]), value_and_gradients(expected, [q, k]))


def test_kernels_by_hand() -> None:
    q, k = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, -1.0], [0.0, -0.5]])  # q·k is 1 and -1
    assert_close(quadratic_kernel(q, k), torch.tensor([[4.0, 0.0]]))
    assert_close(softmax_kernel(q, k), torch.tensor([[math.exp(1 / math.sqrt(2)), math.exp(-1 / math.sqrt(2))]]))


@pytest.mark.parametrize("mask_name", MASKS)
def test_with_the_exponential_it_is_softmax_attention(mask_name: str) -> None:
    inputs = random_inputs(2, 3)
    mask = MASKS[mask_name]()
    output, weights = kernel_attention(*inputs, softmax_kernel, mask, return_weights=True)
    expected, expected_weights = softmax_attention(*inputs, mask, return_weights=True)
    assert_close(weights, expected_weights)
    assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))
    assert torch.equal(output, kernel_attention(*inputs, softmax_kernel, mask))


def test_weights_sum_to_one_over_what_a_query_may_attend_to() -> None:
    q, k, v = random_inputs(2, 3)
    mask = MASKS["rows without any key"]()
    output, weights = kernel_attention(q, k, v, quadratic_kernel, mask, return_weights=True)
    assert_close(weights @ v, output)
    assert_close(weights.sum(dim=-1), mask.any(dim=-1).double().expand(2, 3, 5))
    assert (weights.masked_select(~mask) == 0).all()


@pytest.mark.parametrize("mask", [torch.zeros(5, 7).bool(), torch.zeros(1, 1).bool(), torch.zeros(2, 1, 7).bool()])
def test_a_query_that_may_attend_to_nothing_gives_zeros_and_finite_gradients(mask: Tensor) -> None:
    inputs = random_inputs(2)
    output, weights = kernel_attention(*inputs, quadratic_kernel, mask, return_weights=True)
    assert (output == 0).all()
    assert (weights == 0).all()
    for gradient in torch.autograd.grad(output.sum(), inputs):
        assert (gradient == 0).all()


def test_a_hidden_key_and_its_value_change_nothing() -> None:
    q, k, v = random_inputs(2)
    mask = torch.arange(7) != 3
    hidden = (torch.arange(7) == 3).unsqueeze(-1)
    changed = kernel_attention(q, k.masked_fill(hidden, 5.0), v.masked_fill(hidden, 9.0), softmax_kernel, mask)
    assert torch.equal(changed, kernel_attention(q, k, v, softmax_kernel, mask))


def scores(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.transpose(-2, -1)


def only_the_first_key(q: Tensor, k: Tensor) -> Tensor:
    return torch.eye(1, k.shape[-2], dtype=q.dtype).expand(*q.shape[:-1], -1)


@pytest.mark.parametrize(
    ("similarity", "message"),
    [
        (scores, r"must not be negative, but its smallest value is -\d.*square it, or take its exponential"),
        (lambda q, k: (1e4 * scores(q, k)).exp(), r"must be finite, but \d+ of its values are infinite or NaN: scale"),
        (lambda q, k: scores(q, k).sqrt(), r"must be finite, but \d+ of its values are infinite or NaN: scale"),
        (
            lambda q, k: torch.zeros_like(scores(q, k)),
            r"^for 10 of 10 queries the similarities to the keys sum up to 0",
        ),
        (lambda q, k: scores(q, q).exp(), r"shape \(..., 5, 7\) for these .* but it gave \(2, 5, 5\)"),
        (lambda q, k: scores(q, k).exp().sum(dim=-1), r"shape \(..., 5, 7\) for these .* but it gave \(2, 5\)"),
    ],
)
def test_similarities_that_blow_up_are_refused(similarity: Callable, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernel_attention(*random_inputs(2), similarity)


def test_a_mask_that_hides_every_similar_key_is_refused() -> None:
    q, k, v = random_inputs(2)
    assert_close(kernel_attention(q, k, v, only_the_first_key), v[:, :1].expand(2, 5, 6))
    mask = torch.ones(5, 7, dtype=torch.bool)
    mask[4, 0] = False  # the last query may attend to the dissimilar keys alone
    mask[2] = False  # this one to nothing at all, which is allowed
    with pytest.raises(ValueError, match=r"^for 2 of 10 queries .* sum up to 0"):
        kernel_attention(q, k, v, only_the_first_key, mask)


def test_values_are_not_looked_at_while_torch_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.compiler.is_compiling", lambda: True)
    q, k, v = random_inputs()
    similarities = scores(q, k)
    expected = (similarities / similarities.sum(dim=-1, keepdim=True)) @ v
    assert_close(kernel_attention(q, k, v, scores), expected)


@pytest.mark.parametrize(("shapes", "mask", "message"), MISFITS)
def test_inputs_that_do_not_fit_are_refused(shapes: tuple, mask: Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kernel_attention(*map(torch.zeros, shapes), softmax_kernel, mask=mask)
