"""Scaled dot-product attention, and the checks that every form of attention makes of its inputs.

Letters in shape comments: N queries, S keys, D width of a query and a key, M width of a value.
"""

import torch
from torch import Tensor
from torch.nn import functional as F


def softmax_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    dropout_p: float = 0.0,
    scale: float | None = None,
    return_weights: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    r"""Scaled dot-product attention, softmax(QKᵀ/√D)V.

    "Attention Is All You Need" (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762.
    The output comes from PyTorch's fused kernel; the N×S weights exist only when ``return_weights`` asks for them.

    Args:
        q: queries.
        k: keys.
        v: values.
        mask: boolean, True where a query may attend; a query that may attend to nothing gives zeros.
        dropout_p: probability, in [0, 1), of dropping a weight (the returned weights are those before dropout).
        scale: factor of the scores; 1/√D when None.
        return_weights: also return the weights.

    Shapes:
        q (..., N, D), k (..., S, D), v (..., S, M), mask broadcastable to (..., N, S)
        -> output (..., N, M), weights (..., N, S)

    Raises:
        ValueError: when shapes do not fit together, or the mask is not boolean.
    """
    check_attention_inputs(q, k, v, mask)
    nothing_to_attend = None
    if mask is not None:
        # Softmax over a row of -inf is 0/0: let such a row attend to everything, then blank it (also in the gradient).
        nothing_to_attend = ~mask.any(dim=-1, keepdim=True)
        mask = mask | nothing_to_attend
    if not return_weights:
        output = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout_p, scale=scale)
        return output if nothing_to_attend is None else output.masked_fill(nothing_to_attend, 0.0)
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    scores = (q * scale) @ k.transpose(-2, -1)  # (..., N, S)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    weights = scores.softmax(dim=-1)
    if nothing_to_attend is not None:
        weights = weights.masked_fill(nothing_to_attend, 0.0)
    return F.dropout(weights, dropout_p) @ v, weights


def check_attention_inputs(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> None:
    """Raise ValueError unless queries, keys, values and mask fit together."""
    shapes = {"q": tuple(q.shape), "k": tuple(k.shape), "v": tuple(v.shape)}
    for name, shape in shapes.items():
        if len(shape) < 2:
            raise ValueError(f"{name} must have the shape (..., tokens, width), but its shape is {shape}.")
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(
            f"q and k must have the same width, but q has {q.shape[-1]} (shape {shapes['q']}) "
            f"and k has {k.shape[-1]} (shape {shapes['k']})."
        )
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"k and v must have the same length, but k has {k.shape[-2]} (shape {shapes['k']}) "
            f"and v has {v.shape[-2]} (shape {shapes['v']})."
        )
    if not shapes["q"][:-2] == shapes["k"][:-2] == shapes["v"][:-2]:
        _check_broadcast("the batch dimensions of q, k and v", *(shape[:-2] for shape in shapes.values()))
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"mask must be boolean (True = may attend), but its dtype is {mask.dtype}; use mask.bool().")
    if mask is not None:
        weights = (*torch.broadcast_shapes(q.shape[:-2], k.shape[:-2]), q.shape[-2], k.shape[-2])
        _check_broadcast(f"mask and the weights {weights}", tuple(mask.shape), weights)


def _check_broadcast(what: str, *shapes: tuple[int, ...]) -> None:
    try:
        torch.broadcast_shapes(*shapes)
    except RuntimeError:
        listed = " and ".join(map(str, shapes))
        raise ValueError(f"{what} must be equal, or 1, in every dimension, but the shapes are {listed}.") from None
