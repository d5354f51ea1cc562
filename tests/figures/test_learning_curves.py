"""Curves over training: lines, bands, labels and axes."""

import io

import pytest

from figures import draw_learning_curves, draw_repeats


def test_curves_share_one_axis_with_their_lowest_values_marked() -> None:
    curves = {"train/loss": ([1, 2, 3], [3.0, 1.5, 2.0]), "val/loss": ([2, 3], [2.0, 1.8])}
    figure = draw_learning_curves(curves, "vit_digits", "cross-entropy (nats)")
    figure.savefig(io.BytesIO())
    (axes,) = figure.axes
    assert axes.get_title() == "Learning curves — vit_digits"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("optimizer step", "cross-entropy (nats)")
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines == {
        "train/loss": [[1, 3.0], [2, 1.5], [3, 2.0]],
        "lowest: 1.5000 at step 2": [[2, 1.5]],
        "val/loss": [[2, 2.0], [3, 1.8]],
        "lowest: 1.8000 at step 3": [[3, 1.8]],
    }
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(lines)


@pytest.mark.parametrize(
    ("values", "scale"),
    [([2.0, 0.3], "linear"), ([2.0, 0.1], "log"), ([2.0, 0.0], "linear"), ([2.0, -1.0], "linear"), ([0.5], "linear")],
)
def test_the_axis_is_logarithmic_where_the_curves_span_a_decade(values: list[float], scale: str) -> None:
    figure = draw_learning_curves({"loss": (list(range(len(values))), values)}, "a run", "loss")
    assert figure.axes[0].get_yscale() == scale


def test_repeats_are_a_line_of_their_mean_in_a_band_of_their_range() -> None:
    repeats = [([1, 2], [4.0, 1.0]), ([1, 2], [2.0, 3.0])]
    figure = draw_repeats({"linear": {"k = 5": repeats, "k = 10": repeats[:1]}, "ReLU": {"k = 5": repeats}}, "error")
    figure.savefig(io.BytesIO())
    left, right = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["linear", "ReLU"]
    assert {line.get_label(): line.get_xydata().tolist() for line in left.lines} == {
        "k = 5": [[1, 3.0], [2, 2.0]],
        "k = 10": [[1, 4.0], [2, 1.0]],
    }
    low, high = left.collections[0].get_datalim(left.transData).intervaly
    assert (low, high) == (1.0, 4.0)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["k = 5", "k = 10"]
    assert left.get_yscale() == right.get_yscale() == "linear"


def test_panels_have_horizontal_axes_of_their_own_where_they_are_named() -> None:
    curves = {f"panel {reach}": {"k": [([0, reach], [2.0, 1.0])]} for reach in (1, 20, 300, 4, 5)}
    figure = draw_repeats(curves, "accuracy", xlabels=["a", "b", "c", "d", "e"])
    drawn = [axes for axes in figure.axes if axes.lines]
    assert [axes.get_xlabel() for axes in drawn] == ["a", "b", "c", "d", "e"]
    assert [round(axes.dataLim.x1) for axes in drawn] == [1, 20, 300, 4, 5]
    for axes, reach in zip(drawn, (1, 20, 300, 4, 5), strict=True):
        assert reach <= axes.get_xlim()[1] < 1.2 * reach
    assert [axes.get_ylabel() for axes in drawn] == ["accuracy", "", "", "accuracy", ""]
    assert len({axes.get_ylim() for axes in drawn}) == 1


def test_panels_share_the_axis_of_the_optimizer_step_otherwise() -> None:
    panels = {f"panel {reach}": {"k": [([0, reach], [2.0, 1.0])]} for reach in (1, 20, 300, 4, 5, 6)}
    figure = draw_repeats(panels, "error")
    assert len({axes.get_xlim() for axes in figure.axes}) == 1
    assert [axes.get_xlabel() for axes in figure.axes] == [""] * 3 + ["optimizer step"] * 3  # below the last row


@pytest.mark.parametrize(("last", "bottom"), [(0.5, 0.5), (1e-9, 1e-2)])
def test_a_loss_that_falls_to_nothing_leaves_three_decades(last: float, bottom: float) -> None:
    figure = draw_repeats({"linear": {"k": [([1, 2], [10.0, last])]}}, "error")
    assert figure.axes[0].get_yscale() == "log"
    assert figure.axes[0].get_ylim()[0] == pytest.approx(bottom / 1.5)
