"""Geometry of high dimensions: projections that keep distances, and many directions that are almost orthogonal.

Everything is drawn on the CPU in the default dtype from a generator of its own: the global one is left alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def jl_dimension(n: int, eps: float) -> int:
    r"""Number of dimensions in which n points keep their pairwise distances after a random projection.

    "An elementary proof of a theorem of Johnson and Lindenstrauss" (Dasgupta & Gupta, 2003),
    https://doi.org/10.1002/rsa.10073, for the theorem.
    k = ⌈8 ln n / ε²⌉ for (1 − ε)‖u − v‖² ≤ ‖Pu − Pv‖² ≤ (1 + ε)‖u − v‖², whatever the number of dimensions before.
    This is the common short form. The paper keeps the term of third order, and its tight form asks for more,
    k ≥ 4 ln n / (ε²/2 − ε³/3): n = 1000 and ε = 0.2 take 1382 dimensions here and 1594 there, and a Gaussian projection
    is expected to fail for 0.18 and 0.03 of the 499,500 pairs. Where one fails, take another seed.

    Args:
        n: number of points, ≥ 1; one point alone takes 1 dimension.
        eps: ε, largest relative error of a squared distance, in (0, 1).

    Raises:
        ValueError: when an argument is out of its range.

    Example:
        >>> jl_dimension(n=1000, eps=0.2)
        1382
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, but it is {n}.")
    if not 0 < eps < 1:
        raise ValueError(f"eps must be in (0, 1), but it is {eps}.")
    return max(1, math.ceil(8 * math.log(n) / eps**2))


def jl_projection(n_dims: int, k: int, seed: int) -> Tensor:
    r"""A random linear map P to k dimensions that keeps squared lengths on average.

    "An elementary proof of a theorem of Johnson and Lindenstrauss" (Dasgupta & Gupta, 2003),
    https://doi.org/10.1002/rsa.10073, with independent Gaussian entries in place of an orthonormal basis.
    P_ij ~ N(0, 1/k): E‖Pu‖² = ‖u‖², and ‖Pu‖²/‖u‖² ~ χ²_k/k has the variance 2/k.

    Args:
        n_dims: number of dimensions before, ≥ 1.
        k: number of dimensions after, ≥ 1; ``jl_dimension`` gives how many it takes.
        seed: seed of the generator.

    Shapes:
        -> (k, n_dims)

    Raises:
        ValueError: when ``n_dims`` or ``k`` is below 1.

    Example:
        >>> jl_projection(n_dims=1000, k=50, seed=0).shape
        torch.Size([50, 1000])
    """
    if min(n_dims, k) < 1:
        raise ValueError(f"n_dims and k must be at least 1, but are {n_dims} and {k}.")
    return torch.randn(k, n_dims, generator=torch.Generator().manual_seed(seed)) / math.sqrt(k)


def almost_orthogonal_vectors(count: int, dim: int, delta: float, seed: int) -> Tensor:
    r"""Unit vectors, possibly many more than dimensions, of which no two overlap by more than δ.

    "Extensions of Lipschitz mappings into a Hilbert space" (Johnson & Lindenstrauss, 1984),
    https://doi.org/10.1090/conm/026/737400: a projection that keeps distances keeps inner products as well.
    v_i = Pe_i/‖Pe_i‖ for the standard basis e_i of ℝ^count and P = ``jl_projection(count, dim, seed)``, so that they
    are random directions. P(some |v_i·v_j| > δ) ≤ count² exp(−dim δ²/2): the dimension that this takes grows with the
    logarithm of the count, and 4 ln(10 count)/δ² suffice for 99 seeds out of 100.

    Args:
        count: number of vectors, ≥ 1.
        dim: number of dimensions, ≥ 1.
        delta: δ, largest |v_i·v_j| of two of them, in (0, 1).
        seed: seed of the generator.

    Shapes:
        -> (count, dim)

    Raises:
        ValueError: when an argument is out of its range, or two vectors overlap by more than δ.

    Example:
        >>> vectors = almost_orthogonal_vectors(count=20, dim=10, delta=0.99, seed=0)
        >>> vectors.shape
        torch.Size([20, 10])
    """
    if min(count, dim) < 1:
        raise ValueError(f"count and dim must be at least 1, but are {count} and {dim}.")
    _check_delta(delta)
    vectors = F.normalize(jl_projection(count, dim, seed).T, dim=1)  # (count, dim)
    largest = _largest_overlap(vectors)
    if largest > delta:
        bound = welch_bound(count, dim)
        enough = math.ceil(4 * math.log(10 * count) / delta**2)  # where count² exp(−dim δ²/2) is 0.01
        advice = f"dim={enough} suffices for 99 seeds of 100"
        if delta < bound:
            advice = f"no set of so many can be below the Welch bound {bound:.4f}"
        raise ValueError(
            f"|v_i·v_j| must be at most delta={delta}, but it reaches {largest:.4f} for {count} vectors in {dim} "
            f"dimensions: {advice}."
        )
    return vectors


