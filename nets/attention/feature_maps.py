"""Feature maps: similarities as inner products, so that attention costs linear time.

Letters in shape comments: N tokens, D width of a token, C features.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def features_of(feature_map: Callable[[Tensor], Tensor], q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
    """The features of queries and keys, of both together where the map has a method ``for_attention``.

    Shapes:
        q (..., N, D), k (..., S, D) -> (..., N, C), (..., S, C)
    """
    together = getattr(feature_map, "for_attention", None)
    return together(q, k) if together else (feature_map(q), feature_map(k))


def elu_features(x: Tensor) -> Tensor:
    r"""φ(x) = elu(x) + 1, which is positive (below −17 it rounds to 0 in float32).

    "Transformers are RNNs" (Katharopoulos et al., 2020), https://arxiv.org/abs/2006.16236, equation 7.

    Shapes:
        x (..., N, D) -> (..., N, D)

    Example:
        >>> elu_features(torch.tensor([[-1.0, 0.0, 2.0]]))
        tensor([[0.3679, 1.0000, 3.0000]])
    """
    return F.elu(x).add_(1.0)


def quadratic_features(x: Tensor) -> Tensor:
    r"""φ(x) = [1, √2 x, x_i² …, √2 x_i x_j …] over i < j, so that φ(q)·φ(k) = (q·k + 1)² exactly.

    "Transformers are RNNs" (Katharopoulos et al., 2020), https://arxiv.org/abs/2006.16236, section 3.2.1.
    (q·k + 1)² = 1 + 2 q·k + (q·k)²: the terms 2 q·k ask for the factor √2 before x. C = 1 + 2D + D(D−1)/2.

    Shapes:
        x (..., N, D) -> (..., N, C)

    Example:
        >>> x, y = torch.rand(4, 3), torch.rand(4, 3)
        >>> similarity = quadratic_features(x) @ quadratic_features(y).T
        >>> torch.allclose(similarity, (x @ y.T + 1) ** 2, atol=1e-5)
        True
    """
    scaled = math.sqrt(2) * x
    # Products of slices: to gather the D(D-1)/2 pairs by their indices takes ten times as long.
    products = [scaled[..., i : i + 1] * x[..., i + 1 :] for i in range(x.shape[-1] - 1)]
    return torch.cat([torch.ones_like(x[..., :1]), scaled, x.square(), *products], dim=-1)


class PositiveRandomFeatures(nn.Module):
    r"""Random features whose inner product estimates the softmax kernel, without bias: FAVOR+.

    "Rethinking Attention with Performers" (Choromanski et al., 2021), https://arxiv.org/abs/2009.14794.
    φ(x) = exp(w_c·x' − ‖x'‖²/2)/√C with x' = √scale·x and Gaussian w_1 … w_C, orthogonal in blocks of D;
    E[φ(q)·φ(k)] = exp(scale·q·k). The relative error falls as 1/√C, and grows as exp(‖q' + k'‖²/2) with the norms.

    Args:
        dim: width D of the queries and keys, ≥ 1.
        num_features: number C of random features, ≥ 1.
        seed: seed of the random directions.
        scale: factor of q·k in the kernel; 1/√D when None, as in ``softmax_attention``.

    Shapes:
        x (..., N, D) -> (..., N, C)

    Raises:
        ValueError: when ``dim`` or ``num_features`` is below 1, ``scale`` is not positive, or x has another width.

    Example:
        >>> features = PositiveRandomFeatures(dim=4, num_features=32)
        >>> features(torch.rand(7, 4)).shape
        torch.Size([7, 32])
    """

    directions: Tensor

    def __init__(self, dim: int, num_features: int, seed: int = 0, scale: float | None = None) -> None:
        super().__init__()
        if dim < 1 or num_features < 1:
            raise ValueError(f"dim and num_features must be at least 1, but they are {dim} and {num_features}.")
        if scale is not None and not scale > 0:
            raise ValueError(f"scale must be positive, but it is {scale}.")
        self.scale = dim**-0.5 if scale is None else scale
        self.register_buffer("directions", _orthogonal_directions(dim, num_features, seed))  # (C, D)

    def forward(self, x: Tensor) -> Tensor:
        """The unbiased features."""
        return self._exponents(x).exp() * len(self.directions) ** -0.5

    def for_attention(self, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """Features of queries and keys up to factors that cancel in the attention, chosen so that none overflows.

        Each feature of the keys is divided by its largest value in the sequence, and that of the queries multiplied by
        it; then each query is divided by its largest feature. Without causality or a mask the sum of a query's
        similarities is at least 1; with them it vanishes, and raises an error, where a key that a query may not see
        has features 10³⁸ times as large as all that it may.

        Shapes:
            q (..., N, D), k (..., S, D) -> (..., N, C), (..., S, C)

        Raises:
            ValueError: when q or k has another width than ``dim``.
        """
        of_queries, of_keys = self._exponents(q), self._exponents(k)
        largest = of_keys.detach().amax(dim=-2, keepdim=True)  # (..., 1, C)
        of_queries, of_keys = of_queries + largest, of_keys - largest
        return (of_queries - of_queries.detach().amax(dim=-1, keepdim=True)).exp(), of_keys.exp()

    def _exponents(self, x: Tensor) -> Tensor:
        if x.shape[-1] != self.directions.shape[-1]:
            raise ValueError(
                f"x must have the width dim={self.directions.shape[-1]}, but its shape is {tuple(x.shape)}."
            )
        x = x * self.scale**0.5
        return x @ self.directions.T.to(x.dtype) - x.square().sum(dim=-1, keepdim=True) / 2  # (..., N, C)


def _orthogonal_directions(dim: int, num_features: int, seed: int) -> Tensor:
    """Rows that are each N(0, I), and orthogonal to each other within every block of ``dim``: less variance."""
    generator = torch.Generator().manual_seed(seed)
    num_blocks = -(-num_features // dim)
    gaussian = torch.randn(num_blocks, dim, dim, generator=generator, dtype=torch.float64)
    orthogonal, upper = torch.linalg.qr(gaussian)
    orthogonal = orthogonal * upper.diagonal(dim1=-2, dim2=-1).sign()[:, None, :]  # uniform over the orthogonal group
    norms = torch.randn(num_blocks, dim, dim, generator=generator, dtype=torch.float64).norm(dim=-1, keepdim=True)
    return (orthogonal * norms).flatten(0, 1)[:num_features].to(torch.get_default_dtype())
