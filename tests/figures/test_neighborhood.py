"""A node and its neighbours: panels, widths, colours."""

import math

import pytest
import torch
from matplotlib import colors
from torch import Tensor

from figures.neighborhood import WIDEST, draw_neighborhood
from figures.node_embeddings import class_colors

# A star around node 0 and a triangle at its tip; node 6 is alone.
PAIRS = torch.tensor([[0, 0, 0, 0, 4, 3], [1, 2, 3, 4, 5, 4]])
WITH_LOOPS = torch.cat([PAIRS, PAIRS.flip(0), torch.arange(7).expand(2, 7)], dim=1)
LABELS = torch.tensor([0, 1, 1, 2, 2, 0, 1])


def random_attention(heads: int) -> Tensor:
    """Weights that sum to 1 over the edges into each node."""
    weights = torch.rand(WITH_LOOPS.shape[1], heads, generator=torch.Generator().manual_seed(0)) + 0.1
    sums = torch.zeros(7, heads).index_add(0, WITH_LOOPS[1], weights)
    return weights / sums[WITH_LOOPS[1]]


@pytest.mark.parametrize(("heads", "panels", "places"), [(1, 1, 1), (4, 5, 6), (12, 9, 9)])
def test_a_neighborhood_has_a_panel_a_head_up_to_eight_and_their_mean(heads: int, panels: int, places: int) -> None:
    figure = draw_neighborhood(0, WITH_LOOPS, random_attention(heads), LABELS, class_names=("ash", "elm", "oak"))
    titles = [axes.get_title() for axes in figure.axes]
    assert len(titles) == places and len([title for title in titles if title]) == panels
    assert titles[0].startswith("head 1: ") and ("mean of the heads: " in "".join(titles)) == (heads > 1)
    assert "node 0" in figure.get_suptitle() and "uniform attention: 20.0% each" in figure.get_suptitle()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ash", "elm", "oak"]


def test_the_edges_of_a_neighborhood_are_as_wide_as_their_attention() -> None:
    alpha = random_attention(heads=2)
    figure = draw_neighborhood(0, WITH_LOOPS, alpha, LABELS)
    of_node = {source: row for (source, target), row in zip(WITH_LOOPS.T.tolist(), alpha, strict=True) if target == 0}
    for axes, weights in zip(figure.axes, (lambda row: row[0], lambda row: row[1], torch.mean), strict=False):
        numbers = [int(text.get_text()) for text in axes.texts]
        assert sorted(numbers[:-1]) == [1, 2, 3, 4] and numbers[-1] == 0  # which lies in the middle
        spokes, neighbours, ring, gap, _ = axes.collections
        expected = [WIDEST * weights(of_node[number]).item() for number in numbers[:-1]]
        assert list(spokes.get_linewidth()) == pytest.approx(expected)
        hues = [class_colors(3)[LABELS[number]] for number in numbers[:-1]]
        assert colors.same_color(neighbours.get_facecolor(), colors.to_rgba_array(hues))
        diameters = [math.sqrt(disc.get_sizes()[0]) for disc in (ring, gap)]
        assert (diameters[0] - diameters[1]) / 2 == pytest.approx(WIDEST * weights(of_node[0]).item())


def test_a_node_without_neighbours_is_drawn_alone() -> None:
    (axes,) = draw_neighborhood(6, WITH_LOOPS, random_attention(heads=1), LABELS).axes
    assert axes.get_title() == "head 1: 100.0% to 100.0%" and [text.get_text() for text in axes.texts] == ["6"]
