"""How nodes are drawn in a plane: every edge, colour, shape, number and mistake."""

import pytest
import torch
from matplotlib import colors
from matplotlib.collections import LineCollection
from torch.testing import assert_close

from figures.node_embeddings import WRONG, class_colors, draw_node_embeddings

PAIRS = torch.tensor([[0, 1, 2, 3, 4, 5, 0, 1], [1, 2, 3, 4, 5, 0, 3, 4]])
EDGES = torch.cat([PAIRS, PAIRS.flip(0)], dim=1)
LABELS = torch.tensor([0, 0, 1, 1, 2, 2])
TRAIN = torch.tensor([True, False, True, False, True, False])
MARKS = (("north", "south"), torch.tensor([0, 1, 0, 1, 0, 1]))


def test_a_drawing_has_every_edge_once_and_every_node_with_its_number_colour_shape_and_mistake() -> None:
    points, predicted = torch.rand(6, 2), torch.tensor([0, 0, 1, 2, 2, 0])
    loops = torch.cat([EDGES, torch.tensor([[2], [2]])], dim=1)
    figure = draw_node_embeddings(
        points, loops, LABELS, predicted, "a title", class_names=("ash", "elm", "oak"), train_mask=TRAIN, marks=MARKS
    )
    axes = figure.axes[0]
    assert axes.get_title() == "a title: 2 of 6 nodes wrong"
    lines, *nodes, rings = axes.collections
    drawn = {tuple(map(tuple, torch.as_tensor(segment).tolist())) for segment in lines.get_segments()}
    expected = {
        tuple(map(tuple, points[list(pair)].tolist())) for pair in (*PAIRS.sort(dim=0).values.T.tolist(), [2, 2])
    }
    assert len(lines.get_segments()) == 9 and drawn == expected
    assert [int(text.get_text()) for text in axes.texts] == [1, 3, 5, 0, 2, 4]  # the labelled ones on top
    for node, text in zip(nodes, axes.texts, strict=True):
        number = int(text.get_text())
        assert_close(torch.as_tensor(node.get_offsets().data).float(), points[number : number + 1])
        assert colors.same_color(node.get_facecolor()[0], class_colors(3)[LABELS[number]])
        assert colors.same_color(node.get_edgecolor()[0], "black" if TRAIN[number] else "white")
        assert len(node.get_paths()[0]) == (5 if MARKS[1][number] else 26)  # a square, a circle
        assert node.get_zorder() == text.get_zorder()  # covers the numbers behind it
    assert_close(torch.as_tensor(rings.get_offsets().data).float(), points[[3, 5]])
    assert colors.same_color(rings.get_edgecolor()[0], WRONG) and rings.get_facecolor().shape == (0, 4)
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["ash", "elm", "oak", "north", "south", "labelled in training", "wrong"]


def test_a_drawing_needs_no_predictions_names_or_marks_and_keeps_to_its_limits() -> None:
    axes = draw_node_embeddings(torch.rand(6, 2), EDGES, LABELS, None, "bare", limits=((-1, 2), (-3, 4))).axes[0]
    assert axes.get_title() == "bare" and (axes.get_xlim(), axes.get_ylim()) == ((-1, 2), (-3, 4))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["class 0", "class 1", "class 2"]


@pytest.mark.parametrize(
    ("count", "numbers", "edges"), [(50, 50, True), (51, 0, True), (500, 0, True), (501, 0, False)]
)
def test_numbers_are_written_in_few_nodes_and_edges_drawn_between_not_too_many(
    count: int, numbers: int, edges: bool
) -> None:
    labels = torch.arange(count) % 12  # more classes than there are colours by name
    axes = draw_node_embeddings(torch.rand(count, 2), EDGES, labels, labels, "some", train_mask=labels == 0).axes[0]
    assert len(axes.texts) == numbers
    assert any(isinstance(drawn, LineCollection) for drawn in axes.collections) == edges
    drawn = [len(part.get_offsets()) for part in axes.collections if not isinstance(part, LineCollection)]
    assert sum(drawn) == count


@pytest.mark.parametrize("num_classes", [2, 10, 11, 40])
def test_every_class_has_its_own_colour_and_none_is_that_of_a_mistake(num_classes: int) -> None:
    chosen = {colors.to_rgba(color) for color in class_colors(num_classes)}
    assert len(chosen) == num_classes and not {colors.to_rgba(WRONG), colors.to_rgba("C3")} & chosen
