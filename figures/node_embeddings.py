"""The nodes of a graph at points of a plane, with their edges, classes and misclassifications.

Letters: N nodes, E edges.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Limits = tuple[tuple[float, float], tuple[float, float]]
Marks = tuple[Sequence[str], Tensor]

COLORS = ("C0", "C1", "C2", "C4", "C5", "C6", "C8", "C9", "#1f2d7a", "0.45")  # red is reserved for misclassifications
WRONG = "#e3000f"
SHAPES = "os^Dvp<>hP"
NUMBERED, WITH_EDGES = 50, 500  # nodes up to which a number is written in each, and edges are drawn
NUMBERS = ("first number of the last hidden layer", "second number")


def limits_of(points: Tensor) -> Limits:
    """The range of the horizontal and of the vertical axis that shows all points, with a margin of 6 %.

    Args:
        points: the points, N ≥ 1.

    Shapes:
        points (N, 2)
    """
    low, high = points.amin(dim=0), points.amax(dim=0)
    margin = 0.06 * (high - low).clamp(min=1e-3)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return (left, right), (bottom, top)


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
    """A graph whose nodes lie at given points, with its edges, classes and misclassifications.

    Args:
        points: the point of each node.
        edge_index: sources and targets of the edges, thin grey lines; with more than 500 nodes none are drawn.
        labels: the true classes, which are the colours.
        predicted: the predicted classes, of which the wrong ones have a red ring; None rings none.
        title: what the points are, such as the epoch; the number of misclassified nodes is added.
        class_names: a name for each class; their numbers when None.
        train_mask: which nodes are labelled in training and so have a black edge; none when None.
        marks: names of a second labelling of the nodes, and its value for each, which is their shape.
        limits: the range of the horizontal and of the vertical axis; that of the points when None.
        axis_names: the labels of the axes.

    Shapes:
        points (N, 2), edge_index (2, E), labels (N,), predicted (N,), train_mask (N,) of bool, values of marks (N,)
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
        x, y = points[wrong].T.numpy()
        ring = (2.1 if area > 20 else 1.6) * area
        axes.scatter(x, y, ring, facecolors="none", edgecolors=WRONG, linewidths=width, zorder=4)
        title = f"{title}: {int(wrong.sum())} of {count} nodes wrong"
    axes.grid(alpha=0.25)
    axes.set_axisbelow(True)
    _add_legend(axes, dict(zip(names, colors, strict=True)), marks, predicted is not None, train_mask is not None)
    axes.set_title(title, fontsize=12)
    return figure


def class_colors(num_classes: int) -> list[Any]:
    """A colour for each class, none of them red: of more than ten classes, colours along a scale.

    Args:
        num_classes: the number of classes, ≥ 1.

    Shapes:
        num_classes colours, as matplotlib takes them
    """
    if num_classes <= len(COLORS):
        return list(COLORS[:num_classes])
    from matplotlib import colormaps

    return [colormaps["viridis"](number / (num_classes - 1)) for number in range(num_classes)]


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
    for rank, look in enumerate(looks.unique(dim=0)):  # the labelled nodes last
        chosen, (training, shape, number) = (looks == look).all(dim=1), look.tolist()
        edge, width = ("black", 1.8 if area > 100 else 0.8) if training else ("white", 0.8 if area > 100 else 0.2)
        (x, y), depth = points[chosen].T.numpy(), 2 + rank / count
        axes.scatter(
            x,
            y,
            area * (1.6 if training and area < 100 else 1),
            [colors[node] for node in chosen.nonzero()[:, 0].tolist()],
            marker=SHAPES[shape % len(SHAPES)],
            edgecolors=edge,
            linewidths=width,
            zorder=depth,
        )
        if count <= NUMBERED:
            style: dict[str, Any] = {"color": "white", "fontsize": 7, "weight": "bold", "ha": "center", "va": "center"}
            horizontal, vertical = points[number].tolist()
            axes.text(horizontal, vertical, str(number), **style, zorder=depth)


def _add_legend(axes: "Axes", colors: Mapping[str, Any], marks: Marks | None, wrong: bool, train: bool) -> None:
    """The same entries for every frame of an animation, so that the axes stay in place."""
    from matplotlib.lines import Line2D

    entries: list[tuple[str, str, dict[str, Any]]] = [(name, "o", {"color": color}) for name, color in colors.items()]
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
