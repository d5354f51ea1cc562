"""Learned and constructed position scores, and the outputs of both layers."""

import pytest
import torch

from figures import draw_relative_positions


def test_a_drawing_shows_scores_from_the_highest_and_both_predictions_beside_the_target() -> None:
    learned, constructed = torch.tensor([1.0, 3.0, 2.0]), torch.tensor([-torch.inf, -torch.inf, 0.0, -20.0, -1.0])
    targets, predictions = torch.tensor([1.0, 2.0]), [torch.arange(4.0), torch.arange(4.0, 8.0)]
    figure = draw_relative_positions(learned, constructed, ["first", "second"], targets, predictions, "max-pool")
    left, right = figure.axes
    tops = [[bar.get_y() + bar.get_height() for bar in container] for container in left.containers]
    assert tops == [pytest.approx([-2, 0, -1]), pytest.approx([-14, -14, 0, -14, -1])]
    middles = [[round(bar.get_x() + bar.get_width() / 2) for bar in container] for container in left.containers]
    assert middles == [[-1, 0, 1], [-2, -1, 0, 1, 2]]
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["learned: first", "constructed: second"]
    assert [line.get_label() for line in right.lines] == ["target", "learned", "constructed"]
    assert [list(line.get_xdata()) for line in right.lines] == [[1, 2]] * 3  # the targets are the central positions
    assert [list(line.get_ydata()) for line in right.lines] == [[1, 2], [1, 2], [5, 6]]
    assert "max-pool" in figure.get_suptitle()
