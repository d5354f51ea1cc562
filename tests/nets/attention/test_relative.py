"""Relative attention against a double loop over tokens, and the layer that sees its neighbours alone."""

import math

import pytest
import torch
from naive_attention import random_inputs, value_and_gradients
from torch import Tensor
from torch.testing import assert_close

from nets import RelativeAttention1d, relative_attention, softmax_attention


def double_loop(q: Tensor, k: Tensor, v: Tensor, p: Tensor) -> tuple[Tensor, Tensor]:
    length, rows = q.shape[-2], []
    for i in range(length):
        scores = [(q[..., i, :] * k[..., j, :]).sum(dim=-1) / math.sqrt(q.shape[-1]) for j in range(length)]
        similarities = [(score + p[..., length - 1 + i - j]).exp() for j, score in enumerate(scores)]
        rows.append(torch.stack([similarity / sum(similarities) for similarity in similarities], dim=-1))
    weights = torch.stack(rows, dim=-2)
    return torch.einsum("...ns,...sm->...nm", weights, v), weights


def random_p(*shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()


SHAPES = [((), ()), ((2,), ()), ((2, 3, 2), ()), ((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 3), (2, 3))]


@pytest.mark.parametrize("return_weights", [False, True])
@pytest.mark.parametrize("length", [1, 2, 6])
@pytest.mark.parametrize(("batch", "batch_of_p"), SHAPES)
def test_equals_the_double_loop_in_value_and_gradients(
    batch: tuple[int, ...], batch_of_p: tuple[int, ...], length: int, return_weights: bool
) -> None:
    inputs = [*random_inputs(*batch, queries=length, keys=length), random_p(*batch_of_p, 2 * length - 1)]
    expected, expected_weights = double_loop(*inputs)
    output = relative_attention(*inputs, return_weights=return_weights)
    if return_weights:
        output, weights = output
        assert_close(weights, expected_weights)
    assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))


def test_three_tokens_by_hand() -> None:
    p = torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0]).log()  # of the distances i-j = -2 … 2
    _, weights = relative_attention(*torch.zeros(3, 3, 1), p, return_weights=True)
    expected = torch.tensor([[3 / 12, 4 / 12, 5 / 12], [2 / 9, 3 / 9, 4 / 9], [1 / 6, 2 / 6, 3 / 6]])
    assert_close(weights, expected)


@pytest.mark.parametrize("return_weights", [False, True])
def test_a_constant_added_to_p_changes_nothing(return_weights: bool) -> None:
    q, k, v = random_inputs(2, 3, queries=6, keys=6)
    p = random_p(11)
    output, raised = (relative_attention(q, k, v, scores, return_weights) for scores in (p, p + 2.5))
    assert_close(output, raised)
    raised_in_part = relative_attention(q, k, v, p + 2.5 * (torch.arange(11) < 5))
    assert (raised_in_part - relative_attention(q, k, v, p)).abs().max() > 1e-3


def test_scores_of_zero_leave_softmax_attention() -> None:
    q, k, v = random_inputs(2, queries=6, keys=6)
    assert_close(relative_attention(q, k, v, torch.zeros(11)), softmax_attention(q, k, v))


@pytest.mark.parametrize("return_weights", [False, True])
def test_minus_infinity_forbids_a_distance(return_weights: bool) -> None:
    q, k, v = inputs = random_inputs(2, queries=6, keys=6)
    allowed = torch.tensor([False] * 5 + [True, True, False, True, True, True])  # nothing later, not two tokens before
    p = torch.where(allowed, 0.0, -torch.inf).double().requires_grad_()
    distances = torch.arange(6)[:, None] - torch.arange(6)
    expected = value_and_gradients(softmax_attention(q, k, v, mask=allowed[5 + distances]), inputs)
    output = relative_attention(q, k, v, p, return_weights)
    *output_and_gradients, of_p = value_and_gradients(output[0] if return_weights else output, [*inputs, p])
    assert_close(output_and_gradients, expected)
    assert (of_p[~allowed] == 0).all()
    assert (of_p[allowed] != 0).all()


@pytest.mark.parametrize("return_weights", [False, True])
def test_a_token_that_may_attend_to_nothing_gives_zeros_and_finite_gradients(return_weights: bool) -> None:
    q, k, v = inputs = random_inputs(2, queries=3, keys=3)
    p = torch.tensor([-torch.inf, -torch.inf, -torch.inf, 0.5, -0.5], dtype=torch.float64)  # only the tokens before
    output = relative_attention(q, k, v, p.requires_grad_(), return_weights)
    output = output[0] if return_weights else output
    assert (output[:, 0] == 0).all()
    assert_close(output[:, 1], v[:, 0])
    for gradient in torch.autograd.grad(output.sum(), [*inputs, p]):
        assert gradient.isfinite().all()


