"""Attention that knows how far apart two tokens are.

Letters in shape comments: B batch, N tokens, D width of a query and a key, M width of a value, E width of a token,
R the largest distance.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nets.attention.softmax import check_attention_inputs, check_broadcast


def relative_attention(
    q: Tensor, k: Tensor, v: Tensor, p: Tensor, return_weights: bool = False
) -> Tensor | tuple[Tensor, Tensor]:
    r"""softmax_j(Q_i·K_j/√D + p_{i−j}) V: a score for each distance beside the score for the contents.

    "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (Raffel et al., 2020),
    https://arxiv.org/abs/1910.10683, section 2.1. A constant added to all of p changes nothing.

    Args:
        q: queries.
        k: keys, as many.
        v: values.
        p: the score of each distance; entry N−1+(i−j) belongs to i−j. −inf forbids a distance;
            a query that may attend to nothing gives zeros.
        return_weights: also return the weights.

    Shapes:
        q (..., N, D), k (..., N, D), v (..., N, M), p (..., 2N−1) -> output (..., N, M), weights (..., N, N)

    Raises:
        ValueError: when shapes do not fit together.

    Example:
        >>> q, k, v = torch.rand(5, 4), torch.rand(5, 4), torch.rand(5, 3)
        >>> relative_attention(q, k, v, torch.zeros(9)).shape
        torch.Size([5, 3])
    """
    check_attention_inputs(q, k, v, None)
    length = q.shape[-2]
    if k.shape[-2] != length or p.dim() == 0 or p.shape[-1] != 2 * length - 1:
        raise ValueError(
            f"q and k must have the same length N and p the shape (..., 2N−1), but they have {length}, {k.shape[-2]} "
            f"and {tuple(p.shape)}."
        )
    check_broadcast("p", tuple(p.shape), (*q.shape[:-2], 2 * length - 1))
    # Row i of the bias is p backwards, from p_{i} to p_{i−(N−1)}: a window that moves by one with each row.
    bias = p.to(q.dtype).flip(-1).unfold(-1, length, 1).flip(-2)  # (..., N, N)
    if not return_weights:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    nothing_to_attend = bias.isneginf().all(dim=-1, keepdim=True)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1) + bias.masked_fill(nothing_to_attend, 0.0)
    weights = scores.softmax(dim=-1).masked_fill(nothing_to_attend, 0.0)
    return weights @ v, weights


class RelativeAttention1d(nn.Module):
    r"""Relative self-attention over a sequence with a learned score for each distance up to a largest one.

    "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer" (Raffel et al., 2020),
    https://arxiv.org/abs/1910.10683, for the score. Tokens beyond the window are not attended to; in
    "Self-Attention with Relative Position Representations" (Shaw et al., 2018), https://arxiv.org/abs/1803.02155, they
    share one score.
    y_i = Σ_j softmax_j(q_i·k_j/√E + p_{i−j}) v_j over |i−j| ≤ R, with q = x W_q, k = x W_k, v = x W_v.
    With E = 1 the three matrices are scalars, and the layer can be a convolution or a max-pool: see
    ``theory.conv1d_as_relative_attention`` and ``theory.max_pool_as_relative_attention``.

    Args:
        max_distance: largest distance R that is attended to, in tokens, ≥ 0.
        embed_dim: width E of a token, ≥ 1.

    Shapes:
        x (B, N, E) -> output (B, N, E), weights (B, N, N)

    Raises:
        ValueError: when an argument is out of its range, or x has another width.

    Example:
        >>> layer = RelativeAttention1d(max_distance=2, embed_dim=1)
        >>> layer(torch.rand(3, 10, 1)).shape
        torch.Size([3, 10, 1])
    """

    def __init__(self, max_distance: int, embed_dim: int = 1) -> None:
        super().__init__()
        if max_distance < 0 or embed_dim < 1:
            raise ValueError(
                f"max_distance must be at least 0 and embed_dim at least 1, "
                f"but they are {max_distance} and {embed_dim}."
            )
        self.max_distance = max_distance
        self.w_q, self.w_k, self.w_v = (nn.Linear(embed_dim, embed_dim, bias=False) for _ in range(3))
        self.p = nn.Parameter(torch.zeros(2 * max_distance + 1))  # entry R+(i−j) belongs to i−j

    def forward(self, x: Tensor, return_weights: bool = False) -> Tensor | tuple[Tensor, Tensor]:
        """Attend from every token to those near it; with ``return_weights`` also give the weights."""
        if x.shape[-1] != self.w_q.in_features:
            raise ValueError(
                f"x must have the width embed_dim={self.w_q.in_features}, but its shape is {tuple(x.shape)}."
            )
        beyond = x.shape[-2] - 1 - self.max_distance  # negative where the window is wider than the sequence
        p = F.pad(self.p, (beyond, beyond), value=float("-inf"))  # (2N−1,)
        return relative_attention(self.w_q(x), self.w_k(x), self.w_v(x), p, return_weights)

    @torch.no_grad()
    def set_scalars(self, w_q: float, w_k: float, w_v: float, p: Tensor) -> "RelativeAttention1d":
        """Take over three scalars and the scores of a construction, cut to the window; gives the layer back.

        Shapes:
            p (2N−1,) for any N > R

        Raises:
            ValueError: when the layer is wider than one channel, or p is shorter than the window.
        """
        if self.w_q.in_features != 1:
            raise ValueError(f"scalars fit embed_dim=1 only, but it is {self.w_q.in_features}.")
        if p.dim() != 1 or len(p) < len(self.p) or len(p) % 2 == 0:
            raise ValueError(
                f"p must have an odd number of entries, at least {len(self.p)}, but its shape is {tuple(p.shape)}."
            )
        for layer, scalar in ((self.w_q, w_q), (self.w_k, w_k), (self.w_v, w_v)):
            layer.weight.fill_(float(scalar))
        beyond = (len(p) - len(self.p)) // 2
        self.p.copy_(p[beyond : len(p) - beyond])
        return self
