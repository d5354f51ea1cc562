"""One head of attention as a module, and nothing around it.

Letters in shape comments: B batch, N tokens, E width of the embedding, D width of the head.
"""

from torch import Tensor, nn

from nets.attention.softmax import softmax_attention


class SingleHeadAttention(nn.Module):
    r"""Scaled dot-product self-attention of a single head, without a projection of its output.

    "Attention Is All You Need" (Vaswani et al., 2017), https://arxiv.org/abs/1706.03762, section 3.2.1.
    Dropout(softmax(Q Kᵀ/√D)) V with Q = X W^Q, K = X W^K, V = X W^V. ``MultiHeadAttention`` has several heads, the
    projection W^O behind them, and other kernels.

    Args:
        embed_dim: width E of the tokens, ≥ 1.
        head_dim: width D of queries, keys and values, ≥ 1; E when None.
        dropout: probability, in [0, 1), of dropping an attention weight in training.

    Shapes:
        x (B, N, E), mask broadcastable to (B, N, N) -> output (B, N, D), weights (B, N, N)

    Raises:
        ValueError: when a size is below 1, or ``dropout`` out of its range.

    Example:
        >>> import torch
        >>> SingleHeadAttention(embed_dim=16, head_dim=8)(torch.rand(2, 5, 16)).shape
        torch.Size([2, 5, 8])
    """

    def __init__(self, embed_dim: int, head_dim: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        head_dim = embed_dim if head_dim is None else head_dim
        if embed_dim < 1 or head_dim < 1:
            raise ValueError(f"embed_dim and head_dim must be at least 1, but they are {embed_dim} and {head_dim}.")
        if not 0.0 <= dropout < 1.0:
            raise ValueError(f"dropout must be in [0, 1), but it is {dropout}.")
        self.query = nn.Linear(embed_dim, head_dim, bias=False)
        self.key = nn.Linear(embed_dim, head_dim, bias=False)
        self.value = nn.Linear(embed_dim, head_dim, bias=False)
        self.dropout = dropout

    def forward(
        self, x: Tensor, mask: Tensor | None = None, return_weights: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Attend from every token to every token; with ``return_weights`` also give the weights before dropout."""
        dropout_p = self.dropout if self.training else 0.0
        q, k, v = self.query(x), self.key(x), self.value(x)
        return softmax_attention(q, k, v, mask, dropout_p, return_weights=return_weights)
