"""Feature maps against the kernels that they stand for, exactly or in the mean, and by how much they miss."""

import math

import numpy as np
import pytest
import torch
from naive_attention import naive_average, random_inputs, value_and_gradients
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from nets import (
    PositiveRandomFeatures,
    elu_features,
    kernel_attention,
    linear_attention,
    quadratic_features,
    quadratic_kernel,
    softmax_attention,
)


@pytest.mark.parametrize("batch", [(), (2,), (2, 3, 2)])
def test_elu_features_equal_their_two_branches_in_value_and_gradients(batch: tuple[int, ...]) -> None:
    q, _, _ = random_inputs(*batch)
    expected = torch.where(q > 0, q + 1, q.exp())
    assert_close(elu_features(q.detach()), expected)  # which leaves its input as it is
    assert_close(value_and_gradients(elu_features(q), [q]), value_and_gradients(expected, [q]))


def test_elu_features_are_positive_well_below_zero() -> None:
    x = torch.tensor([-2.0, -8.0, -16.0])
    assert_close(elu_features(x), x.exp(), rtol=0, atol=1e-7)
    assert (elu_features(x) > 0).all()


@pytest.mark.parametrize("batch", [(), (2,), (2, 3, 2)])
@pytest.mark.parametrize("dim", [1, 2, 3, 5, 8])
def test_quadratic_features_multiply_to_the_kernel_in_value_and_gradients(dim: int, batch: tuple[int, ...]) -> None:
    q, k, _ = random_inputs(*batch, width=dim)
    of_queries, of_keys = quadratic_features(q), quadratic_features(k)
    assert of_queries.shape == (*batch, 5, 1 + 2 * dim + dim * (dim - 1) // 2)
    product = torch.einsum("...nc,...sc->...ns", of_queries, of_keys)
    expected = (torch.einsum("...nd,...sd->...ns", q, k) + 1) ** 2
    assert_close(value_and_gradients(product, [q, k]), value_and_gradients(expected, [q, k]))


def test_quadratic_features_by_hand() -> None:
    q, k = torch.tensor([3.0, 5.0]), torch.tensor([2.0, -1.0])
    root = math.sqrt(2)
    assert_close(quadratic_features(q), torch.tensor([1, root * 3, root * 5, 9, 25, root * 15]))
    assert_close(quadratic_features(k), torch.tensor([1, root * 2, root * -1, 4, 1, root * -2]))
    assert_close(quadratic_features(q) @ quadratic_features(k), torch.tensor(4.0))  # (6 - 5 + 1)²
    without_root = torch.tensor([1, 3, 5, 9, 25, root * 15]) @ torch.tensor([1, 2, -1, 4, 1, root * -2])
    assert_close(without_root, torch.tensor(3.0))  # as the handout prints it: 1 + q·k + (q·k)²


@pytest.mark.parametrize("lengths", [(5, 7), (1, 1), (30, 40)])
def test_linear_attention_with_quadratic_features_is_that_with_the_quadratic_kernel(lengths: tuple[int, int]) -> None:
    inputs = random_inputs(2, 3, queries=lengths[0], keys=lengths[1])
    output, expected = linear_attention(*inputs, quadratic_features), kernel_attention(*inputs, quadratic_kernel)
    assert_close(value_and_gradients(output, inputs), value_and_gradients(expected, inputs))


@pytest.mark.parametrize("batch", [(), (2,), (2, 3, 2)])
@pytest.mark.parametrize("scale", [None, 0.7])
def test_random_features_equal_the_loop_over_directions(scale: float | None, batch: tuple[int, ...]) -> None:
    q, _, _ = random_inputs(*batch)
    features = PositiveRandomFeatures(4, 6, scale=scale)
    x = q * math.sqrt(0.5 if scale is None else scale)  # 1/√4
    half_norm = (x * x).sum(dim=-1) / 2
    columns = [((x * w).sum(dim=-1) - half_norm).exp() / math.sqrt(6) for w in features.directions]
    expected = torch.stack(columns, dim=-1)
    assert_close(value_and_gradients(features(q), [q]), value_and_gradients(expected, [q]))


X, Y = torch.tensor([0.8, -0.3, 0.4, 0.2]).double(), torch.tensor([0.1, 0.5, 0.6, -0.4]).double()


def estimates(num_features: int, seeds: int, scale: float | None = None) -> Tensor:
    """φ(X)·φ(Y) with each of the seeds."""
    maps = (PositiveRandomFeatures(4, num_features, seed, scale) for seed in range(seeds))
    return torch.stack([features(X) @ features(Y) for features in maps])


@pytest.mark.parametrize("scale", [None, 1.0])
@pytest.mark.parametrize("num_features", [16, 66])
def test_random_features_estimate_the_kernel_without_bias(num_features: int, scale: float | None) -> None:
    drawn = estimates(num_features, 1000, scale)
    kernel = torch.exp((0.5 if scale is None else scale) * X @ Y)
    standard_error = drawn.std() / math.sqrt(1000)
    assert standard_error < 0.03 * kernel
    assert (drawn.mean() - kernel).abs() < 3 * standard_error


def test_variance_is_the_closed_form_for_one_direction_and_less_for_orthogonal_ones() -> None:
    x, y = X * math.sqrt(0.5), Y * math.sqrt(0.5)
    together = (x + y).square().sum()
    closed_form = together.exp() * (x @ y).exp() ** 2 * (1 - (-together).exp())
    features = PositiveRandomFeatures(4, 4 * 50_000)  # 50,000 independent blocks of orthogonal directions
    of_directions = (features(X) * features(Y) * 200_000).view(-1, 4)
    assert (of_directions.var() / closed_form).item() == pytest.approx(1, abs=0.06)
    assert of_directions.mean(dim=-1).var() < 0.95 * closed_form / 4  # orthogonal directions repeat each other less


def test_error_falls_as_one_over_the_root_of_the_number_of_features() -> None:
    sizes, kernel = [16, 64, 256, 1024], torch.exp(X @ Y / 2)
    errors = [(estimates(size, 300) / kernel - 1).square().mean().sqrt().item() for size in sizes]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.05)


