"""How far apart two subspaces are."""

import torch
from torch import Tensor

from theory.matrices import check_matrix


def largest_principal_angle(first: Tensor, second: Tensor) -> Tensor:
    r"""The largest principal angle between two column spaces, in degrees: 0 when they are the same.

    "Numerical Methods for Computing Angles Between Linear Subspaces" (Björck & Golub, 1973),
    https://doi.org/10.2307/2005662.
    With orthonormal bases Q₁ and Q₂: sin θ is the largest singular value of (I − Q₁Q₁ᵀ)Q₂, cos θ the smallest of
    Q₁ᵀQ₂. The two together keep all digits: the cosine alone loses small angles, the sine those near 90°. It is
    computed in float64.

    Args:
        first: a matrix, its columns need not be orthonormal.
        second: another one, of the same shape. When either has not full column rank to the precision of its dtype, a
            direction is missing and the angle is 90.

    Shapes:
        first (d, a), second (d, a) -> ()

    Raises:
        ValueError: when the two are not matrices of floating point, or have different shapes.

    Example:
        >>> largest_principal_angle(torch.tensor([[1.0], [0.0]]), torch.tensor([[1.0], [1.0]])).round(decimals=4)
        tensor(45., dtype=torch.float64)
    """
    check_matrix("first", first)
    check_matrix("second", second)
    if first.shape != second.shape:
        shapes = f"{tuple(first.shape)} and {tuple(second.shape)}"
        raise ValueError(f"first and second must have the same shape, but have {shapes}.")
    bases = [_orthonormal_basis(matrix) for matrix in (first, second)]
    if any(basis.shape != first.shape for basis in bases):
        return torch.tensor(90.0, dtype=torch.float64, device=first.device)
    overlap = bases[0].T @ bases[1]  # (a, a)
    sine = torch.linalg.svdvals(bases[1] - bases[0] @ overlap)[0]
    return torch.rad2deg(torch.atan2(sine, torch.linalg.svdvals(overlap)[-1]))


def _orthonormal_basis(matrix: Tensor) -> Tensor:
    left, singular_values, _ = torch.linalg.svd(matrix.double(), full_matrices=False)
    cutoff = max(matrix.shape) * torch.finfo(matrix.dtype).eps * singular_values[0]
    return left[:, : int((singular_values > cutoff).sum())]
