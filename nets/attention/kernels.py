"""Attention with any similarity in the place of the exponential.

Letters in shape comments: N queries, S keys, D width of a query and a key, M width of a value.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nets.attention.softmax import check_attention_inputs

Similarity = Callable[[Tensor, Tensor], Tensor]


def softmax_kernel(q: Tensor, k: Tensor) -> Tensor:
    r"""The similarity of softmax attention, exp(q·k/√D).

    "Rethinking Attention with Performers" (Choromanski et al., 2021), https://arxiv.org/abs/2009.14794.

    Shapes:
        q (..., N, D), k (..., S, D) -> (..., N, S)

    Example:
        >>> softmax_kernel(torch.zeros(2, 4), torch.rand(3, 4))
        tensor([[1., 1., 1.],
                [1., 1., 1.]])
    """
    return (q * q.shape[-1] ** -0.5 @ k.transpose(-2, -1)).exp()


def quadratic_kernel(q: Tensor, k: Tensor) -> Tensor:
    r"""The quadratic kernel, (q·k + 1)².

    "Transformers are RNNs" (Katharopoulos et al., 2020), https://arxiv.org/abs/2006.16236, section 3.2.1.

    Shapes:
        q (..., N, D), k (..., S, D) -> (..., N, S)

    Example:
        >>> quadratic_kernel(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 1.0]]))
        tensor([[36.]])
    """
    return (q @ k.transpose(-2, -1) + 1).square()


def kernel_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    similarity: Similarity,
    mask: Tensor | None = None,
    return_weights: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""Attention whose weights are any non-negative similarity, divided by its sum over the keys.

    "Transformers are RNNs" (Katharopoulos et al., 2020), https://arxiv.org/abs/2006.16236, equation 3.
    V'_i = Σ_j sim(Q_i, K_j) V_j / Σ_j sim(Q_i, K_j); with sim = exp(q·k/√D) it is softmax attention.
    All N×S similarities are formed; ``linear_attention`` avoids that where the similarity is an inner product.

    Args:
        q: queries.
        k: keys.
        v: values.
        similarity: from queries and keys to non-negative, finite similarities.
        mask: boolean, True where a query may attend; a query that may attend to nothing gives zeros.
        return_weights: also return the weights.

    Shapes:
        q (..., N, D), k (..., S, D), v (..., S, M), similarity: (..., N, S), mask broadcastable to (..., N, S)
        -> output (..., N, M), weights (..., N, S)

    Raises:
        ValueError: when shapes do not fit together, or the mask is not boolean; and, unless Python runs with ``-O``
            or the call is being compiled, when the similarity has another shape, a negative or an infinite value,
            or is zero towards every key that a query may attend to.

    Example:
        >>> q, k, v = torch.rand(5, 4), torch.rand(6, 4), torch.rand(6, 3)
        >>> kernel_attention(q, k, v, quadratic_kernel).shape
        torch.Size([5, 3])
    """
    check_attention_inputs(q, k, v, mask)
    similarities = similarity(q, k)  # (..., N, S)
    allowed = torch.ones((), dtype=torch.bool, device=q.device) if mask is None else mask
    if checks_are_on():
        _check_similarities(similarities, (q.shape[-2], k.shape[-2]))
    similarities = similarities.masked_fill(~allowed, 0.0)
    denominator = similarities.sum(dim=-1, keepdim=True)  # (..., N, 1)
    nothing_to_attend = ~allowed.expand_as(similarities).any(dim=-1, keepdim=True)
    check_denominator(denominator.masked_fill(nothing_to_attend, 1.0))
    weights = similarities / denominator.masked_fill(nothing_to_attend, 1.0)
    return (weights @ v, weights) if return_weights else weights @ v


def checks_are_on() -> bool:
    """Whether values are looked at: not under ``python -O``, and not while torch compiles."""
    return __debug__ and not torch.compiler.is_compiling()


def check_denominator(denominator: Tensor) -> None:
    """Raise ValueError where the similarities of a query sum up to nothing that one can divide by.

    Shapes:
        denominator (..., N, 1), a sum over the keys for each query
    """
    if not checks_are_on():
        return
    divisible = (denominator >= torch.finfo(denominator.dtype).tiny) & denominator.isfinite()
    if divisible.all():
        return
    sums = denominator[~divisible]
    which = f"for {sums.numel()} of {denominator.numel()} queries the similarities to the keys sum up to {sums[0]:.4g}"
    if not sums[0].isfinite():
        raise ValueError(f"{which}: scale the queries and keys down, if they hold no NaN themselves.")
    raise ValueError(
        f"{which}, and the weights would be a division by it: use a similarity, or a feature_map, that is never "
        f"negative, and positive towards some key."
    )


def _check_similarities(similarities: Tensor, expected: tuple[int, int]) -> None:
    if tuple(similarities.shape[-2:]) != expected:
        raise ValueError(
            f"similarity must give the shape (..., {expected[0]}, {expected[1]}) for these queries and keys, "
            f"but it gave {tuple(similarities.shape)}."
        )
    if ((similarities >= 0) & similarities.isfinite()).all():  # one question to the device, not two
        return
    if (similarities < 0).any():
        raise ValueError(
            f"similarity must not be negative, but its smallest value is {similarities.min().item():.4g}: "
            f"square it, or take its exponential."
        )
    raise ValueError(
        f"similarity must be finite, but {int((~similarities.isfinite()).sum())} of its values are infinite or NaN: "
        f"scale the queries down (softmax_attention subtracts the largest score by itself)."
    )
