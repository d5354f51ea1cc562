"""What attention must be: moments of its scores, its cost, and its exact low-rank form."""

from typing import NamedTuple

import torch
from torch import Tensor


class Moments(NamedTuple):
    """Mean and variance of a random number."""

    mean: Tensor
    variance: Tensor


class AttentionCost(NamedTuple):
    """Multiply-adds, and elements stored at the same time beside queries, keys, values and output."""

    multiply_adds: int
    stored_elements: int


def dot_product_moments(mean: Tensor | float, std: Tensor | float, dim: int) -> Moments:
    r"""Mean and variance of q·k for independent q, k ~ N(μ, σ²I).

    "Attention Is All You Need" (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762, section 3.2.1, where μ = 0
    and σ = 1.
    E[q·k] = ‖μ‖², Var[q·k] = 2σ²‖μ‖² + Dσ⁴. With μ = 0 and σ = 1 the variance is D: divided by √D the scores keep
    the variance 1 at any width.

    Args:
        mean: μ, or one number for all of its D components.
        std: σ ≥ 0.
        dim: width D of the queries and keys, ≥ 1.

    Shapes:
        mean (..., D) or a number, std broadcastable to (...,) -> two of (...,)

    Raises:
        ValueError: when ``dim`` is below 1, ``std`` is negative, or ``mean`` has another width.

    Example:
        >>> dot_product_moments(mean=0.0, std=1.0, dim=64)
        Moments(mean=tensor(0.), variance=tensor(64.))
    """
    mean, std = torch.as_tensor(mean), torch.as_tensor(std)
    if dim < 1:
        raise ValueError(f"dim must be at least 1, but it is {dim}.")
    if (std < 0).any():
        raise ValueError(f"std must not be negative, but it is {std.min().item()}.")
    if mean.dim() and mean.shape[-1] != dim:
        raise ValueError(f"mean must be a number or have the width dim={dim}, but its shape is {tuple(mean.shape)}.")
    squared_norm = mean.square().sum(dim=-1) if mean.dim() else dim * mean.square()
    return Moments(squared_norm, 2 * std.square() * squared_norm + dim * std**4)


def attention_cost(n: int, d: int, m: int, kind: str, num_features: int | None = None) -> AttentionCost:
    r"""Multiply-adds and stored elements of attention over N queries and keys.

    "Transformers are RNNs" (Katharopoulos et al., 2020), https://arxiv.org/abs/2006.16236, section 3.2.1.
    softmax: N²(D + M) multiply-adds, N² weights. C features: 2NC(M + 1) multiply-adds, for the C×M sum over the keys,
    its product with every query, and the same of the denominator; 2NC + C(M + 1) elements. The quadratic kernel has
    C = 1 + 2D + D(D−1)/2 features, each product of which costs one more: it is cheaper than softmax when N is beyond
    about D²/2, of the order D² as the paper says. Exponentials and other cheap elementwise work are not counted.

    Args:
        n: number N of queries, and of keys, ≥ 1.
        d: width D of a query and a key, ≥ 1.
        m: width M of a value, ≥ 1.
        kind: "softmax", "quadratic", or "features" for any other feature map.
        num_features: number C of features, for "features" alone, ≥ 1.

    Raises:
        ValueError: when a number is below 1, the kind is unknown, or ``num_features`` is missing or out of place.

    Example:
        >>> attention_cost(n=1024, d=64, m=64, kind="softmax")
        AttentionCost(multiply_adds=134217728, stored_elements=1048576)
    """
    if min(n, d, m) < 1 or (num_features is not None and num_features < 1):
        raise ValueError(f"n, d, m and num_features must be at least 1, but are {n}, {d}, {m} and {num_features}.")
    if kind not in ("softmax", "quadratic", "features"):
        raise ValueError(f'kind must be "softmax", "quadratic" or "features", but it is "{kind}".')
    if (kind == "features") != (num_features is not None):
        raise ValueError(f'num_features belongs to kind="features", but it is {num_features} with kind="{kind}".')
    if kind == "softmax":
        return AttentionCost(n * n * (d + m), n * n)
    products = 2 * n * (d * (d + 1) // 2) if kind == "quadratic" else 0
    features = num_features or 1 + 2 * d + d * (d - 1) // 2
    return AttentionCost(2 * n * features * (m + 1) + products, 2 * n * features + features * (m + 1))


@torch.no_grad()
def exact_projections(q: Tensor, k: Tensor, rank: int | None = None) -> tuple[Tensor, Tensor]:
    r"""The projections C and D for which ``projected_attention`` Q(CK)ᵀDV equals QKᵀV.

    "Linformer: Self-Attention with Linear Complexity" (Wang et al., 2020), https://arxiv.org/abs/2006.04768.
    With the singular value decomposition QKᵀ = U diag(s) Vh, both are the first K rows of Vh: QKᵀ Vhᵀ Vh = QKᵀ when
    QKᵀ has rank K. With fewer rows it is the best approximation of that rank (Eckart–Young). The decomposition is that
    of a D×D matrix between the QR factors of Q and K, so it costs O(ND²). No gradient flows through it: singular
    vectors are not unique.

    Args:
        q: queries.
        k: keys.
        rank: number K of rows, in 1 … min(N, S, D); the numerical rank of QKᵀ when None (the largest of a batch).

    Shapes:
        q (..., N, D), k (..., S, D) -> C (..., K, S), D (..., K, S)

    Raises:
        ValueError: when q and k have different widths, or the rank is out of its range.

    Example:
        >>> q, k = torch.rand(9, 2), torch.rand(7, 2)
        >>> c, d = exact_projections(q, k)
        >>> c.shape, torch.allclose(q @ (c @ k).T @ d, q @ k.T, atol=1e-5)
        (torch.Size([2, 7]), True)
    """
    if q.dim() < 2 or k.dim() < 2 or q.shape[:-2] != k.shape[:-2] or q.shape[-1] != k.shape[-1]:
        raise ValueError(
            f"q and k must be (..., N, D) and (..., S, D) with the same batch and width, but their shapes are "
            f"{tuple(q.shape)} and {tuple(k.shape)}."
        )
    upper_q = torch.linalg.qr(q, mode="r").R  # (..., min(N, D), D)
    basis, upper_k = torch.linalg.qr(k)  # (..., S, min(S, D)), (..., min(S, D), D)
    _, singular_values, vh = torch.linalg.svd(upper_q @ upper_k.transpose(-2, -1), full_matrices=False)
    most = singular_values.shape[-1]
    if rank is None:
        cutoff = singular_values[..., :1] * max(q.shape[-2], k.shape[-2]) * torch.finfo(q.dtype).eps
        rank = max(1, int((singular_values > cutoff).sum(dim=-1).max()))
    if not 1 <= rank <= most:
        raise ValueError(
            f"rank must be in 1 … {most}, the smallest of the lengths {q.shape[-2]} and {k.shape[-2]} and the width "
            f"{q.shape[-1]}, but it is {rank}."
        )
    projection = vh[..., :rank, :] @ basis.transpose(-2, -1)  # (..., K, S)
    return projection, projection
