"""Metrics over training: the curves of one run, and the mean and range of repeated runs."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from figures.metrics import Curve, Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_RANGE = 1e-3  # of a logarithmic axis; a loss that falls to nothing would squeeze all others


def draw_learning_curves(curves: Metrics, title: str, ylabel: str) -> "Figure":
    """Metrics over the optimizer step, the lowest value of each marked; the axis is logarithmic if they span a decade.

    Args:
        curves: for each name, the optimizer steps and the values, as ``lab.read_metrics`` gives them.
        title: what was trained.
        ylabel: the label of the axis, with its unit.

    Shapes:
        of each curve, at least one step, and as many values
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    figure = Figure(figsize=(7.0, 4.4), layout="constrained")
    axes = figure.subplots()
    for name, (steps, values) in curves.items():
        (line,) = axes.plot(steps, values, marker=".", label=name)
        best = min(range(len(values)), key=lambda index: (not math.isfinite(values[index]), values[index]))
        axes.plot(
            steps[best], values[best], "o", color=line.get_color(), markerfacecolor="none", markersize=10,
            label=f"lowest: {values[best]:.4f} at step {steps[best]}",
        )  # fmt: skip
    smallest = min(min(values) for _, values in curves.values())
    largest = max(max(values) for _, values in curves.values())
    if smallest > 0 and largest > 10 * smallest:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("optimizer step")
    axes.set_ylabel(ylabel)
    axes.set_title(f"Learning curves — {title}")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return figure


def draw_repeats(
    panels: Mapping[str, Mapping[str, Sequence[Curve]]], ylabel: str, xlabels: Sequence[str] = ()
) -> "Figure":
    """Repeated runs of several experiments: the mean of the repeats as a line, their range as a band.

    The axis is logarithmic if the values span a decade; it then shows three decades below the highest value.

    Args:
        panels: for each panel's title, for each line's label, the steps and the values of every repeat.
        ylabel: the label of the axes, with its unit.
        xlabels: the label of each panel's own horizontal axis, with its unit, instead of its title. When empty, all
            panels share one axis, the optimizer step.

    Shapes:
        of each repeat, as many steps as values; the repeats of a line have at least one step in common
    """
    from matplotlib.figure import Figure

    columns = 2 if len(panels) == 4 else min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.6 * columns + 0.6, 2.9 * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=not xlabels, sharey=True, squeeze=False)
    ranges = []
    for axes, (title, lines) in zip(grid.flat, panels.items(), strict=False):
        ranges.append(_draw_bands(axes, lines))
        axes.set_title("" if xlabels else title, fontsize=10)
        axes.grid(alpha=0.3)
    lowest, highest = min(low for low, _ in ranges), max(high for _, high in ranges)
    if lowest > 0 and highest > 10 * lowest:
        grid[0, 0].set_yscale("log")
        grid[0, 0].set_ylim(bottom=max(lowest, SHOWN_RANGE * highest) / 1.5)
    for axes, xlabel in zip(grid.flat if xlabels else grid[-1], xlabels or ["optimizer step"] * columns, strict=False):
        axes.set_xlabel(xlabel)
    for axes in grid[:, 0]:
        axes.set_ylabel(ylabel, fontsize=9)
    handles, labels = max((axes.get_legend_handles_labels() for axes in grid.flat), key=lambda pair: len(pair[0]))
    figure.legend(handles, labels, loc="outside lower center", ncols=6, fontsize=9)
    return figure


def _draw_bands(axes: "Axes", lines: Mapping[str, Sequence[Curve]]) -> tuple[float, float]:
    """Draw the mean and the range of the repeats of each line, and return the range of all."""
    from matplotlib import colormaps

    lowest, highest = math.inf, -math.inf
    for number, (label, repeats) in enumerate(lines.items()):
        colour = colormaps["viridis"](0.95 * number / max(1, len(lines) - 1))
        curves = [dict(zip(*curve, strict=True)) for curve in repeats]
        steps = sorted(set.intersection(*map(set, curves)))  # those that all have
        values = torch.tensor([[curve[step] for step in steps] for curve in curves])
        axes.plot(steps, values.mean(dim=0).numpy(), marker=".", color=colour, label=label)
        axes.fill_between(steps, values.amin(dim=0).numpy(), values.amax(dim=0).numpy(), color=colour, alpha=0.2)
        lowest, highest = min(lowest, values.min().item()), max(highest, values.max().item())
    return lowest, highest
