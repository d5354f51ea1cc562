"""Linear attention against all its similarities written out, its recurrent form, and the memory that it takes."""

from collections.abc import Callable

import pytest
import torch
from naive_attention import LargestTensor, naive_average, random_inputs, value_and_gradients
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from nets import (
    PositiveRandomFeatures,
    elu_features,
    kernel_attention,
    linear_attention,
    quadratic_features,
    softmax_kernel,
)

FEATURE_MAPS = {
    "elu": elu_features,
    "quadratic": quadratic_features,
    "random": PositiveRandomFeatures(4, 9),
    "of one feature": lambda x: x.square().sum(dim=-1, keepdim=True),
}
FeatureMap = Callable[[Tensor], Tensor]


def naive_linear_attention(q: Tensor, k: Tensor, v: Tensor, feature_map: FeatureMap, causal: bool) -> Tensor:
    similarities = torch.einsum("...nc,...sc->...ns", feature_map(q), feature_map(k))
    seen = torch.arange(q.shape[-2])[:, None] >= torch.arange(k.shape[-2]) if causal else None
    return naive_average(similarities, v, seen)[0]


def recurrent_attention(q: Tensor, k: Tensor, v: Tensor, feature_map: FeatureMap) -> Tensor:
    """Token after token, with a state of C×M and one of C."""
    q, k = feature_map(q), feature_map(k)
    state = k.new_zeros(*k.shape[:-2], k.shape[-1], v.shape[-1])
    total = k.new_zeros(*k.shape[:-2], k.shape[-1])
    outputs = []
    for i in range(q.shape[-2]):
        state = state + torch.einsum("...c,...m->...cm", k[..., i, :], v[..., i, :])
        total = total + k[..., i, :]
        outputs.append(
            torch.einsum("...c,...cm->...m", q[..., i, :], state) / (q[..., i, :] * total).sum(-1, keepdim=True)
        )
    return torch.stack(outputs, dim=-2)


@pytest.mark.parametrize("lengths", [(5, 7), (1, 1), (1, 9), (9, 1), (2, 3), (40, 33)])
@pytest.mark.parametrize("name", FEATURE_MAPS)
def test_equals_the_naive_form_in_value_and_gradients(name: str, lengths: tuple[int, int]) -> None:
    feature_map = FEATURE_MAPS[name]
    for batch in [(), (2,), (2, 3, 2)]:
        inputs = random_inputs(*batch, queries=lengths[0], keys=lengths[1])
        output = linear_attention(*inputs, feature_map)
        expected = naive_linear_attention(*inputs, feature_map, causal=False)
        assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))


# With M = 6 values the chunks are of 5 (elu, C = 4), 9 (quadratic, C = 15), 7 (random, C = 9) and 2 tokens (C = 1).
@pytest.mark.parametrize("length", [1, 2, 5, 6, 9, 10, 37])
@pytest.mark.parametrize("name", FEATURE_MAPS)
def test_causal_equals_the_naive_form_in_value_and_gradients(name: str, length: int) -> None:
    feature_map = FEATURE_MAPS[name]
    for batch in [(), (2,), (2, 3, 2)]:
        inputs = random_inputs(*batch, queries=length, keys=length)
        output = linear_attention(*inputs, feature_map, causal=True)
        expected = naive_linear_attention(*inputs, feature_map, causal=True)
        assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))


