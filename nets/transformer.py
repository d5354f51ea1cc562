"""The pre-norm transformer encoder layer.

Letters in shape comments: B batch, H heads, N tokens, E width of the embedding.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from nets.attention import MultiHeadAttention


class TransformerEncoderLayer(nn.Module):
    r"""Attention, then a two-layer perceptron, each after a layer norm and inside a residual connection.

    "An Image is Worth 16x16 Words" (Dosovitskiy et al., 2021), https://arxiv.org/abs/2010.11929, section 3.1.
    z' = z + Dropout(Attention(LN(z))); output = z' + MLP(LN(z')),
    MLP(z) = Dropout(W₂ Dropout(GELU(W₁ z + b₁)) + b₂).

    Args:
        embed_dim: width E of the tokens, ≥ 1.
        num_heads: number of attention heads, ≥ 1.
        head_dim: width of a head, ≥ 1; ``embed_dim / num_heads`` when None.
        mlp_dim: width of the perceptron's hidden layer, ≥ 1; ``4 * embed_dim`` when None.
        dropout: probability, in [0, 1), of every dropout of the layer, that of the attention weights included.
        attention: "softmax", "elu", "quadratic", "performer", "linformer" or a callable; see ``MultiHeadAttention``.
        attention_options: arguments of a named attention.
        num_tokens: length N of every sequence, which "linformer" needs to know.

    Shapes:
        x (B, N, E), mask broadcastable to (B, H, N, N) -> output (B, N, E), weights (B, H, N, N);
        with ``num_queries`` Q of the N tokens: output (B, Q, E), weights and mask (B, H, Q, N)

    Raises:
        ValueError: when a size is below 1, ``dropout`` is out of its range, or the attention is unknown.

    Example:
        >>> import torch
        >>> layer = TransformerEncoderLayer(embed_dim=16, num_heads=4)
        >>> layer(torch.rand(2, 9, 16)).shape
        torch.Size([2, 9, 16])
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        head_dim: int | None = None,
        mlp_dim: int | None = None,
        dropout: float = 0.0,
        attention: str | Callable[..., Any] = "softmax",
        attention_options: dict[str, Any] | None = None,
        num_tokens: int | None = None,
    ) -> None:
        super().__init__()
        mlp_dim = 4 * embed_dim if mlp_dim is None else mlp_dim
        if embed_dim < 1 or mlp_dim < 1:
            raise ValueError(f"embed_dim and mlp_dim must be at least 1, but they are {embed_dim} and {mlp_dim}.")
        self.attention_norm = nn.LayerNorm(embed_dim)
        self.attention = MultiHeadAttention(
            embed_dim, num_heads, head_dim, dropout, False, attention, attention_options, num_tokens
        )
        self.dropout = nn.Dropout(dropout)
        self.mlp_norm = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, mlp_dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(mlp_dim, embed_dim),
            nn.Dropout(dropout),
        )

    def forward(
        self, x: Tensor, mask: Tensor | None = None, return_weights: bool = False, num_queries: int | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Encode the tokens, or only the first ``num_queries`` in the light of all.

        With ``return_weights`` also give the attention weights of each head.
        """
        attended = self.attention(self.attention_norm(x), mask, return_weights, num_queries)
        weights = None
        if return_weights:
            attended, weights = attended
        x = x[:, :num_queries] + self.dropout(attended)
        x = x + self.mlp(self.mlp_norm(x))
        return x if weights is None else (x, weights)