def welch_bound(count: int, dim: int) -> float:
    r"""The least value that the largest |v_i·v_j| of unit vectors can have.

    "Lower bounds on the maximum cross correlation of signals" (Welch, 1974),
    https://doi.org/10.1109/TIT.1974.1055219.
    max_{i≠j} |v_i·v_j| ≥ √((n − d)/(d(n − 1))) for n > d vectors in d dimensions; up to n = d they can be orthogonal
    and it is 0. Three vectors in the plane, 120° apart, reach it: 1/2.

    Args:
        count: number n of vectors, ≥ 1.
        dim: number d of dimensions, ≥ 1.

    Raises:
        ValueError: when ``count`` or ``dim`` is below 1.

    Example:
        >>> welch_bound(count=3, dim=2)
        0.5
    """
    if min(count, dim) < 1:
        raise ValueError(f"count and dim must be at least 1, but are {count} and {dim}.")
    return math.sqrt((count - dim) / (dim * (count - 1))) if count > dim else 0.0


def almost_orthogonal_count(dim: int, delta: float) -> float:
    r"""Number of random directions that can be drawn until the first two overlap by more than δ.

    The birthday problem: √(π/(2p)) draws on average when each pair collides with a small probability p.
    p = P(|v_i·v_j| > δ) = ∫_δ^1 (1 − t²)^{(d−3)/2} dt / ∫_0^1 (1 − t²)^{(d−3)/2} dt, because (v_i·v_j)² follows
    Beta(1/2, (d−1)/2), of mean 1/d; both integrals are computed to the precision of float64. As p ≤ 2 exp(−dδ²/2)
    ("An Elementary Introduction to Modern Convex Geometry", Ball, 1997, lemma 2.2,
    https://library.slmath.org/books/Book31/files/ball.pdf), the number is at least √(π/4) exp(dδ²/4): it grows
    exponentially with the dimension. Beyond the range of float64 it is inf.

    Args:
        dim: number d of dimensions, ≥ 1.
        delta: δ, in (0, 1).

    Raises:
        ValueError: when an argument is out of its range.

    Example:
        >>> round(almost_orthogonal_count(dim=100, delta=0.5))
        3929
    """
    if dim < 1:
        raise ValueError(f"dim must be at least 1, but it is {dim}.")
    _check_delta(delta)
    if dim == 1:  # all directions are ±1
        return math.sqrt(math.pi / 2)
    log_probability = _log_cap(math.acos(delta), dim) - _log_cap(math.pi / 2, dim)
    return (0.5 * (math.log(math.pi / 2) - log_probability)).exp().item()


def _log_cap(angle: float, dim: int) -> Tensor:
    """log ∫_0^angle sin^{d−2} θ dθ, with t = cos θ, in logarithms because a cap can be below 1e-308 of the sphere."""
    # Double exponential quadrature (Takahasi & Mori, 1974) crowds its nodes where the integrand peaks, at the ends.
    node = torch.linspace(-3.5, 3.5, 2001, dtype=torch.float64)
    logit = math.pi * node.sinh()  # θ = angle · sigmoid(logit)
    log_weight = F.logsigmoid(logit) + F.logsigmoid(-logit) + node.cosh().log()
    log_integrand = (dim - 2) * (angle * logit.sigmoid()).sin().log()
    return (log_integrand + log_weight).logsumexp(dim=0) + math.log(angle)  # the constant step cancels in a ratio


def _largest_overlap(vectors: Tensor) -> float:
    largest = 0.0
    for start in range(0, len(vectors), 512):  # in chunks: all overlaps of 20,000 vectors take 1.6 GB
        overlaps = vectors[start : start + 512] @ vectors[start:].T  # (≤ 512, count − start)
        largest = max(largest, overlaps.fill_diagonal_(0).abs().max().item())  # but for a vector with itself
    return largest


def _check_delta(delta: float) -> None:
    if not 0 < delta < 1:
        raise ValueError(f"delta must be in (0, 1), but it is {delta}.")