@pytest.mark.parametrize("length", [1, 7, 50, 101])
@pytest.mark.parametrize("name", FEATURE_MAPS)
def test_parallel_form_equals_the_recurrent_form(name: str, length: int) -> None:
    inputs = random_inputs(2, 2, queries=length, keys=length)
    output = linear_attention(*inputs, FEATURE_MAPS[name], causal=True)
    expected = recurrent_attention(*inputs, FEATURE_MAPS[name])
    pair = value_and_gradients(output, inputs), value_and_gradients(expected, inputs)
    assert_close(*pair, rtol=1e-10, atol=1e-12)
    assert_close(output, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("causal", [False, True])
def test_keys_without_a_batch_serve_every_sample(causal: bool) -> None:
    q, _, _ = random_inputs(2, 3, queries=8, keys=8)
    _, k, v = random_inputs(queries=8, keys=8)
    expected = naive_linear_attention(q, k, v, elu_features, causal)
    output = linear_attention(q, k, v, elu_features, causal)
    assert_close(value_and_gradients(output, [q, k, v]), value_and_gradients(expected, [q, k, v]))


@pytest.mark.parametrize("first_changed", [1, 4, 5, 12, 22])
@pytest.mark.parametrize("name", ["elu", "quadratic", "of one feature"])
def test_later_tokens_change_nothing_before_them(name: str, first_changed: int) -> None:
    inputs = random_inputs(2, queries=23, keys=23)
    later = [torch.cat([x[:, :first_changed], torch.randn_like(x[:, first_changed:])], dim=1) for x in inputs]
    output = linear_attention(*inputs, FEATURE_MAPS[name], causal=True)
    changed = linear_attention(*later, FEATURE_MAPS[name], causal=True)
    assert torch.equal(output[:, :first_changed], changed[:, :first_changed])
    assert (output != changed)[:, first_changed:].any(dim=-1).all()
    for gradient in torch.autograd.grad(output[:, :first_changed].sum(), inputs):
        assert (gradient[:, first_changed:] == 0).all()


def test_later_tokens_change_nothing_before_them_but_rounding_with_random_features() -> None:
    inputs = random_inputs(2, queries=23, keys=23)
    later = [torch.cat([x[:, :9], 3 * torch.randn_like(x[:, 9:])], dim=1) for x in inputs]
    output, changed = (linear_attention(*x, FEATURE_MAPS["random"], causal=True)[:, :9] for x in (inputs, later))
    assert_close(output, changed, rtol=0, atol=1e-12)


def test_a_later_key_beside_which_the_earlier_ones_vanish_is_told() -> None:
    q, k, v = random_inputs(queries=3, keys=3)
    k = torch.cat([40 * k[:2], torch.zeros_like(k[2:])])
    with pytest.raises(ValueError, match=r"for 2 of 3 queries the similarities .* sum up to 0"):
        linear_attention(q, k, v, FEATURE_MAPS["random"], causal=True)


@pytest.mark.parametrize("name", FEATURE_MAPS)
def test_the_first_causal_token_sees_itself_and_the_last_one_sees_all(name: str) -> None:
    q, k, v = random_inputs(2, queries=23, keys=23)
    causal = linear_attention(q, k, v, FEATURE_MAPS[name], causal=True)
    assert_close(causal[:, 0], v[:, 0])
    assert_close(causal[:, -1], linear_attention(q, k, v, FEATURE_MAPS[name])[:, -1])


def test_causal_in_float32_keeps_six_digits_over_a_thousand_tokens() -> None:
    inputs = [x.detach() for x in random_inputs(queries=1001, keys=1001)]
    expected = naive_linear_attention(*inputs, elu_features, causal=True)
    output = linear_attention(*(x.float() for x in inputs), elu_features, causal=True)
    assert_close(output.double(), expected, rtol=0, atol=1e-5)


def largest_tensor(attention: Callable[..., Tensor], length: int) -> int:
    """The size of the largest tensor of forward and backward."""
    inputs = random_inputs(queries=length, keys=length)
    with LargestTensor() as largest:
        attention(*inputs).sum().backward()
    return largest.numel


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", FEATURE_MAPS)
def test_memory_is_linear_in_the_length_and_less_than_a_state_for_every_token(name: str, causal: bool) -> None:
    width, num_features = 6, FEATURE_MAPS[name](torch.zeros(1, 4)).shape[-1]
    for length in (2045, 2048):
        size = largest_tensor(lambda q, k, v: linear_attention(q, k, v, FEATURE_MAPS[name], causal), length)
        # Features, or values and a column for their denominator, filled up to a whole chunk of √(CM) < C + M tokens.
        assert size <= (length + num_features + width) * max(num_features, width + 1)
        assert num_features == 1 or size < length * num_features * width / 2
        assert size < length**2 / 50


def test_memory_of_a_form_that_is_not_linear_is_seen() -> None:
    assert largest_tensor(lambda q, k, v: kernel_attention(q, k, v, softmax_kernel), 500) == 500**2

    def states_of_every_token(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return (q.unsqueeze(-2) @ (k.unsqueeze(-1) * v.unsqueeze(-2)).cumsum(dim=-3)).squeeze(-2)

    assert largest_tensor(states_of_every_token, 500) == 500 * 4 * 6

    def quadratic_in_backward_alone(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q.register_hook(lambda gradient: gradient * torch.ones(500, 500).mean())
        return q * k * v[..., :4]

    assert largest_tensor(quadratic_in_backward_alone, 500) == 500**2


@pytest.mark.parametrize("causal", [False, True])
def test_queries_without_a_similar_key_are_refused(causal: bool) -> None:
    q, k, v = random_inputs(queries=7, keys=7)
    with pytest.raises(ValueError, match=r"^for 7 of 7 queries the similarities to the keys sum up to 0"):
        linear_attention(q, -k.abs(), v, F.relu, causal)
    if causal:
        k = torch.cat([-k[:3].abs(), k[3:].abs()])  # the later queries see similar keys
        with pytest.raises(ValueError, match=r"^for 3 of 7 queries"):
            linear_attention(q.abs(), k, v, F.relu, causal)


def test_features_whose_similarities_are_negative_are_refused() -> None:
    q, k, v = random_inputs()
    with pytest.raises(ValueError, match=r"sum up to -\d.* use a similarity, or a feature_map, that is never negative"):
        linear_attention(q, k, v, lambda x: x)


@pytest.mark.parametrize(
    ("shapes", "causal", "message"),
    [
        (((5, 4), (7, 3), (7, 6)), False, r"same width, but q has 4 .* and k has 3"),
        (((5, 4), (7, 4), (8, 6)), False, r"same length, but k has 7 .* and v has 8"),
        (((5, 4), (7, 4), (7, 6)), True, r"as many queries as keys, but q has 5 and k has 7"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(shapes: tuple, causal: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        linear_attention(*map(torch.zeros, shapes), elu_features, causal)


@pytest.mark.parametrize("causal", [False, True])
def test_sums_that_overflow_are_refused(causal: bool) -> None:
    q, k, v = (100 * x.detach().float() for x in random_inputs(queries=7, keys=7))
    with pytest.raises(ValueError, match=r"sum up to (inf|nan): scale the queries and keys down"):
        linear_attention(q.abs(), k.abs(), v, torch.exp, causal)


def test_a_sequence_of_many_segments_equals_the_naive_sums() -> None:
    inputs = random_inputs(queries=700, keys=700)  # chunks of 5, segments of 160, the last of 60
    expected = naive_linear_attention(*inputs, elu_features, causal=True)
    output = linear_attention(*inputs, elu_features, causal=True)
    assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))
