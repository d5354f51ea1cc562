"""Gradient norms through time: read from metrics, and drawn from numbers."""

import io
import math
import random
from collections.abc import Callable

import pytest
from matplotlib.figure import Figure

from figures import draw_gradient_norms, draw_gradients_over_training, draw_timestep_gradients, gradients_of
from figures.gradient_norms import BEYOND, COLUMNS, PANELS

OF_RNN, OF_LSTM = ("grad_norm", "hidden_norm", "bound"), ("grad_norm", "hidden_norm", "cell_grad_norm")


def layers_of(steps: list[int], length: int = 6, names: tuple[str, ...] = OF_RNN, number: int = 2) -> dict:
    """Numbers of layers that tell the layer, the quantity, the step and t: 4.0321 is layer 4, bound, step 3, t = 21."""
    return {
        layer: {
            name: {step: [layer + index / 10 + step / 1e4 + t / 1e7 for t in range(1, length + 1)] for step in steps}
            for index, name in enumerate(names)
        }
        for layer in range(1, number + 1)
    }


def constant(value: float, names: tuple[str, ...] = OF_RNN, length: int = 5) -> dict:
    return {1: {name: {step: [value] * length for step in (0, 50)} for name in names}}


def render(figure: Figure) -> None:
    figure.savefig(io.BytesIO(), dpi=20)


