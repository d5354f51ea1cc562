"""Norms of gradients at each time step of a recurrent network, from the metrics that ``TimestepGradients`` logs.

Letters: T time.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import torch

from figures.metrics import Metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
PANELS = 6  # of the picture over training
BEYOND = 100.0  # how far a bound is shown above the gradients, in units of the highest
STYLES = {"grad_norm": ("-", ""), "cell_grad_norm": ("-.", ", cell"), "bound": (":", ", bound")}
Layers = Mapping[int, Mapping[str, Mapping[int, list[float]]]]  # layer, quantity, optimizer step: a number for each t
Line = tuple[Sequence[float], str, str]  # a number for each t, colour, style


def gradients_of(metrics: Metrics) -> Layers:
    """The norms that ``TimestepGradients`` logged: for a layer, a quantity and an optimizer step, those of every t.

    Args:
        metrics: the metrics of the run, as ``lab.read_metrics`` gives them.

    Shapes:
        T numbers for each layer, quantity and step; T may differ between steps
    """
    layers: dict[int, dict[str, dict[int, list[float]]]] = {}
    for key in sorted(key for key in metrics if key.startswith("gradients/") and "/t_" in key):
        _, layer, name, _ = key.split("/")  # in the order of t, which is logged with leading zeros
        of_name = layers.setdefault(int(layer.removeprefix("layer_")), {}).setdefault(name, {})
        for step, value in zip(*metrics[key], strict=True):
            of_name.setdefault(step, []).append(value)
    return dict(sorted(layers.items()))


def draw_timestep_gradients(layers: Layers, title: str) -> "Figure":
    """Norms of hidden states (left) and gradients (right) at every time step, before and after training.

    On the right time runs backwards, as the gradient does; a dotted line is the largest gradient that theory allows.
    The first optimizer step that was logged is thin and pale, the last one is bold.

    Args:
        layers: the result of ``gradients_of``, of at least one layer.
        title: what was trained.

    Shapes:
        T norms, over a batch, for each layer, quantity and optimizer step
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = sorted({step for layer in layers.values() for step in layer["grad_norm"]})
    moments = {steps[0]: (0.45, 1.0), steps[-1]: (1.0, 2.0)}  # opacity and width
    for step, (alpha, width) in moments.items():
        hidden = {
            f"layer {number}, step {step}": (layer["hidden_norm"][step], f"C{number - 1}", "-")
            for number, layer in layers.items()
            if step in layer["hidden_norm"]
        }
        _plot(left, hidden, alpha, width)
        _plot(right, {f"{label}, step {step}": line for label, line in _lines(layers, step).items()}, alpha, width)
    left.set_ylim(bottom=0)
    _count_steps(left)
    left.set_xlabel("time t")
    left.set_ylabel("‖h_t‖ of a batch")
    _run_backwards(right, [line for step in moments for line in _lines(layers, step).values()])
    right.set_xlabel("time t, backwards")
    right.set_ylabel("‖∂L/∂h_t‖ of a batch")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    figure.suptitle(f"Forward through time, and the gradient back — {title}", fontsize=12)
    return figure


def draw_gradients_over_training(layers: Layers, title: str) -> "Figure":
    """Norms of gradients at every time step, a panel for each of up to six optimizer steps, evenly spread.

    Args:
        layers: the result of ``gradients_of``, of at least one layer.
        title: what was trained.

    Shapes:
        T norms, over a batch, for each layer, quantity and optimizer step
    """
    steps = sorted({step for layer in layers.values() for step in layer["grad_norm"]})
    chosen = torch.linspace(0, len(steps) - 1, min(PANELS, len(steps))).round().long().tolist()
    panels = {f"optimizer step {steps[index]}": _lines(layers, steps[index]) for index in chosen}
    return draw_gradient_norms(panels, f"Gradients through time, over training — {title}")


def draw_gradient_norms(panels: Mapping[str, Mapping[str, Line]], title: str, ylabel: str = "‖∂L/∂h_t‖") -> "Figure":
    """Small multiples of gradient norms over time, on common logarithmic axes; time runs backwards.

    Args:
        panels: for each panel's title, for each line's label, a norm for each t, a colour and a line style; a dotted
            line is a bound.
        title: the title of the figure.
        ylabel: the label of the axes, with its unit.

    Shapes:
        T norms in each line
    """
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.1 * columns + 0.4, 2.6 * rows + 0.7), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (name, lines) in zip(grid.flat, panels.items(), strict=False):
        _plot(axes, lines, alpha=1.0, width=1.5)
        axes.set_title(name, fontsize=10)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    all_lines = list(chain.from_iterable(lines.values() for lines in panels.values()))
    _run_backwards(grid[0, 0], all_lines)
    for axes in grid[-1]:
        axes.set_xlabel("time t, backwards")
    for axes in grid[:, 0]:
        axes.set_ylabel(ylabel)
    handles = {
        label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=6, fontsize=9)
    figure.suptitle(title, fontsize=12)
    return figure


def _lines(layers: Layers, step: int) -> dict[str, Line]:
    return {
        f"layer {number}{suffix}": (layer[name][step], f"C{number - 1}", style)
        for number, layer in layers.items()
        for name, (style, suffix) in STYLES.items()
        if step in layer.get(name, {})
    }


def _plot(axes: "Axes", lines: Mapping[str, Line], alpha: float, width: float) -> None:
    for label, (values, colour, style) in lines.items():
        marker = "." if style != ":" and len(values) <= 40 else None
        t = range(1, len(values) + 1)
        axes.plot(t, values, style, marker=marker, color=colour, alpha=alpha, linewidth=width, label=label)
    axes.grid(alpha=0.3)


def _run_backwards(axes: "Axes", lines: Sequence[Line]) -> None:
    """A logarithmic axis that shows every gradient, a bound as far as there is room, and time from the last step on."""
    from matplotlib.ticker import LogLocator, NullLocator

    bounds, measured = (
        [value for values, _, style in lines for value in values if 0 < value < math.inf and (style == ":") == dotted]
        for dotted in (True, False)
    )
    if measured:
        lowest, highest = min(measured), max(max(measured), min(max(bounds, default=0.0), BEYOND * max(measured)))
        axes.set_yscale("log")
        axes.set_ylim(lowest / 1.5, 1.5 * highest)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if highest < 300 * lowest else (1.0,)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())  # they take half of the time to draw
    axes.set_xlim(max(len(values) for values, _, _ in lines) + 0.5, 0.5)
    _count_steps(axes)


def _count_steps(axes: "Axes") -> None:
    """Ticks of the horizontal axis at whole time steps alone."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
