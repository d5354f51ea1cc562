"""Convolutions and max-pools written out as relative attention, against torch's own, away from the edges."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.testing import assert_close

from nets import RelativeAttention1d, relative_attention
from theory import conv1d_as_relative_attention, max_pool_as_relative_attention
from theory.relative_attention import RelativeAttentionWeights

LENGTH = 24


def random_rows(dtype: torch.dtype = torch.float64, low: float = 0.1) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return low + torch.rand(50, LENGTH, 1, generator=generator, dtype=torch.float64).to(dtype)


def by_function(x: Tensor, weights: RelativeAttentionWeights) -> Tensor:
    w_q, w_k, w_v, p = weights
    return relative_attention(w_q * x, w_k * x, w_v * x, p)


def by_layer(max_distance: int) -> Callable[[Tensor, RelativeAttentionWeights], Tensor]:
    def attend(x: Tensor, weights: RelativeAttentionWeights) -> Tensor:
        with torch.no_grad():
            return RelativeAttention1d(max_distance).to(x.dtype).set_scalars(*weights)(x)

    return attend


def way_of(name: str, radius: int) -> Callable[[Tensor, RelativeAttentionWeights], Tensor]:
    return {"function": by_function, "wide layer": by_layer(LENGTH - 1), "narrow layer": by_layer(radius)}[name]


def largest_error(x: Tensor, output: Tensor, operator: str, kernel: list[float]) -> float:
    """Away from the edges, from torch's convolution or max-pool in double precision."""
    rows, radius = x.double().transpose(1, 2), len(kernel) // 2
    if operator == "conv":
        expected = F.conv1d(rows, torch.tensor(kernel, dtype=torch.float64)[None, None])
    else:
        expected = F.max_pool1d(rows, len(kernel), stride=1)
    inside = output.double()[:, radius : LENGTH - radius]
    assert inside.shape == expected.transpose(1, 2).shape
    return (inside - expected.transpose(1, 2)).abs().max().item()


def random_kernel(size: int) -> list[float]:
    return (3 * torch.rand(size, generator=torch.Generator().manual_seed(size), dtype=torch.float64)).tolist()


