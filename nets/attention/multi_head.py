"""Attention of several heads, in any of its forms.

Letters in shape comments: B batch, H heads, N tokens, Q queries, D width of a head, E width of the embedding.
"""

import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from nets.attention.kernels import checks_are_on
from nets.attention.registry import named_attention


class MultiHeadAttention(nn.Module):
    r"""Multi-head self-attention whose width per head is free of the width of the embedding.

    "Attention Is All You Need" (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762.
    head_h = attention(Q_h, K_h, V_h), softmax(Q_h K_hᵀ/√D) V_h for one, with Q_h = X W_h^Q, K_h = X W_h^K,
    V_h = X W_h^V; output = [head_1, …, head_H] W^O.

    Args:
        embed_dim: width E of the tokens, ≥ 1.
        num_heads: number of heads H, ≥ 1.
        head_dim: width D of a head, ≥ 1; E/H when None.
        dropout: probability, in [0, 1), of dropping an attention weight in training. Only the weights of "softmax" and
            "linformer" exist to be dropped; the others ignore it.
        bias: whether the projections add a bias.
        attention: "softmax"; "elu" or "quadratic", the kernels of linear attention; "performer", random features that
            estimate softmax; "linformer", keys and values summed up in a few rows; or a callable from q, k and v
            (B, H, N, D) to (B, H, N, D), or its path, "module.function". It must take the keywords ``mask``,
            ``dropout_p`` and ``return_weights`` if they are asked of the layer.
        attention_options: arguments of a named attention: ``scale`` of "softmax", "performer" and "linformer" (1/√D),
            ``num_features`` of "performer" (2D), ``rank`` of "linformer" (N/4).
        num_tokens: length N of every sequence, which "linformer" needs to know.

    Shapes:
        x (B, N, E), mask broadcastable to (B, H, N, N) -> output (B, N, E), weights (B, H, N, N);
        with ``num_queries`` Q of the N tokens: output (B, Q, E), weights and mask (B, H, Q, N)

    Raises:
        ValueError: when ``head_dim`` is None and ``num_heads`` does not divide ``embed_dim``; when a size is below 1;
            when the attention or one of its options is unknown.

    Example:
        >>> import torch
        >>> layer = MultiHeadAttention(embed_dim=16, num_heads=4, attention="elu")
        >>> output, weights = layer(torch.rand(2, 9, 16), return_weights=True)
        >>> output.shape, weights.shape
        (torch.Size([2, 9, 16]), torch.Size([2, 4, 9, 9]))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        head_dim: int | None = None,
        dropout: float = 0.0,
        bias: bool = False,
        attention: str | Callable[..., Any] = "softmax",
        attention_options: dict[str, Any] | None = None,
        num_tokens: int | None = None,
    ) -> None:
        super().__init__()
        _check_sizes(embed_dim, num_heads, head_dim, dropout)
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads if head_dim is None else head_dim
        self.dropout = dropout
        self.qkv = nn.Linear(embed_dim, 3 * num_heads * self.head_dim, bias=bias)
        self.out = nn.Linear(num_heads * self.head_dim, embed_dim, bias=bias)
        if isinstance(attention, str):
            attention = named_attention(attention, self.head_dim, num_tokens, attention_options or {})
        elif attention_options:
            raise ValueError("attention_options belong to a named attention: give a callable its arguments itself.")
        self.attention = attention
        _check_takes(attention)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, return_weights: bool = False, num_queries: int | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend from every token, or only from the first ``num_queries``, to every token.

        With ``return_weights`` also give the weights of each head.
        """
        q, k, v = self.project(x)
        asked: dict[str, Any] = {}
        if mask is not None:
            asked["mask"] = mask
        if self.dropout and self.training:
            asked["dropout_p"] = self.dropout
        if return_weights:
            asked["return_weights"] = True
        if asked and checks_are_on():
            _check_takes(self.attention, *asked)
        attended = self.attention(q[:, :, :num_queries], k, v, **asked)
        weights = None
        if return_weights:
            attended, weights = attended
        output: Tensor = self.out(attended.transpose(1, 2).flatten(2))  # (B, N, H·D) -> (B, N, E)
        return output if weights is None else (output, weights)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values of every head.

        Shapes:
            x (B, N, E) -> three of (B, H, N, D)
        """
        if x.dim() != 3 or x.shape[-1] != self.qkv.in_features:
            raise ValueError(
                f"x must have the shape (batch, tokens, {self.qkv.in_features}), but has {tuple(x.shape)}."
            )
        heads = (self.num_heads, self.head_dim)
        q, k, v = (part.unflatten(-1, heads).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        return q, k, v


def _check_sizes(embed_dim: int, num_heads: int, head_dim: int | None, dropout: float) -> None:
    if embed_dim < 1 or num_heads < 1 or (head_dim is not None and head_dim < 1):
        raise ValueError(
            f"embed_dim, num_heads and head_dim must be at least 1, "
            f"but they are {embed_dim}, {num_heads} and {head_dim}."
        )
    if head_dim is None and embed_dim % num_heads:
        raise ValueError(
            f"num_heads={num_heads} does not divide embed_dim={embed_dim}: change one of them, or give head_dim."
        )
    if not 0.0 <= dropout < 1.0:
        raise ValueError(f"dropout must be in [0, 1), but it is {dropout}.")


def _check_takes(attention: Callable[..., Any], *keywords: str) -> None:
    """Raise ValueError when a callable cannot be called with q, k, v and the keywords."""
    if isinstance(attention, nn.Module):
        attention = attention.forward
    try:
        inspect.signature(attention).bind(None, None, None, **dict.fromkeys(keywords))
    except (TypeError, ValueError) as error:
        if isinstance(error, ValueError) and not keywords:
            return  # one of C, which has no signature to inspect
        name = getattr(attention, "__qualname__", repr(attention))
        asked = ", ".join(("q", "k", "v", *keywords))
        raise ValueError(
            f"attention={name} cannot be called with {asked} ({error}): give its other arguments by functools.partial, "
            f"or drop what asks for these: a mask, dropout, and pictures or statistics of the weights."
        ) from None