def labels(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("length", [1, 9, 10, 12, 120])
def test_logged_numbers_come_back_in_the_order_of_time(length: int) -> None:
    layers = layers_of([0, 50, 100], length, number=3)
    digits = len(str(length))
    logged = [
        (
            f"gradients/layer_{layer}/{name}/t_{t:0{digits}d}",
            (list(of_name), [values[t - 1] for values in of_name.values()]),
        )
        for layer, of_layer in layers.items()
        for name, of_name in of_layer.items()
        for t in range(1, length + 1)
    ]
    others = ["val/loss", "gradients/layer_1/vanishing_rate", "gradients/layer_1/sigma_max/input", "attention/t_1/t_2"]
    logged += [(name, ([0, 50], [7.0, 8.0])) for name in others]
    random.Random(0).shuffle(logged)
    assert gradients_of(dict(logged)) == layers


def test_batches_of_different_lengths_come_back_each_with_its_own() -> None:
    metrics = {f"gradients/layer_1/grad_norm/t_{t}": ([0], [float(t)]) for t in range(1, 10)}
    metrics |= {f"gradients/layer_1/grad_norm/t_{t:02d}": ([50], [float(t)]) for t in range(1, 12)}
    lengths = {0: 9, 50: 11}
    of_layer = {step: [float(t) for t in range(1, length + 1)] for step, length in lengths.items()}
    assert gradients_of(metrics) == {1: {"grad_norm": of_layer}}


def test_a_run_without_gradients_gives_nothing() -> None:
    assert gradients_of({}) == gradients_of({"val/loss": ([0], [1.0])}) == {}


@pytest.mark.parametrize(
    ("names", "second", "style", "suffix"),
    [(OF_RNN, "bound", ":", ", bound"), (OF_LSTM, "cell_grad_norm", "-.", ", cell")],
)
def test_gradients_before_and_after_training_run_backwards_beside_the_states(
    names: tuple[str, ...], second: str, style: str, suffix: str
) -> None:
    layers = layers_of([0, 50, 100], names=names)
    figure = draw_timestep_gradients(layers, "a run")
    render(figure)
    left, right = figure.axes
    assert figure.get_suptitle().endswith("a run")
    assert (left.get_yscale(), right.get_yscale()) == ("linear", "log")
    assert left.get_xlim()[0] < left.get_xlim()[1] and left.get_ylim()[0] == 0
    assert right.get_xlim() == (6.5, 0.5)
    assert ["backwards" in axes.get_xlabel() for axes in figure.axes] == [False, True]
    assert left.get_legend() is None and right.get_legend() is None
    assert [line.get_label() for line in left.lines] == [f"layer {n}, step {step}" for step in (0, 100) for n in (1, 2)]
    assert labels(figure) == [
        f"layer {layer}{kind}, step {step}" for step in (0, 100) for layer in (1, 2) for kind in ("", suffix)
    ]
    expected = [
        (layers[layer][name][step], f"C{layer - 1}", line_style, *moment)
        for step, moment in ((0, (0.45, 1.0)), (100, (1.0, 2.0)))
        for layer in (1, 2)
        for name, line_style in (("grad_norm", "-"), (second, style))
    ]
    assert [
        (list(line.get_ydata()), line.get_color(), line.get_linestyle(), line.get_alpha(), line.get_linewidth())
        for line in right.lines
    ] == expected
    assert all(list(line.get_xdata()) == [1, 2, 3, 4, 5, 6] for line in [*left.lines, *right.lines])
    hidden = [layers[layer]["hidden_norm"][step] for step in (0, 100) for layer in (1, 2)]
    assert [list(line.get_ydata()) for line in left.lines] == hidden


def test_of_one_logged_step_the_only_curves_are_bold() -> None:
    left, right = draw_timestep_gradients(layers_of([3], number=1), "a run").axes
    assert [line.get_linewidth() for line in (*left.lines, *right.lines)] == [2.0, 2.0, 2.0]


def test_a_layer_is_drawn_at_the_steps_at_which_it_ran() -> None:
    layers = {1: layers_of([0, 50])[1], 2: layers_of([50])[2]}
    left, right = draw_timestep_gradients(layers, "a run").axes
    assert (len(left.lines), len(right.lines)) == (3, 6)
    assert [len(axes.lines) for axes in draw_gradients_over_training(layers, "a run").axes] == [2, 4]


@pytest.mark.parametrize("number", [1, 3, PANELS, PANELS + 1, 40])
def test_a_few_moments_of_training_are_shown_with_the_first_and_the_last(number: int) -> None:
    steps = list(range(0, 50 * number, 50))
    layers = layers_of(steps)
    figure = draw_gradients_over_training(layers, "a run")
    shown = [axes for axes in figure.axes if axes.get_visible()]
    moments = [int(axes.get_title().removeprefix("optimizer step ")) for axes in shown]
    assert moments == sorted(set(moments)) and len(moments) == min(number, PANELS) and set(moments) <= set(steps)
    assert (moments[0], moments[-1]) == (steps[0], steps[-1])
    for step, axes in zip(moments, shown, strict=True):
        curves = [layers[layer][name][step] for layer in (1, 2) for name in ("grad_norm", "bound")]
        assert [list(line.get_ydata()) for line in axes.lines] == curves
    assert labels(figure) == ["layer 1", "layer 1, bound", "layer 2", "layer 2, bound"]


@pytest.mark.parametrize(("number", "rows"), [(1, 1), (2, 1), (COLUMNS, 1), (COLUMNS + 1, 2), (2 * COLUMNS, 2)])
def test_panels_share_their_axes_and_fill_rows(number: int, rows: int) -> None:
    lines = {"gradient": ([1e-3, 1.0, 0.0], "C0", "-"), "bound": ([2.0, 3.0, 4.0], "C1", ":")}
    figure = draw_gradient_norms({f"panel {n}": lines for n in range(number)}, "panels")
    render(figure)
    columns = min(number, COLUMNS)
    assert len(figure.axes) == rows * columns and figure.get_suptitle() == "panels"
    assert [axes.get_visible() for axes in figure.axes] == [n < number for n in range(len(figure.axes))]
    assert [axes.get_title() for axes in figure.axes[:number]] == [f"panel {n}" for n in range(number)]
    for axes in figure.axes[:number]:
        assert axes.get_yscale() == "log" and axes.get_xlim() == (3.5, 0.5)
        assert 3e-4 < axes.get_ylim()[0] < 1e-3 and 4.0 < axes.get_ylim()[1] < 12.0
        assert [(line.get_linestyle(), line.get_marker()) for line in axes.lines] == [("-", "."), (":", "None")]
    assert [axes for axes in figure.axes if axes.get_xlabel()] == figure.axes[-columns:]
    assert [axes for axes in figure.axes if axes.get_ylabel()] == figure.axes[::columns]
    assert labels(figure) == ["gradient", "bound"]


def test_the_axis_holds_every_gradient_and_long_curves_have_no_points() -> None:
    lines = {"gradient": ([10.0 ** (2 - t) for t in range(41)], "C0", "-"), "inf": ([math.inf, 1.0], "C0", "-")}
    figure = draw_gradient_norms({"": lines}, "vanishing", ylabel="a norm")
    render(figure)
    (axes,) = figure.axes
    assert 1e-39 < axes.get_ylim()[0] < 1e-38 and 100 < axes.get_ylim()[1] < 300
    assert [line.get_marker() for line in axes.lines] == ["None", "."] and axes.get_xlim() == (41.5, 0.5)
    assert axes.get_ylabel() == "a norm"


@pytest.mark.parametrize(("bound", "top"), [(0.5, 2.0), (30.0, 30.0), (1e9, 2.0 * BEYOND), (math.inf, 2.0)])
def test_a_bound_is_shown_as_far_as_it_leaves_room_for_the_gradients(bound: float, top: float) -> None:
    lines = {"gradient": ([1.0, 2.0], "C0", "-"), "bound": ([1e-9, bound], "C0", ":")}
    low, high = draw_gradient_norms({"": lines}, "bounded").axes[0].get_ylim()
    assert 0.5 < low < 1.0 and top < high < 2 * top


@pytest.mark.parametrize("value", [0.0, math.nan, math.inf, 1e-45, 3e38])
@pytest.mark.parametrize("draw", [draw_timestep_gradients, draw_gradients_over_training])
def test_numbers_that_no_logarithmic_axis_holds_are_drawn_all_the_same(draw: Callable, value: float) -> None:
    figure = draw(constant(value), "extreme")
    render(figure)
    assert figure.axes[-1].get_yscale() == ("log" if 0 < value < math.inf else "linear")
