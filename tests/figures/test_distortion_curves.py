"""Accuracy over the strength of distortions: read from metrics, and drawn in a panel each."""

import io

import pytest

from datamodules.shapes import RANGES
from figures import distortion_curves_of, draw_distortion_curves
from figures.distortion_curves import LABELS


def test_curves_are_of_the_newest_values_and_of_nothing_else() -> None:
    metrics = {
        "val/acc": ([1], [0.1]),
        "distorted_acc/pixel_dropout_0.5": ([4, 9], [0.2, 0.3]),
        "distorted_acc/pixel_dropout_0": ([4, 9], [0.8, 0.9]),
    }
    assert distortion_curves_of(metrics) == {"pixel_dropout": ([0.0, 0.5], [0.9, 0.3])}
    assert distortion_curves_of({"val/acc": ([1], [0.1])}) == {}


@pytest.mark.parametrize("number", [1, 2, 3, 4, 6])
def test_the_figure_has_a_panel_for_each_distortion_with_its_own_axis(number: int) -> None:
    assert set(LABELS) == set(RANGES)
    names = list(RANGES)[:number]
    panels = {name: {"max": [([0, 1 + place], [1.0, 0.5])]} for place, name in enumerate(names)}
    figure = draw_distortion_curves(panels)
    drawn = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_xlabel() for axes in drawn] == [LABELS[name] for name in names]
    assert [axes.lines[0].get_xydata().tolist() for axes in drawn] == [
        [[0, 1.0], [1 + place, 0.5]] for place in range(number)
    ]
    assert drawn[0].get_ylabel() == "accuracy"


def test_a_distortion_without_a_label_of_its_own_has_its_name() -> None:
    figure = draw_distortion_curves({"blur": {"max": [([0, 1], [1.0, 0.5])], "none": [([0, 1], [0.9, 0.6])]}})
    assert figure.axes[0].get_xlabel() == "blur"
    figure.savefig(io.BytesIO())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["max", "none"]
