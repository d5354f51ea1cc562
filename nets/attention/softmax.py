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
        ValueError: when shapes do not fit together, the mask is not boolean, or ``dropout_p`` is out of its range.

    Example:
        >>> q, k, v = torch.rand(2, 5, 4), torch.rand(2, 6, 4), torch.rand(2, 6, 3)
        >>> output, weights = softmax_attention(q, k, v, return_weights=True)
        >>> output.shape, weights.shape
        (torch.Size([2, 5, 3]), torch.Size([2, 5, 6]))
    """
    check_attention_inputs(q, k, v, mask)
    if not 0.0 <= dropout_p < 1.0:
        raise ValueError(f"dropout_p must be in [0, 1), but it is {dropout_p}.")
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
    """Raise ValueError unless queries, keys, values and mask fit together.

    Shapes:
        q (..., N, D), k (..., S, D), v (..., S, M), mask broadcastable to (..., N, S)
    """
    shapes = {"q": tuple(q.shape), "k": tuple(k.shape), "v": tuple(v.shape)}
    for name, shape in shapes.items():
        if len(shape) < 2:
            raise ValueError(f"{name} must have the shape (..., tokens, width), but its shape is {shape}.")
    for name, tensor in {"q": q, "k": k, "v": v}.items():
        if not tensor.is_floating_point():
            raise ValueError(
                f"{name} must hold floating-point numbers, but its dtype is {tensor.dtype}; use {name}.float()."
            )
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
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"mask must be boolean (True = may attend), but its dtype is {mask.dtype}; use mask.bool().")
    batch = shapes["q"][:-2]
    if not batch == shapes["k"][:-2] == shapes["v"][:-2]:
        try:
            batch = tuple(torch.broadcast_shapes(*(shape[:-2] for shape in shapes.values())))
        except RuntimeError:
            raise ValueError(
                f"the batch dimensions of q, k and v must be equal, or 1, but their shapes are {shapes}."
            ) from None
    if mask is not None:
        check_broadcast("mask", tuple(mask.shape), (*batch, q.shape[-2], k.shape[-2]))


def check_broadcast(name: str, shape: tuple[int, ...], target: tuple[int, ...]) -> None:
    """Raise ValueError unless a shape can be expanded to another one."""
    aligned = target[len(target) - len(shape) :] if len(shape) <= len(target) else None
    if aligned is None or any(own not in (1, other) for own, other in zip(shape, aligned, strict=True)):
        raise ValueError(f"{name} must be broadcastable to the shape {target}, but its shape is {shape}.")