def test_directions_are_orthogonal_within_a_block_and_as_long_as_gaussian_ones() -> None:
    directions = PositiveRandomFeatures(16, 16 * 200).directions.double().unflatten(0, (200, 16))
    gram = directions @ directions.transpose(-2, -1)
    assert (gram - torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1))).abs().max() < 1e-4
    assert (directions[0] @ directions[1].T).abs().max() > 1  # two blocks are independent
    squares = gram.diagonal(dim1=-2, dim2=-1).flatten()  # chi-squared with 16 degrees: mean 16, variance 32
    assert (squares.mean() - 16).abs() < 4 * math.sqrt(32 / len(squares))
    assert squares.var().item() == pytest.approx(32, rel=0.15)


def test_features_that_fill_no_block_are_those_of_whole_blocks_cut_off() -> None:
    whole, cut = PositiveRandomFeatures(4, 8, seed=3), PositiveRandomFeatures(4, 6, seed=3)
    assert torch.equal(cut.directions, whole.directions[:6])
    assert PositiveRandomFeatures(4, 1).directions.shape == (1, 4)


def test_the_seed_decides_the_features_and_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first, again, other = (PositiveRandomFeatures(4, 6, seed).directions for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert (first != other).all()
    assert torch.equal(torch.get_rng_state(), state)


def similarities(of_queries: Tensor, of_keys: Tensor) -> Tensor:
    return torch.einsum("...nc,...sc->...ns", of_queries, of_keys)


def test_factors_of_the_features_for_attention_cancel_in_value_and_gradients() -> None:
    features = PositiveRandomFeatures(4, 6)
    inputs = random_inputs(2, 3)
    expected = value_and_gradients(
        naive_average(similarities(features(inputs[0]), features(inputs[1])), inputs[2])[0], inputs
    )
    together = kernel_attention(*inputs, lambda q, k: similarities(*features.for_attention(q, k)))
    assert_close(value_and_gradients(together, inputs), expected)
    assert_close(value_and_gradients(linear_attention(*inputs, features), inputs), expected)


def test_attention_with_many_random_features_is_nearly_softmax_attention() -> None:
    q, k, v = (x / 2 for x in random_inputs(2, 3))
    expected = softmax_attention(q, k, v)
    few, many = (linear_attention(q, k, v, PositiveRandomFeatures(4, size)) - expected for size in (16, 16_384))
    assert many.abs().max() < 0.02
    assert many.square().mean() < few.square().mean() / 30


def attention_by_logarithms(features: PositiveRandomFeatures, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention by the sums of random features, whose exponentials are never taken."""
    of_queries, of_keys = (
        x @ features.directions.double().T - x.square().sum(dim=-1, keepdim=True) / 2
        for x in (q * features.scale**0.5, k * features.scale**0.5)
    )
    scores = (of_queries.unsqueeze(-2) + of_keys.unsqueeze(-3)).logsumexp(dim=-1)
    return scores.softmax(dim=-1) @ v


def check_inputs_of_norm_100(dim: int, num_features: int, dtype: torch.dtype, tolerance: float) -> None:
    for seed in range(10):
        generator = torch.Generator().manual_seed(seed)
        q, k = 100 * F.normalize(torch.randn(2, 6, dim, generator=generator, dtype=torch.float64), dim=-1)
        v = torch.randn(6, 3, generator=generator, dtype=torch.float64)
        inputs = [x.to(dtype).requires_grad_() for x in (q, k, v)]
        features = PositiveRandomFeatures(dim, num_features, seed)
        plain = features(inputs[0]) @ features(inputs[1]).T
        assert (plain.sum(dim=-1) == 0).any()  # underflow: their average is 0/0
        expected = attention_by_logarithms(features, *(x.double() for x in inputs))
        expected = value_and_gradients(expected, inputs)
        output = value_and_gradients(linear_attention(*inputs, features), inputs)
        for ours, theirs in zip(output, expected, strict=True):
            assert_close(ours.double(), theirs.double(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(("dim", "num_features"), [(4, 8), (8, 64), (16, 64)])
def test_inputs_of_norm_100_are_attended_to_where_plain_features_vanish(dim: int, num_features: int) -> None:
    check_inputs_of_norm_100(dim, num_features, torch.float64, 1e-9)


@pytest.mark.parametrize(("dim", "num_features"), [(4, 8), (8, 64), (16, 64)])
def test_inputs_of_norm_100_are_attended_to_in_float32(dim: int, num_features: int) -> None:
    check_inputs_of_norm_100(dim, num_features, torch.float32, 1e-2)


def test_directions_are_part_of_the_state() -> None:
    first, second = PositiveRandomFeatures(4, 6, seed=1), PositiveRandomFeatures(4, 6, seed=2)
    assert not torch.equal(first(X), second(X))
    assert list(first.state_dict()) == ["directions"]
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(X), second(X))
    assert not list(first.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4), "dim and num_features must be at least 1, but they are 0 and 4"),
        ((4, 0), "dim and num_features must be at least 1, but they are 4 and 0"),
        ((4, 4, 0, 0.0), "scale must be positive, but it is 0.0"),
        ((4, 4, 0, math.nan), "scale must be positive, but it is nan"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PositiveRandomFeatures(*arguments)


def test_tokens_of_another_width_are_refused() -> None:
    features = PositiveRandomFeatures(4, 6)
    with pytest.raises(ValueError, match=r"x must have the width dim=4, but its shape is \(5, 3\)"):
        features(torch.zeros(5, 3))
    with pytest.raises(ValueError, match=r"x must have the width dim=4, but its shape is \(7, 3\)"):
        linear_attention(torch.zeros(7, 3), torch.zeros(7, 3), torch.zeros(7, 2), features)
