"""The figure of superposition: a matrix for each column, and a point for each replica."""

import math

import torch
from torch.testing import assert_close

from figures import draw_superposition

PENTAGON = torch.stack([torch.tensor([math.cos(x), math.sin(x)]) for x in 2 * math.pi * torch.arange(5) / 5], dim=1)
KEPT = {
    "dense": [(2, 0.0, 0.0, 0.0)],
    "sparse": [(5, 0.81, 0.31, 0.61), (2, 1.0, 0.0, 0.0)],
    "none": [(0, 0.0, 0.0, 0.0)],
}


def test_a_drawing_has_a_matrix_a_column_and_points_for_each_replica_below() -> None:
    weights = {"dense": [torch.eye(2)], "sparse": [PENTAGON, torch.rand(2, 4)], "none": [torch.zeros(2, 3)]}
    figure = draw_superposition(weights, KEPT)
    matrices = [axes for axes in figure.axes if axes.images]
    assert [axes.get_title() for axes in matrices] == ["dense", "sparse", "none"]
    for axes, (weight, *_) in zip(matrices, weights.values(), strict=True):
        assert_close(torch.from_numpy(axes.images[0].get_array().data), weight.T @ weight)
    left, right = figure.axes[-2:]
    assert left.get_ylabel() == "features kept"
    counts = [(line.get_xdata()[0], line.get_ydata()[0]) for line in left.lines if line.get_marker() == "o"]
    assert counts == [(0, 2), (1, 5), (1, 2), (2, 0)]
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["K = 2 dimensions"]
    assert left.lines[-1].get_ydata()[0] == 2
    for marker, place in (("o", 1), ("^", 2), ("_", 3)):
        expected = [values[place] for replicas in KEPT.values() for values in replicas]
        assert [line.get_ydata()[0] for line in right.lines if line.get_marker() == marker] == expected
    labels = [text.get_text() for text in right.get_legend().get_texts()]
    assert labels == ["largest |cos|", "largest cos", "Welch bound of |cos|"]
    assert [text.get_text() for text in right.get_xticklabels()] == ["dense", "sparse", "none"]


def test_matrices_of_which_it_is_not_known_what_they_keep_are_drawn_without_points() -> None:
    _, right = draw_superposition({"dense": [torch.eye(2)]}, {"dense": []}).axes[-2:]
    assert right.get_legend() is None and not right.lines