# The handout's kernel, zeros at the ends and beside each other, one tap, and random ones.
KERNELS = [[2.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0, 2.0], [3.0], *map(random_kernel, (1, 3, 5, 9))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("way", ["function", "wide layer", "narrow layer"])
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: f"{len(kernel)} taps")
def test_a_convolution_is_reproduced_to_1e_4(kernel: list[float], way: str, dtype: torch.dtype) -> None:
    weights = conv1d_as_relative_attention(kernel, LENGTH)
    assert weights.p.shape == (2 * LENGTH - 1,) and weights.p.isfinite().all()
    x = random_rows(dtype)
    output = way_of(way, len(kernel) // 2)(x, weights)
    assert output.dtype == dtype
    assert largest_error(x, output, "conv", kernel) <= 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("way", ["function", "wide layer", "narrow layer"])
@pytest.mark.parametrize("k", [0, 1, 2, 5])
def test_a_max_pool_is_reproduced_to_1e_4(k: int, way: str, dtype: torch.dtype) -> None:
    weights = max_pool_as_relative_attention(k, LENGTH)
    assert weights.p.shape == (2 * LENGTH - 1,)
    x = random_rows(dtype)
    output = way_of(way, k)(x, weights)
    assert output.dtype == dtype
    assert largest_error(x, output, "max_pool", [1.0] * (2 * k + 1)) <= 1e-4


@pytest.mark.parametrize("kernel", [[2.0, 0.0, 1.0], [0.0, 0.0, 1.0, 0.0, 2.0], random_kernel(5)])
def test_tolerance_of_a_convolution_bounds_its_error_and_trades_precision_for_range(kernel: list[float]) -> None:
    x, tolerances, errors, ranges = random_rows(), [0.5, 0.1, 1e-2, 1e-3, 1e-4], [], []
    for tolerance in tolerances:
        weights = conv1d_as_relative_attention(kernel, LENGTH, tolerance)
        errors.append(largest_error(x, by_function(x, weights), "conv", kernel))
        ranges.append((weights.p.max() - weights.p.min()).item())
        assert errors[-1] <= tolerance * sum(kernel) * x.max()
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-3 * errors[0]
    assert ranges == sorted(ranges)


@pytest.mark.parametrize("tolerance", [0.3, 1e-2, 1e-5])
def test_worst_sequence_for_a_convolution_comes_close_to_its_tolerance(tolerance: float) -> None:
    kernel = [0.0, 1.5, 0.0]
    x = torch.ones(1, LENGTH, 1, dtype=torch.float64)
    x[:, LENGTH // 2] = 0.0  # its output is 0, but for what it sees of all the others
    output = by_function(x, conv1d_as_relative_attention(kernel, LENGTH, tolerance))
    assert 0.4 * tolerance * 1.5 < largest_error(x, output, "conv", kernel) <= tolerance * 1.5


@pytest.mark.parametrize("smallest_input", [0.02, 0.1, 1.0])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_tolerance_of_a_max_pool_bounds_its_error_and_trades_precision_for_sharpness(
    k: int, smallest_input: float
) -> None:
    x, tolerances, errors, sharpness = random_rows(low=smallest_input), [0.5, 0.1, 1e-2, 1e-3], [], []
    for tolerance in tolerances:
        weights = max_pool_as_relative_attention(k, LENGTH, tolerance, smallest_input)
        errors.append(largest_error(x, by_function(x, weights), "max_pool", [1.0] * (2 * k + 1)))
        sharpness.append(weights.w_q * weights.w_k)
        assert errors[-1] <= tolerance
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.1 * errors[0]
    assert_close([tolerance * s for tolerance, s in zip(tolerances, sharpness, strict=True)], [0.5 * sharpness[0]] * 4)


@pytest.mark.parametrize("tolerance", [0.3, 1e-2, 1e-5])
def test_worst_sequence_for_a_max_pool_comes_close_to_its_tolerance(tolerance: float) -> None:
    weights = max_pool_as_relative_attention(1, LENGTH, tolerance, smallest_input=0.1)
    x = torch.full((1, LENGTH, 1), 0.1, dtype=torch.float64)
    x[:, LENGTH // 2] += 1 / (weights.w_q * weights.w_k * 0.1)  # where δ exp(−β x δ) is largest
    error = largest_error(x, by_function(x, weights), "max_pool", [1.0] * 3)
    assert 0.5 * tolerance < error <= tolerance


@pytest.mark.parametrize("kernel", [[2.0, 0.0, 1.0], random_kernel(5)])
def test_p_of_a_convolution_is_the_logarithm_of_its_taps_by_distance(kernel: list[float]) -> None:
    w_q, w_k, w_v, p = conv1d_as_relative_attention(kernel, 6, tolerance=0.01)
    assert (w_q, w_k) == (0, 0) and w_v == pytest.approx(sum(kernel))
    radius = len(kernel) // 2
    for distance in range(-5, 6):  # i − j
        tap = kernel[radius - distance] if abs(distance) <= radius else 0.0
        assert p[5 + distance].exp().item() == pytest.approx(max(tap, 0.01 * sum(kernel) / 12))


def test_p_of_a_max_pool_shuts_out_what_is_beyond_its_window() -> None:
    p = max_pool_as_relative_attention(2, 5).p
    assert p.tolist() == [-math.inf] * 2 + [0.0] * 5 + [-math.inf] * 2


@pytest.mark.parametrize(
    ("kernel", "arguments", "message"),
    [
        ([2.0, -1.0, 1.0], {}, r"kernel must be non-negative .* but it is \[2.0, -1.0, 1.0\]"),
        ([2.0, math.nan, 1.0], {}, r"kernel must be non-negative and finite, .* \[2.0, nan, 1.0\]"),
        ([2.0, math.inf, 1.0], {}, r"kernel must be non-negative and finite, .* \[2.0, inf, 1.0\]"),
        ([0.0, 0.0, 0.0], {}, r"kernel must have a positive tap, but it is \[0.0, 0.0, 0.0\]"),
        ([1.0, 1.0], {}, r"odd number of taps, but its shape is \(2,\)"),
        ([], {}, r"odd number of taps, but its shape is \(0,\)"),
        ([[1.0]], {}, r"odd number of taps, but its shape is \(1, 1\)"),
        ([1.0, 1.0, 1.0], {"length": 1}, "length must be more than 1, .* but it is 1"),
        ([1.0], {"length": 0}, "length must be more than 0, .* but it is 0"),
        ([1.0], {"tolerance": 0.0}, r"tolerance must be in \(0, 1\), but it is 0.0"),
        ([1.0], {"tolerance": 1.0}, r"tolerance must be in \(0, 1\), but it is 1.0"),
    ],
)
def test_convolutions_that_attention_cannot_be_are_refused(kernel: list, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        conv1d_as_relative_attention(kernel, **{"length": 8, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": -1}, "k must be at least 0, but it is -1"),
        ({"k": 8}, "length must be more than 8, .* but it is 8"),
        ({"smallest_input": 0.0}, "smallest_input must be positive, but it is 0.0"),
        ({"smallest_input": -0.1}, "smallest_input must be positive, but it is -0.1"),
        ({"tolerance": 0.0}, r"tolerance must be in \(0, 1\), but it is 0.0"),
        ({"tolerance": 2.0}, r"tolerance must be in \(0, 1\), but it is 2.0"),
    ],
)
def test_max_pools_that_attention_cannot_be_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        max_pool_as_relative_attention(**{"k": 1, "length": 8, **arguments})
