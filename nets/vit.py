"""The vision transformer.

Letters in shape comments: B batch, I colour channels, S side of the image, P side of a patch, N = (S/P)² patches,
T tokens (N patches, and one class token with ``pool="cls"``), E width of the embedding, H heads, C classes.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nets.transformer import TransformerEncoderLayer


class VisionTransformer(nn.Module):
    r"""An image as a sequence of patches, encoded by a transformer and classified by one linear layer.

    "An Image is Worth 16x16 Words" (Dosovitskiy et al., 2021), https://arxiv.org/abs/2010.11929.
    z⁰ = [x_class; x_1 W + b; …; x_N W + b] + E_pos; z^l = EncoderLayer(z^{l−1}); logits = W_head LN(z^L)_class.

    Args:
        image_size: side S of the square image, in pixels.
        patch_size: side P of a square patch, in pixels; divides ``image_size``.
        in_channels: colour channels of the image, ≥ 1.
        num_classes: number of classes C, ≥ 1.
        embed_dim: width E of a token, ≥ 1.
        depth: number of encoder layers, ≥ 1.
        num_heads: attention heads of a layer, ≥ 1.
        head_dim: width of a head, ≥ 1; ``embed_dim / num_heads`` when None.
        mlp_dim: width of a layer's perceptron, ≥ 1; ``4 * embed_dim`` when None.
        dropout: probability, in [0, 1), of the dropout after the embedding and in every layer.
        pool: "cls" reads the image from a class token, "mean" from the mean over patches (no class token then).
        attention: "softmax", "elu", "quadratic", "performer", "linformer" or a callable; see ``MultiHeadAttention``.
        attention_options: arguments of a named attention, such as ``{"rank": 8}`` of "linformer".

    Shapes:
        images (B, I, S, S) -> logits (B, C), weights: a list of one (B, H, T, T) a layer

    Raises:
        ValueError: when ``patch_size`` does not divide ``image_size``, ``pool`` or the attention is unknown, a size
            is below 1, or images of another shape come in.

    Example:
        >>> net = VisionTransformer(image_size=8, patch_size=2, in_channels=1, embed_dim=16, depth=2, num_heads=4)
        >>> net(torch.rand(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """

    def __init__(
        self,
        image_size: int = 28,
        patch_size: int = 7,
        in_channels: int = 1,
        num_classes: int = 10,
        embed_dim: int = 64,
        depth: int = 6,
        num_heads: int = 8,
        head_dim: int | None = 64,
        mlp_dim: int | None = 128,
        dropout: float = 0.0,
        pool: str = "cls",
        attention: str | Callable[..., Any] = "softmax",
        attention_options: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        sizes = {"in_channels": in_channels, "num_classes": num_classes, "embed_dim": embed_dim, "depth": depth}
        _check_sizes(pool, image_size, patch_size, **sizes)
        self.image_size, self.patch_size, self.in_channels = image_size, patch_size, in_channels
        self.num_classes, self.pool = num_classes, pool
        num_patches = (image_size // patch_size) ** 2
        num_tokens = num_patches + (pool == "cls")
        self.patch_embedding = nn.Linear(in_channels * patch_size**2, embed_dim)
        # As large as an embedded patch: at the usual 0.02 the position is drowned by the pixels, and 12 epochs on the
        # 8×8 digits end at a validation loss of 0.6 instead of 0.1.
        self.class_token = nn.Parameter(0.5 * torch.randn(1, 1, embed_dim)) if pool == "cls" else None
        self.position_embedding = nn.Parameter(0.5 * torch.randn(1, num_tokens, embed_dim))
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(
            TransformerEncoderLayer(
                embed_dim, num_heads, head_dim, mlp_dim, dropout, attention, attention_options, num_tokens
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, num_classes)

    def forward(self, images: Tensor, return_weights: bool = False) -> Tensor | tuple[Tensor, list[Tensor]]:
        """Classify the images; with ``return_weights`` also give the attention weights of every layer and head."""
        x, weights = self._embed(images), []
        if return_weights:
            for layer in self.layers:
                x, layer_weights = layer(x, return_weights=True)
                weights.append(layer_weights)
        else:
            for layer in self.layers[:-1]:
                x = layer(x)
            # Only the class token is read after the last layer, so only it is encoded there: 10 % less work.
            x = self.layers[-1](x, num_queries=1 if self.pool == "cls" else None)
        pooled = x[:, 0] if self.pool == "cls" else x.mean(dim=1)
        logits = self.head(self.norm(pooled))
        return (logits, weights) if return_weights else logits

    def attention_to_patches(self, weights: Tensor) -> Tensor:
        """How much the read-out (the class token, or all patches alike) attends to each patch.

        Shapes:
            weights (..., T, T) -> (..., S/P, S/P)
        """
        side = self.image_size // self.patch_size
        to_patches = weights[..., 0, 1:] if self.pool == "cls" else weights.mean(dim=-2)
        return to_patches.unflatten(-1, (side, side))

    def _embed(self, images: Tensor) -> Tensor:
        expected = (self.in_channels, self.image_size, self.image_size)
        if tuple(images.shape[1:]) != expected:
            raise ValueError(
                f"images must have the shape (batch, {', '.join(map(str, expected))}), but they have the shape "
                f"{tuple(images.shape)}: set image_size and in_channels of the network to those of the data."
            )
        side, patch = self.image_size // self.patch_size, self.patch_size
        x = images.reshape(-1, self.in_channels, side, patch, side, patch)  # (B, I, S/P, P, S/P, P)
        x = x.permute(0, 2, 4, 1, 3, 5).reshape(-1, side * side, self.in_channels * patch**2)  # (B, N, I·P²)
        x = self.patch_embedding(x)  # (B, N, E)
        if self.class_token is not None:
            x = torch.cat([self.class_token.expand(len(x), -1, -1), x], dim=1)  # (B, T, E)
        return self.dropout(x + self.position_embedding)


def _check_sizes(pool: str, image_size: int, patch_size: int, **sizes: int) -> None:
    for name, value in {"image_size": image_size, "patch_size": patch_size, **sizes}.items():
        if value < 1:
            raise ValueError(f"{name} must be at least 1, but it is {value}.")
    if image_size % patch_size:
        divisors = ", ".join(str(size) for size in range(1, image_size + 1) if image_size % size == 0)
        raise ValueError(
            f"patch_size={patch_size} does not divide image_size={image_size}: choose a patch_size of {divisors}."
        )
    if pool not in ("cls", "mean"):
        raise ValueError(f'pool must be "cls" or "mean", but it is "{pool}".')
