"""Attention over images: the weights of every layer and head, and the rollout through all layers.

Letters: B images, I channels, S side of an image, L layers, H heads, P patches along a side.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


def draw_attention(image: Tensor, maps: Tensor, title: str) -> "Figure":
    """The attention of every layer (rows) and head (columns) over an image.

    Args:
        image: the image; of one channel it is drawn as ink on paper, of three in [0, 1] in colour.
        maps: the attention weights of the token that is read out to each patch, all on one scale.
        title: which image it is.

    Shapes:
        image (I, S, S), maps (L, H, P, P)
    """
    from matplotlib.figure import Figure

    num_layers, num_heads = maps.shape[:2]
    side = 1.15
    figure = Figure(figsize=(side * (num_heads + 1.6) + 0.8, side * num_layers + 1.0), layout="constrained")
    picture, grid = figure.subfigures(1, 2, squeeze=False, width_ratios=[1.6, num_heads + 0.6])[0]
    axes = picture.subplots()
    _show(axes, image)
    axes.set_title("image", fontsize=10)
    figure.suptitle(f"Attention to each patch — {title}", fontsize=12)
    for layer, row in enumerate(grid.subplots(num_layers, num_heads, squeeze=False)):
        for head, axes in enumerate(row):
            shown = _overlay(axes, image, maps[layer, head], (0.0, float(maps.max())))
            if layer == 0:
                axes.set_title(f"head {head + 1}", fontsize=9)
            if head == 0:
                axes.set_ylabel(f"layer {layer + 1}", fontsize=9)
    bar = grid.colorbar(shown, ax=grid.axes, shrink=0.8, pad=0.02)
    bar.set_label("attention weight", fontsize=9)
    return figure


def draw_rollout(images: Tensor, rollout: Tensor, titles: Sequence[str]) -> "Figure":
    """Images (top) and the attention rollout over each (bottom).

    Args:
        images: the images.
        rollout: the attention weights of the token that is read out to each patch, through all layers.
        titles: one for each image; a comma in it starts a new line.

    Shapes:
        images (B, I, S, S), rollout (B, P, P)
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.0 * len(images) + 0.9, 4.9), layout="constrained")
    figure.suptitle("Attention rollout: where the read-out looks, through all layers", fontsize=12)
    rows = figure.subplots(2, len(images), squeeze=False)
    for index, (above, below) in enumerate(rows.T):
        _show(above, images[index])
        above.set_title(titles[index].replace(", ", "\n"), fontsize=10)
        shown = _overlay(below, images[index], rollout[index], (float(rollout.min()), float(rollout.max())))
    bar = figure.colorbar(shown, ax=rows[1].tolist(), shrink=0.9, pad=0.02)
    bar.set_label("attention weight", fontsize=9)
    return figure


def _show(axes: "Axes", image: Tensor) -> None:
    axes.imshow(image.movedim(0, -1).squeeze(-1).numpy(), cmap="gray_r" if len(image) == 1 else None)
    axes.set_xticks([])
    axes.set_yticks([])


def _overlay(axes: "Axes", image: Tensor, patches: Tensor, limits: tuple[float, float]) -> "AxesImage":
    """Attention as colour, the image as ink over it."""
    height, width = image.shape[-2:]
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    shown = axes.imshow(patches.numpy(), cmap="viridis", vmin=limits[0], vmax=limits[1], extent=extent)
    ink = image.mean(dim=0)
    axes.imshow(torch.ones_like(ink).numpy(), cmap="gray", vmin=0, vmax=1, alpha=(0.4 * ink.clamp(0, 1)).numpy())
    axes.set_xticks([])
    axes.set_yticks([])
    return shown
