"""Attention against a hand-written twin, torch's own layer, and rollouts worked out by hand."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nets import MultiHeadAttention, attention_rollout, softmax_attention


def naive_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One query at a time: exponentials of the scores that it may see, divided by their sum."""
    shape = (*q.shape[:-1], k.shape[-2])
    allowed = torch.ones(shape, dtype=torch.bool) if mask is None else mask.expand(shape)
    scores = torch.einsum("...nd,...sd->...ns", q, k) / math.sqrt(q.shape[-1])
    exponentials = scores.exp() * allowed
    weights = exponentials / exponentials.sum(dim=-1, keepdim=True).clamp(min=1e-300)
    return torch.einsum("...ns,...sm->...nm", weights, v), weights


def random_inputs(*batch: int, queries: int = 5, keys: int = 7) -> list[Tensor]:
    torch.manual_seed(0)
    shapes = (*batch, queries, 4), (*batch, keys, 4), (*batch, keys, 6)
    return [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]


def value_and_gradients(output: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    direction = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view_as(output)
    return [output, *torch.autograd.grad((output * direction).sum(), inputs)]


MASKS = {
    "none": lambda: None,
    "one for all": lambda: torch.rand(5, 7) < 0.6,
    "one a sample": lambda: torch.rand(2, 1, 5, 7) < 0.6,
    "padding of keys": lambda: (torch.arange(7) < torch.tensor([[4], [6]]))[:, None, None, :],
    "rows without any key": lambda: torch.ones(5, 7, dtype=torch.bool).index_fill(0, torch.tensor([1, 3]), False),
}


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


@pytest.mark.parametrize(
    ("shapes", "mask", "message"),
    [
        (((5, 4), (7, 3), (7, 6)), None, r"same width, but q has 4 .* and k has 3"),
        (((5, 4), (7, 4), (8, 6)), None, r"same length, but k has 7 .* and v has 8"),
        (((5, 4), (7, 4), (7, 6)), torch.ones(5, 7), r"mask must be boolean .* torch.float32; use mask.bool\(\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(shapes: tuple, mask: Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        softmax_attention(*map(torch.zeros, shapes), mask=mask)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_multi_head_attention_equals_that_of_torch(bias: bool, masked: bool) -> None:
    torch.manual_seed(0)
    ours = MultiHeadAttention(12, num_heads=3, bias=bias).double()
    theirs = nn.MultiheadAttention(12, 3, bias=bias, batch_first=True).double()
    theirs.in_proj_weight.data, theirs.out_proj.weight.data = ours.qkv.weight.data, ours.out.weight.data
    if bias:
        theirs.in_proj_bias.data, theirs.out_proj.bias.data = ours.qkv.bias.data, ours.out.bias.data
    x = torch.randn(2, 5, 12, dtype=torch.float64, requires_grad=True)
    mask = torch.ones(5, 5).tril().bool() if masked else None
    forbidden = None if mask is None else ~mask
    expected, expected_weights = theirs(x, x, x, attn_mask=forbidden, average_attn_weights=False)
    output, weights = ours(x, mask, return_weights=True)
    assert_close(weights, expected_weights)
    expected = value_and_gradients(expected, [x])
    assert_close(value_and_gradients(output, [x]), expected)
    assert_close(value_and_gradients(ours(x, mask), [x]), expected)


def test_fused_path_equals_the_path_of_the_weights_in_float32() -> None:
    torch.manual_seed(0)
    layer, x = MultiHeadAttention(16, num_heads=4, head_dim=6), torch.randn(3, 9, 16)
    output, weights = layer(x, return_weights=True)
    assert weights.shape == (3, 4, 9, 9)
    assert_close(layer(x), output, atol=1e-5, rtol=1e-5)
    fused, explicit = (value_and_gradients(out, list(layer.parameters())) for out in (layer(x), output))
    assert_close(fused, explicit, atol=1e-5, rtol=1e-5)


def test_width_of_a_head_is_free_of_the_embedding() -> None:
    layer = MultiHeadAttention(10, num_heads=3, head_dim=7)
    assert layer(torch.zeros(2, 4, 10)).shape == (2, 4, 10)
    assert sum(parameter.numel() for parameter in layer.parameters()) == 10 * 3 * 21 + 21 * 10


def test_dropout_acts_in_training_alone() -> None:
    torch.manual_seed(0)
    layer, x = MultiHeadAttention(8, 2, dropout=0.5), torch.randn(1, 6, 8)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"embed_dim": 10, "num_heads": 4}, "num_heads=4 does not divide embed_dim=10: .* give head_dim"),
        ({"embed_dim": 0, "num_heads": 4}, "at least 1, but they are 0, 4 and None"),
        ({"embed_dim": 8, "num_heads": 0}, "at least 1, but they are 8, 0 and None"),
        ({"embed_dim": 8, "num_heads": 2, "head_dim": 0}, "at least 1, but they are 8, 2 and 0"),
        ({"embed_dim": 8, "num_heads": 2, "dropout": 1.0}, r"dropout must be in \[0, 1\), but it is 1.0"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(**arguments)


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