def test_scores_in_double_precision_serve_both_paths() -> None:
    q, k, v = (x.float() for x in random_inputs(queries=3, keys=3))
    fused = relative_attention(q, k, v, random_p(5))
    assert_close(relative_attention(q, k, v, random_p(5), return_weights=True)[0], fused)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((5, 4), (5, 3), (5, 6), (9,)), r"same width, but q has 4 .* and k has 3"),
        (((5, 4), (5, 4), (6, 6), (9,)), r"same length, but k has 5 .* and v has 6"),
        (((5, 4), (6, 4), (6, 6), (9,)), r"same length N and p the shape .* but they have 5, 6 and \(9,\)"),
        (((5, 4), (5, 4), (5, 6), (3, 10)), r"but they have 5, 5 and \(3, 10\)"),
        (((5, 4), (5, 4), (5, 6), (3, 9)), r"p must be broadcastable to the shape \(9,\), but its shape is \(3, 9\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(shapes: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        relative_attention(*map(torch.zeros, shapes))


def random_layer(max_distance: int, embed_dim: int = 1) -> RelativeAttention1d:
    torch.manual_seed(0)
    layer = RelativeAttention1d(max_distance, embed_dim).double()
    torch.nn.init.normal_(layer.p)
    return layer


@pytest.mark.parametrize("max_distance", [0, 1, 3, 5, 6, 10])  # the sequence has 6 tokens
@pytest.mark.parametrize("embed_dim", [1, 3])
def test_layer_equals_the_double_loop_over_its_window(embed_dim: int, max_distance: int) -> None:
    layer = random_layer(max_distance, embed_dim)
    x = torch.randn(2, 6, embed_dim, dtype=torch.float64, requires_grad=True)
    p = torch.full((11,), -torch.inf, dtype=torch.float64)
    for distance in range(-5, 6):
        if abs(distance) <= max_distance:
            p = p.index_put((torch.tensor([5 + distance]),), layer.p[max_distance + distance])
    projected = (torch.einsum("bne,fe->bnf", x, w.weight) for w in (layer.w_q, layer.w_k, layer.w_v))
    expected, expected_weights = double_loop(*projected, p)
    output, weights = layer(x, return_weights=True)
    inputs = [x, *layer.parameters()]
    assert_close(weights, expected_weights)
    expected = value_and_gradients(expected, inputs)
    assert_close(value_and_gradients(output, inputs), expected)
    assert_close(value_and_gradients(layer(x), inputs), expected)


@pytest.mark.parametrize("return_weights", [False, True])
@pytest.mark.parametrize("max_distance", [0, 1, 3])
def test_nothing_beyond_the_largest_distance_influences_a_token(max_distance: int, return_weights: bool) -> None:
    layer, x = random_layer(max_distance, 2), torch.randn(1, 9, 2, dtype=torch.float64)
    output = layer(x, return_weights)
    changed = layer(x.index_fill(1, torch.tensor([4]), 3.0), return_weights)
    if return_weights:
        output, changed = output[0], changed[0]
    near = (torch.arange(9) - 4).abs() <= max_distance
    assert torch.equal(output[:, ~near], changed[:, ~near])
    assert (output != changed)[:, near].all()


def test_gradient_descent_moves_every_score() -> None:
    layer, x = random_layer(3, 2), torch.randn(2, 9, 2, dtype=torch.float64)
    before = layer.p.detach().clone()
    layer(x).square().sum().backward()
    torch.optim.SGD(layer.parameters(), lr=0.1).step()
    assert (layer.p != before).all()


def test_new_layer_prefers_no_distance() -> None:
    layer = RelativeAttention1d(2)
    assert torch.equal(layer.p, torch.zeros(5))
    assert [tuple(parameter.shape) for parameter in layer.parameters()] == [(5,), (1, 1), (1, 1), (1, 1)]


@pytest.mark.parametrize("beyond", [0, 1, 4])
def test_set_scalars_takes_over_a_construction_cut_to_the_window(beyond: int) -> None:
    p = torch.full((5 + 2 * beyond,), 77.0)
    p[beyond : beyond + 5] = torch.arange(5.0)
    layer = RelativeAttention1d(2)
    assert layer.set_scalars(2.0, -1.0, 0.5, p) is layer
    assert torch.equal(layer.p, torch.arange(5.0))
    assert [layer.w_q.weight.item(), layer.w_k.weight.item(), layer.w_v.weight.item()] == [2.0, -1.0, 0.5]
    assert all(parameter.requires_grad for parameter in layer.parameters())
    x = torch.tensor([0.3, -0.2, 0.9])[None, :, None]
    assert_close(layer(x), relative_attention(2 * x, -x, x / 2, torch.arange(5.0)))


@pytest.mark.parametrize(
    ("embed_dim", "shape", "message"),
    [
        (2, (5,), "scalars fit embed_dim=1 only, but it is 2"),
        (1, (3,), r"odd number of entries, at least 5, but its shape is \(3,\)"),
        (1, (6,), r"odd number of entries, at least 5, but its shape is \(6,\)"),
        (1, (7, 5), r"odd number of entries, at least 5, but its shape is \(7, 5\)"),
    ],
)
def test_scalars_that_do_not_fit_are_refused(embed_dim: int, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RelativeAttention1d(2, embed_dim).set_scalars(1.0, 1.0, 1.0, torch.zeros(shape))


@pytest.mark.parametrize(("max_distance", "embed_dim"), [(-1, 1), (2, 0)])
def test_sizes_out_of_range_are_refused(max_distance: int, embed_dim: int) -> None:
    with pytest.raises(ValueError, match=f"at least 0 and .* at least 1, but they are {max_distance} and {embed_dim}"):
        RelativeAttention1d(max_distance, embed_dim)


def test_tokens_of_another_width_are_refused() -> None:
    with pytest.raises(ValueError, match=r"x must have the width embed_dim=3, but its shape is \(2, 6, 1\)"):
        RelativeAttention1d(2, 3)(torch.zeros(2, 6, 1))
