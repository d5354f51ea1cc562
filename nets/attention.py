"""Scaled dot-product attention, its multi-head layer, and attention rollout.

Letters in shape comments: B batch, H heads, N queries, S keys, D width of a query and a key, M width of a value,
E width of the embedding.
"""

import torch
from torch import Tensor, nn
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
    _check_attention_inputs(q, k, v, mask)
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


def _check_attention_inputs(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> None:
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(
            f"q and k must have the same width, but q has {q.shape[-1]} (shape {tuple(q.shape)}) "
            f"and k has {k.shape[-1]} (shape {tuple(k.shape)})."
        )
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(
            f"k and v must have the same length, but k has {k.shape[-2]} (shape {tuple(k.shape)}) "
            f"and v has {v.shape[-2]} (shape {tuple(v.shape)})."
        )
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"mask must be boolean (True = may attend), but its dtype is {mask.dtype}; use mask.bool().")


class MultiHeadAttention(nn.Module):
    r"""Multi-head self-attention whose width per head is free of the width of the embedding.

    "Attention Is All You Need" (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762.
    head_h = softmax(Q_h K_hᵀ/√D) V_h with Q_h = X W_h^Q, K_h = X W_h^K, V_h = X W_h^V;
    output = [head_1, …, head_H] W^O.

    Args:
        embed_dim: width E of the tokens, ≥ 1.
        num_heads: number of heads H, ≥ 1.
        head_dim: width D of a head, ≥ 1; E/H when None.
        dropout: probability, in [0, 1), of dropping an attention weight in training.
        bias: whether the projections add a bias.

    Shapes:
        x (B, N, E), mask broadcastable to (B, H, N, N) -> output (B, N, E), weights (B, H, N, N);
        with ``num_queries`` Q of the N tokens: output (B, Q, E), weights and mask (B, H, Q, N)

    Raises:
        ValueError: when ``head_dim`` is None and ``num_heads`` does not divide ``embed_dim``; when a size is below 1.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        head_dim: int | None = None,
        dropout: float = 0.0,
        bias: bool = False,
    ) -> None:
        super().__init__()
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
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads if head_dim is None else head_dim
        self.dropout = dropout
        self.qkv = nn.Linear(embed_dim, 3 * num_heads * self.head_dim, bias=bias)
        self.out = nn.Linear(num_heads * self.head_dim, embed_dim, bias=bias)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, return_weights: bool = False, num_queries: int | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend from every token, or only from the first ``num_queries``, to every token.

        With ``return_weights`` also give the weights of each head.
        """
        parts = self.qkv(x).chunk(3, dim=-1)  # each (B, N, H·D)
        heads = (self.num_heads, self.head_dim)
        q, k, v = (part.unflatten(-1, heads).transpose(1, 2) for part in parts)  # each (B, H, N, D)
        dropout_p = self.dropout if self.training else 0.0
        attended = softmax_attention(q[:, :, :num_queries], k, v, mask, dropout_p, return_weights=return_weights)
        attended, weights = attended if return_weights else (attended, None)
        output = self.out(attended.transpose(1, 2).flatten(2))  # (B, N, H·D) -> (B, N, E)
        return (output, weights) if return_weights else output


def attention_rollout(weights: list[Tensor]) -> Tensor:
    r"""Attention followed through all layers, residual connections counted as attention to oneself.

    "Quantifying Attention Flow in Transformers" (Abnar and Zuidema, 2020), https://arxiv.org/abs/2005.00928.
    R = Â_L ⋯ Â_1 with Â_l = (I + mean over heads of A_l)/2; each row sums to 1.

    Args:
        weights: the attention weights of every layer, first layer first.

    Shapes:
        weights: a list of (B, H, N, N) -> (B, N, N)

    Raises:
        ValueError: when the list is empty.
    """
    if not weights:
        raise ValueError("attention_rollout needs the weights of at least one layer, but the list is empty.")
    identity = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype, device=weights[0].device)
    rollout = identity
    for layer in weights:
        rollout = 0.5 * (identity + layer.mean(dim=1)) @ rollout
    return rollout
