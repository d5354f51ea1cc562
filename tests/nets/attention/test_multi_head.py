"""Multi-head attention against torch's own layer, and with any callable in the place of softmax."""

from functools import partial
from typing import Any

import pytest
import torch
from naive_attention import value_and_gradients
from torch import Tensor, nn
from torch.testing import assert_close

from nets import (
    MultiHeadAttention,
    elu_features,
    kernel_attention,
    linear_attention,
    quadratic_kernel,
    softmax_attention,
)


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


@pytest.mark.parametrize("num_queries", [1, 3, 5])
@pytest.mark.parametrize("masked", [False, True])
def test_the_first_queries_alone_attend_as_among_all(masked: bool, num_queries: int) -> None:
    torch.manual_seed(0)
    layer = MultiHeadAttention(12, num_heads=3).double()
    inputs = [torch.randn(2, 5, 12, dtype=torch.float64, requires_grad=True), *layer.parameters()]
    mask = torch.ones(5, 5).tril().bool() if masked else None
    expected, expected_weights = layer(inputs[0], mask, return_weights=True)
    first = mask[:num_queries] if masked else None
    output, weights = layer(inputs[0], first, return_weights=True, num_queries=num_queries)
    assert_close(weights, expected_weights[:, :, :num_queries])
    expected = value_and_gradients(expected[:, :num_queries], inputs)
    assert_close(value_and_gradients(output, inputs), expected)
    assert_close(value_and_gradients(layer(inputs[0], first, num_queries=num_queries), inputs), expected)


def test_project_gives_each_head_its_columns() -> None:
    torch.manual_seed(0)
    layer, x = MultiHeadAttention(12, num_heads=3, head_dim=5), torch.randn(2, 4, 12)
    for part, projected in enumerate(layer.project(x)):
        assert projected.shape == (2, 3, 4, 5)
        rows = layer.qkv.weight[15 * part + 5 : 15 * part + 10]  # of the second head
        assert_close(projected[:, 1], x @ rows.T)


def naive_multi_head(layer: MultiHeadAttention, x: Tensor, attention: Any) -> Tensor:
    """One head after the other."""
    q, k, v = layer.project(x)
    heads = [attention(q[:, head], k[:, head], v[:, head]) for head in range(layer.num_heads)]
    return torch.cat(heads, dim=-1) @ layer.out.weight.T


@pytest.mark.parametrize(
    "attention",
    [
        partial(linear_attention, feature_map=elu_features),
        partial(linear_attention, feature_map=elu_features, causal=True),
        partial(kernel_attention, similarity=quadratic_kernel),
        partial(softmax_attention, scale=2.0),
        lambda q, k, v: v.flip(-2),
    ],
)
def test_a_callable_attends_in_each_head(attention: Any) -> None:
    torch.manual_seed(0)
    layer = MultiHeadAttention(12, num_heads=3, attention=attention).double()
    inputs = [torch.randn(2, 9, 12, dtype=torch.float64, requires_grad=True), layer.qkv.weight, layer.out.weight]
    expected = naive_multi_head(layer, inputs[0], attention)
    assert_close(value_and_gradients(layer(inputs[0]), inputs), value_and_gradients(expected, inputs))


def test_a_causal_callable_hides_later_tokens() -> None:
    torch.manual_seed(0)
    causal = partial(linear_attention, feature_map=elu_features, causal=True)
    layer, x = MultiHeadAttention(8, 2, attention=causal), torch.randn(1, 9, 8)
    changed = layer(x.index_fill(1, torch.arange(6, 9), 1.0))
    assert torch.equal(layer(x)[:, :6], changed[:, :6])
    assert (layer(x) != changed)[:, 6:].any()


def test_a_module_as_attention_is_part_of_the_layer() -> None:
    class Weighed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return linear_attention(q, k, self.weight * v, elu_features)

    assert "attention.weight" in MultiHeadAttention(8, 2, attention=Weighed()).state_dict()


def test_a_callable_is_given_only_what_is_asked_of_the_layer() -> None:
    given: list[dict[str, Any]] = []

    def attention(q: Tensor, k: Tensor, v: Tensor, **asked: Any) -> Any:
        given.append(asked)
        return (v, "weights") if asked.get("return_weights") else v

    layer, x, mask = MultiHeadAttention(8, 2, dropout=0.25, attention=attention), torch.zeros(1, 3, 8), torch.ones(3, 3)
    layer(x)
    layer.eval()(x)
    layer(x, mask)
    assert layer(x, return_weights=True)[1] == "weights"
    assert given == [{"dropout_p": 0.25}, {}, {"mask": mask}, {"return_weights": True}]


def test_options_beside_a_callable_are_refused() -> None:
    with pytest.raises(ValueError, match="attention_options belong to a named attention: give a callable its argum"):
        MultiHeadAttention(8, 2, attention=softmax_attention, attention_options={"scale": 1.0})


def test_a_callable_that_cannot_be_called_with_q_k_and_v_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"attention=kernel_attention cannot be called with q, k, v \(missing a required"
    ):
        MultiHeadAttention(8, 2, attention=kernel_attention)


def test_a_callable_without_weights_is_refused_where_they_are_asked_for() -> None:
    layer = MultiHeadAttention(8, 2, attention=partial(linear_attention, feature_map=elu_features))
    assert layer(torch.zeros(1, 3, 8)).shape == (1, 3, 8)
    with pytest.raises(ValueError, match=r"cannot be called with q, k, v, return_weights .* drop what asks for these"):
        layer(torch.zeros(1, 3, 8), return_weights=True)


@pytest.mark.parametrize("shape", [(3, 8), (1, 3, 7), (1, 1, 3, 8)])
def test_tokens_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"x must have the shape \(batch, tokens, 8\), but has"):
        MultiHeadAttention(8, 1)(torch.zeros(shape))


def test_a_callable_of_c_serves_until_its_weights_are_asked_for() -> None:
    layer = MultiHeadAttention(8, 2, attention="torch.nn.functional.scaled_dot_product_attention")
    softmax = MultiHeadAttention(8, 2)
    softmax.load_state_dict(layer.state_dict())
    x = torch.randn(1, 3, 8)
    assert_close(layer(x), softmax(x))
    with pytest.raises(ValueError, match=r"cannot be called with q, k, v, return_weights"):
        layer(x, return_weights=True)
