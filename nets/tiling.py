"""Large images, tile by tile, without a seam."""

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor

# B batch, I input channels, C classes, H and W height and width, S side of a tile, in pixels.


def tiled_logits(net: Callable[[Tensor], Tensor], images: Tensor, tile_size: int, overlap: int) -> Tensor:
    r"""What a network says of large images, from overlapping tiles whose seams are blended.

    The overlap-tile strategy of "U-Net: Convolutional Networks for Biomedical Image Segmentation" (Ronneberger et al.,
    2015), https://arxiv.org/abs/1505.04597, with a mean in place of a cut:

        logits(p) = Σ_t w(p − p_t) · net(tile_t)(p − p_t) / Σ_t w(p − p_t),
        w(u, v) = r(u) · r(v),   r(u) = min(u + 1, S − u, overlap + 1)

    so that a tile counts less towards its edges, where it sees less around a pixel.

    Args:
        net: from tiles (B, I, S, S) to logits (B, C, S, S).
        images: of any size; a side shorter than a tile makes the tile as short.
        tile_size: side S of a tile, ≥ 1.
        overlap: pixels that neighbouring tiles share at least, in [0, S).

    Shapes:
        images (B, I, H, W) -> (B, C, H, W)

    Raises:
        ValueError: when an argument is out of its range.

    Example:
        >>> images = torch.rand(1, 3, 40, 64)
        >>> torch.allclose(tiled_logits(lambda tile: 2 * tile, images, tile_size=32, overlap=8), 2 * images)
        True
    """
    check_tiles(tile_size, overlap)
    height, width = images.shape[-2:]
    rows, row_window = _axis(height, tile_size, overlap)
    columns, column_window = _axis(width, tile_size, overlap)
    window = torch.outer(row_window, column_window).to(images.device)
    logits: Tensor | None = None
    for row in rows:
        for column in columns:
            tile = (..., slice(row, row + len(row_window)), slice(column, column + len(column_window)))
            part = net(images[tile])
            if logits is None:  # half precision would overflow
                dtype = torch.promote_types(part.dtype, torch.float32)
                logits = part.new_zeros(*part.shape[:2], height, width, dtype=dtype)
                total = part.new_zeros(height, width, dtype=dtype)
            logits[tile] += window * part.to(dtype)
            total[tile] += window
    return (cast(Tensor, logits) / total).to(part.dtype)


def check_tiles(tile_size: int, overlap: int) -> None:
    """Raise ValueError unless tiles of that size can overlap so much."""
    if tile_size < 1 or not 0 <= overlap < tile_size:
        raise ValueError(
            f"tile_size must be at least 1 and overlap in [0, tile_size), but they are {tile_size} and {overlap}."
        )


def _axis(length: int, tile_size: int, overlap: int) -> tuple[list[int], Tensor]:
    """Where tiles begin along a side, evenly spread, and their weights along it."""
    size = min(length, tile_size)
    steps = -(-(length - size) // (tile_size - overlap))
    starts = [round(step * (length - size) / steps) for step in range(steps + 1)] if steps else [0]
    place = torch.arange(size)
    return starts, torch.minimum(place + 1, size - place).clamp(max=overlap + 1)
