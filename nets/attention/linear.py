"""Attention in linear time and memory, for similarities that are inner products of features.

Letters in shape comments: N queries, S keys, D width of a query and a key, M width of a value, C features,
T chunks of L tokens.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.attention.kernels import check_denominator
from nets.attention.softmax import check_attention_inputs


def linear_attention(
    q: Tensor, k: Tensor, v: Tensor, feature_map: Callable[[Tensor], Tensor], causal: bool = False
) -> Tensor:
    r"""Kernel attention with sim(q, k) = φ(q)·φ(k), in time and memory linear in the length, forward and backward.

    "Transformers are RNNs" (Katharopoulos et al., 2020), https://arxiv.org/abs/2006.16236.
    V'_i = φ(Q_i)ᵀ (Σ_j φ(K_j) V_jᵀ) / φ(Q_i)ᵀ (Σ_j φ(K_j)), the sums over all j, or over j ≤ i when causal.

    Args:
        q: queries.
        k: keys.
        v: values.
        feature_map: φ, with non-negative inner products. One with a method ``for_attention(q, k)`` gives the features
            of both together, up to factors that cancel, as ``PositiveRandomFeatures`` does.
        causal: whether token i attends to the tokens up to i alone.

    Shapes:
        q (..., N, D), k (..., S, D), v (..., S, M), φ: (..., N, D) -> (..., N, C); N = S when causal
        -> (..., N, M)

    Raises:
        ValueError: when shapes do not fit together; and, unless Python runs with ``-O`` or the call is being compiled,
            when a denominator is zero.
    """
    check_attention_inputs(q, k, v, None)
    if causal and q.shape[-2] != k.shape[-2]:
        raise ValueError(
            f"causal attention needs as many queries as keys, but q has {q.shape[-2]} and k has {k.shape[-2]}."
        )
    together = getattr(feature_map, "for_attention", None)
    q, k = together(q, k) if together else (feature_map(q), feature_map(k))  # (..., N, C), (..., S, C)
    numerator, denominator = (_causal_sums if causal else _full_sums)(q, k, v)
    check_denominator(denominator)
    return numerator * denominator.reciprocal()  # one pass over the gradient less than a division


def _full_sums(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    num_queries, num_keys, num_features, width = q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1]
    if num_queries * num_keys * (num_features + width) < (num_queries + num_keys) * num_features * width:
        similarities = q @ k.transpose(-2, -1)  # (..., N, S): a short sequence is cheaper this way
        return similarities @ v, similarities.sum(dim=-1, keepdim=True)
    return q @ (k.transpose(-2, -1) @ v), q @ k.sum(dim=-2).unsqueeze(-1)  # by way of (..., C, M) and (..., C, 1)


def _causal_sums(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Within a chunk by its L×L similarities, from all chunks before by the sum of their C×M states.

    With L = √(CM) both need N·L elements, the least there can be.
    """
    length, width = v.shape[-2:]
    chunk = max(1, min(length, round(math.sqrt(q.shape[-1] * width))))
    v = torch.cat([v, torch.ones_like(v[..., :1])], dim=-1)  # the last column sums up the similarities themselves
    if padding := -length % chunk:
        q, k, v = (F.pad(x, (0, 0, 0, padding)) for x in (q, k, v))
    q, k, v = (x.unflatten(-2, (-1, chunk)) for x in (q, k, v))  # (..., T, L, C), (..., T, L, C), (..., T, L, M+1)
    similarities = (q @ k.transpose(-2, -1)).tril_()  # (..., T, L, L)
    states = (k.transpose(-2, -1) @ v)[..., :-1, :, :]  # (..., T-1, C, M+1)
    before = F.pad(states, (0, 0, 0, 0, 1, 0)).cumsum(dim=-3)  # the sum over the chunks before each, (..., T, C, M+1)
    # What was padded is cut off before the division: 0/0 there would poison the gradients.
    sums = (similarities @ v + q @ before).flatten(-3, -2)[..., :length, :]
    return sums[..., :width], sums[..., width:]
