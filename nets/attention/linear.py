"""Attention in linear time and memory, for similarities that are inner products of features.

Letters in shape comments: N queries, S keys, D width of a query and a key, M width of a value, C features,
T chunks of L tokens.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.attention.feature_maps import features_of
from nets.attention.kernels import check_denominator
from nets.attention.softmax import check_attention_inputs

CHUNKS = 32  # of a segment


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
            when a denominator is not positive and finite.

    Example:
        >>> from nets import elu_features
        >>> q, k, v = torch.rand(5, 4), torch.rand(5, 4), torch.rand(5, 3)
        >>> linear_attention(q, k, v, elu_features, causal=True).shape
        torch.Size([5, 3])
    """
    check_attention_inputs(q, k, v, None)
    if causal and q.shape[-2] != k.shape[-2]:
        raise ValueError(
            f"causal attention needs as many queries as keys, but q has {q.shape[-2]} and k has {k.shape[-2]}."
        )
    q, k = features_of(feature_map, q, k)  # (..., N, C), (..., S, C)
    return (_causal_average if causal else _average)(q, k, v)


def _average(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    num_queries, num_keys, num_features, width = q.shape[-2], k.shape[-2], q.shape[-1], v.shape[-1]
    if num_queries * num_keys * (num_features + width) < (num_queries + num_keys) * num_features * width:
        similarities = q @ k.transpose(-2, -1)  # (..., N, S): a short sequence is cheaper this way
        return _divide(similarities @ v, similarities.sum(dim=-1, keepdim=True))
    # The denominators as a row times a matrix: twice as fast as a matrix times a column.
    denominator = (k.sum(dim=-2, keepdim=True) @ q.transpose(-2, -1)).transpose(-2, -1)  # (..., N, 1)
    return _divide(q @ (k.transpose(-2, -1) @ v), denominator)  # by way of (..., C, M)


def _causal_average(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Within a chunk by its L×L similarities, from all chunks before by the sum of their C×M states.

    With L = √(CM) both need N·L elements, the least there can be. Chunks are taken together by the segment, with
    tensors that stay in the cache: all at once would take twice as long at 65,536 tokens.
    """
    length, width = v.shape[-2:]
    chunk = max(1, min(length, round(math.sqrt(q.shape[-1] * width))))
    batch = torch.broadcast_shapes(k.shape[:-2], v.shape[:-2])
    state, outputs = k.new_zeros(*batch, 1, k.shape[-1], width + 1), []
    for of_q, of_k, of_v in zip(*(x.split(CHUNKS * chunk, dim=-2) for x in (q, k, v)), strict=True):
        output, state = _causal_segment(of_q, of_k, of_v, state, chunk)
        outputs.append(output)
    return torch.cat(outputs, dim=-2)


def _causal_segment(q: Tensor, k: Tensor, v: Tensor, state: Tensor, chunk: int) -> tuple[Tensor, Tensor]:
    """The averages of the values of N tokens in T chunks of L, and the state behind them.

    Shapes:
        q and k (..., N, C), v (..., N, M), state (..., 1, C, M+1) -> averages (..., N, M), state
    """
    length, width = v.shape[-2:]
    v = torch.cat([v, torch.ones_like(v[..., :1])], dim=-1)  # the last column sums up the similarities themselves
    if padding := -length % chunk:
        q, k, v = (F.pad(x, (0, 0, 0, padding)) for x in (q, k, v))
    q, k, v = (x.unflatten(-2, (-1, chunk)) for x in (q, k, v))  # (..., T, L, C), (..., T, L, C), (..., T, L, M+1)
    similarities = (q @ k.transpose(-2, -1)).tril_()  # (..., T, L, L)
    states = torch.cat([state, k.transpose(-2, -1) @ v], dim=-3).cumsum(dim=-3)  # before each chunk, and behind all
    sums = (similarities @ v + q @ states[..., :-1, :, :]).flatten(-3, -2)  # (..., T·L, M+1)
    # What was padded is cut off before the division: 0/0 there would poison the gradients.
    return _divide(*sums[..., :length, :].split([width, 1], dim=-1)), states[..., -1:, :, :]


def _divide(numerator: Tensor, denominator: Tensor) -> Tensor:
    check_denominator(denominator)
    return numerator * denominator.reciprocal()  # one pass over the gradient less than a division
