"""How the nodes of a graph are drawn in a plane, and figures as an animation.

Letters: N nodes, E edges.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lab.files import written_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Limits = tuple[tuple[float, float], tuple[float, float]]
Marks = tuple[Sequence[str], Tensor]

COLORS = ("C0", "C1", "C2", "C4", "C5", "C6", "C8", "C9", "#1f2d7a", "0.45")  # red is that of the mistakes
WRONG = "#e3000f"
SHAPES = "os^Dvp<>hP"
NUMBERED, WITH_EDGES = 50, 500  # nodes up to which a number is written in each, and edges are drawn
NUMBERS = ("first number of the last hidden layer", "second number")
SHORTEST_FRAME, LONGEST_FRAME, TOGETHER, LAST_FRAME = 130, 600, 8000, 2500  # milliseconds


def limits_of(points: Tensor) -> Limits:
    """The range of each axis with a margin.

    Shapes:
        (N, 2)
    """
    low, high = points.amin(dim=0), points.amax(dim=0)
    margin = 0.06 * (high - low).clamp(min=1e-3)
    return tuple(zip((low - margin).tolist(), (high + margin).tolist(), strict=True))


def draw_node_embeddings(
    points: Tensor,
    edge_index: Tensor,
    labels: Tensor,
    predicted: Tensor | None,
    title: str,
    *,
    class_names: Sequence[str] | None = None,
    train_mask: Tensor | None = None,
    marks: Marks | None = None,
    limits: Limits | None = None,
    axis_names: tuple[str, str] = NUMBERS,
) -> "Figure":
    """A graph whose nodes lie where they are told.

    Args:
        points: the place of each node.
        edge_index: sources and targets of the edges, thin grey lines; of more than 500 nodes none are drawn.
        labels: the true classes, which are the colours.
        predicted: the predicted classes, of which the wrong ones have a red ring; None rings none.
        title: what the points are, such as the epoch; the number of mistakes is added.
        class_names: a name a class; their numbers when None.
        train_mask: which nodes have a black edge, since training is told their label.
        marks: names of a second labelling of the nodes, and its value of each (N,): the shapes.
        limits: the range of the horizontal and of the vertical axis; that of the points when None.
        axis_names: what the axes are.

    Shapes:
        points (N, 2), edge_index (2, E), labels (N,), predicted (N,), train_mask (N,)
    """
    from matplotlib.figure import Figure

    count = len(points)
    figure = Figure(figsize=(7.6, 5.2), layout="constrained")
    axes = figure.subplots()
    area = 190 if count <= NUMBERED else 40 if count <= WITH_EDGES else 9
    across, up = limits or limits_of(points)
    axes.set(xlim=across, ylim=up, xlabel=axis_names[0], ylabel=axis_names[1])
    names = class_names or [f"class {number}" for number in range(int(labels.max()) + 1)]
    colors = class_colors(len(names))
    _draw_edges(axes, points, edge_index)
    _draw_nodes(axes, points, [colors[label] for label in labels.tolist()], train_mask, marks, area)
    if predicted is not None:
        wrong, width = predicted != labels, 2.2 if area > 100 else 1.4 if area > 20 else 0.4
        ring = {"facecolors": "none", "edgecolors": WRONG, "linewidths": width, "zorder": 4}
        axes.scatter(*points[wrong].T.numpy(), (2.1 if area > 20 else 1.6) * area, **ring)
        title = f"{title}: {int(wrong.sum())} of {count} nodes wrong"
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    _add_legend(axes, dict(zip(names, colors, strict=True)), marks, predicted is not None, train_mask is not None)
    axes.set_title(title, fontsize=12)
    return figure


def class_colors(num_classes: int) -> list[Any]:
    """A colour a class, none of them red: of many classes, colours along a scale."""
    if num_classes <= len(COLORS):
        return list(COLORS[:num_classes])
    from matplotlib import colormaps

    return [colormaps["viridis"](number / (num_classes - 1)) for number in range(num_classes)]


def save_animation(figures: Iterable["Figure"], path: Path) -> None:
    """Save figures of one size as an animated GIF of at most eight frames a second, the last held longer.

    Args:
        figures: the frames, in their order, at least one.
        path: the file, which is whole or not there.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    frames, palette = [], None
    for figure in figures:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        if palette is None:  # one for all, so that nothing flickers; what is almost white becomes white
            palette = picture.quantize(256, Image.Quantize.MAXCOVERAGE)
            colors = np.reshape(palette.getpalette(), (-1, 3))
            palette.putpalette(np.where(colors.min(axis=1, keepdims=True) > 247, 255, colors).flatten().tolist())
        frames.append(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    each = min(max(SHORTEST_FRAME, TOGETHER // len(frames)), LONGEST_FRAME)
    durations = [each] * (len(frames) - 1) + [LAST_FRAME]
    with written_whole(path) as part:
        frames[0].save(part, save_all=True, append_images=frames[1:], duration=durations, loop=0)


def _draw_edges(axes: "Axes", points: Tensor, edge_index: Tensor) -> None:
    """Each pair of neighbours once."""
    from matplotlib.collections import LineCollection

    if len(points) <= WITH_EDGES:
        pairs = edge_index.sort(dim=0).values.unique(dim=1)
        segments = points[pairs.T]  # (E, 2, 2)
        axes.add_collection(LineCollection(list(segments.numpy()), colors="0.6", linewidths=0.6, alpha=0.6, zorder=1))


def _draw_nodes(
    axes: "Axes", points: Tensor, colors: list[Any], train_mask: Tensor | None, marks: Marks | None, area: int
) -> None:
    """Up to 50 nodes one by one, so that each covers the numbers of those behind it; more in groups of one look."""
    count, nothing = len(points), torch.zeros(len(points), dtype=torch.long)
    labelled, shapes = nothing if train_mask is None else train_mask.long(), nothing if marks is None else marks[1]
    numbers = torch.arange(count) if count <= NUMBERED else nothing
    looks = torch.stack([labelled, shapes.cpu(), numbers], dim=1)
    for place, look in enumerate(looks.unique(dim=0)):  # the labelled nodes last
        chosen, (training, shape, number) = (looks == look).all(dim=1), look.tolist()
        edge, width = ("black", 1.8 if area > 100 else 0.8) if training else ("white", 0.8 if area > 100 else 0.2)
        depth = {"zorder": 2 + place / count}
        axes.scatter(
            *points[chosen].T.numpy(),
            area * (1.6 if training and area < 100 else 1),
            [colors[node] for node in chosen.nonzero()[:, 0].tolist()],
            marker=SHAPES[shape % len(SHAPES)],
            edgecolors=edge,
            linewidths=width,
            **depth,
        )
        if count <= NUMBERED:
            style = {"color": "white", "fontsize": 7, "weight": "bold", "ha": "center", "va": "center"}
            axes.text(*points[number].tolist(), str(number), **style, **depth)


def _add_legend(axes: "Axes", colors: Mapping[str, Any], marks: Marks | None, wrong: bool, train: bool) -> None:
    """The same entries for every frame, so that the axes stay in their place."""
    from matplotlib.lines import Line2D

    entries = [(name, "o", {"color": color}) for name, color in colors.items()]
    if marks is not None:
        entries += [(name, SHAPES[shape % len(SHAPES)], {"color": "0.6"}) for shape, name in enumerate(marks[0])]
    if train:
        entries.append(("labelled in training", "o", {"markerfacecolor": "0.85", "markeredgecolor": "black"}))
    if wrong:
        entries.append(("wrong", "o", {"markerfacecolor": "none", "markeredgecolor": WRONG, "markeredgewidth": 2}))
    handles = [
        Line2D([], [], linestyle="none", marker=shape, markersize=8, label=name, **style)
        for name, shape, style in entries
    ]
    axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
