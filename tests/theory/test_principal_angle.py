"""Angles between subspaces against scipy, and by hand where they are small."""

import math

import pytest
import torch
from scipy.linalg import subspace_angles
from torch import Tensor

import theory


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("a", [1, 3, 6])
def test_angle_is_that_of_scipy_and_ignores_the_basis(a: int) -> None:
    first, second = randn(9, a), randn(9, a, seed=1)
    expected = math.degrees(subspace_angles(first.numpy(), second.numpy()).max())
    mixed = first @ randn(a, a, seed=2)
    for found in (theory.largest_principal_angle(first, second), theory.largest_principal_angle(second, mixed)):
        assert found.item() == pytest.approx(expected, rel=1e-10)
    assert theory.largest_principal_angle(first, mixed) < 1e-9


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("angle", [1e-9, 1e-5, 0.3, math.pi / 2 - 1e-7])
def test_angles_near_zero_and_ninety_degrees_keep_their_digits(angle: float, dtype: torch.dtype) -> None:
    first = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=dtype)
    second = torch.tensor([[1.0, 0.0], [0.0, math.cos(angle)], [0.0, math.sin(angle)]], dtype=dtype)
    expected = math.atan2(second[2, 1].item(), second[1, 1].item())  # of the rounded entries
    found = math.radians(theory.largest_principal_angle(first, second).item())
    assert found == pytest.approx(expected, rel=1e-6)
    assert math.pi / 2 - found == pytest.approx(math.pi / 2 - expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_angle_to_a_space_of_fewer_dimensions_is_ninety_degrees(dtype: torch.dtype) -> None:
    full = randn(6, 3).to(dtype)
    flat = full @ torch.tensor([[1.0, 2.0, 3.0], [0.1, 0.7, 0.8], [0.0, 1.0, 1.0]], dtype=dtype)
    for first, second in ((full, flat), (flat, full), (flat, flat), (full, 0 * full), (full[:2], full[2:4])):
        assert theory.largest_principal_angle(first, second) == 90


def test_other_shapes_and_types_are_refused() -> None:
    x = torch.ones(3, 4)
    with pytest.raises(ValueError, match=r"same shape, but have \(3, 4\) and \(4, 3\)"):
        theory.largest_principal_angle(x, x.T)
    with pytest.raises(ValueError, match="second must be a matrix of floating point"):
        theory.largest_principal_angle(x, x.long())
