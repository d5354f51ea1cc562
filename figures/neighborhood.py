"""A node and its neighbours, with edges as wide as their attention weights.

Letters: N nodes, E edges with one self-loop for each node, H heads.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from figures.node_embeddings import class_colors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_HEADS = 8  # drawn
WIDEST, INK = 16.0, "0.45"  # points, of an edge with all the attention
NUMBERED = 25  # neighbours up to which a number is written in each


def draw_neighborhood(
    node: int, edge_index: Tensor, alpha: Tensor, labels: Tensor, *, class_names: Sequence[str] | None = None
) -> "Figure":
    """A node amid its neighbours, the edges as wide as its attention to them: a panel for each head and for their mean.

    Args:
        node: the node in the middle, in [0, N); its ring is as wide as its attention to itself.
        edge_index: sources and targets of the edges.
        alpha: the attention weights, which sum to 1 over the edges into each node; of more than eight heads the first
            eight are drawn.
        labels: the classes, which are the colours.
        class_names: a name for each class; their numbers when None.

    Shapes:
        edge_index (2, E), alpha (E, H), labels (N,)
    """
    from matplotlib.figure import Figure

    into = edge_index[1] == node
    order = labels[edge_index[0, into]].argsort(stable=True)  # classes side by side
    sources, weights = edge_index[0, into][order], alpha[into][order]
    panels = {f"head {head + 1}": column for head, column in enumerate(weights.T[:MOST_HEADS])}
    if weights.shape[1] > 1:
        panels["mean of the heads"] = weights.mean(dim=1)
    names = class_names or [f"class {number}" for number in range(int(labels.max()) + 1)]
    colors = class_colors(len(names))
    columns, rows = math.ceil(len(panels) ** 0.5), round(len(panels) ** 0.5)  # the smallest that hold them
    figure = Figure(figsize=(2.7 * columns + 1.8, 2.8 * rows + 0.8), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, (title, column) in zip(grid, panels.items(), strict=False):
        axes.set_title(f"{title}: {column.min():.1%} to {column.max():.1%}", fontsize=10)
        _draw_star(axes, node, sources, column, [colors[label] for label in labels[sources].tolist()])
    for axes in grid:  # of which the last may be empty
        axes.set_axis_off()
    for label in labels[sources].unique().tolist():
        grid[0].plot([], [], "o", color=colors[label], label=names[label])
    figure.legend(loc="outside right center", fontsize=9)
    title = f"First layer: attention of node {node} to its neighbours, and to itself (ring)"
    figure.suptitle(f"{title}\nuniform attention: {1 / len(sources):.1%} each", fontsize=12)
    return figure


def _draw_star(axes: "Axes", node: int, sources: Tensor, weights: Tensor, colors: Sequence[object]) -> None:
    """One head: the neighbours in a circle, the node in the middle; ``colors`` are those of the sources."""
    from matplotlib.collections import LineCollection

    others = (sources != node).nonzero()[:, 0].tolist()
    angles = math.pi / 2 - 2 * math.pi * torch.arange(len(others)) / max(len(others), 1)
    places = torch.stack([angles.cos(), angles.sin()], dim=1)
    spokes, widths = list(torch.stack([0 * places, places], dim=1).numpy()), WIDEST * weights.numpy()
    axes.add_collection(LineCollection(spokes, linewidths=widths[others], colors=INK, capstyle="butt", zorder=1))
    area = min(18.0, 400 / max(len(others), 1)) ** 2  # in points
    x, y = places.T.numpy()
    axes.scatter(x, y, area, [colors[place] for place in others], edgecolors="white", zorder=2)
    text: dict[str, Any] = {"color": "white", "ha": "center", "va": "center", "zorder": 6}
    if len(others) <= NUMBERED:
        for number, (left, up) in zip(sources[others].tolist(), places.tolist(), strict=True):
            axes.text(left, up, str(number), fontsize=6, **text)
    own = (sources == node).nonzero()[:, 0].tolist()
    for diameter, color in ((26 + 2 * widths[own].sum(), INK), (26, "white"), (22, colors[own[0]])):
        axes.scatter(0, 0, diameter**2, color=color, linewidths=0, zorder=3)
    axes.text(0, 0, str(node), fontsize=7, weight="bold", **text)
    axes.set(aspect="equal", xlim=(-1.2, 1.2), ylim=(-1.2, 1.2))
