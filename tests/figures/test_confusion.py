"""Confusion matrices and wrong examples: every count, name and colour."""

import io

import pytest
import torch
from matplotlib.colors import to_hex

from figures import draw_confusion_matrix, draw_wrong_examples


def test_draws_wrong_examples_of_low_precision() -> None:
    figure = draw_wrong_examples([(0.9, 1, 2, torch.rand(1, 8, 8).bfloat16())], ["ash", "elm", "oak"], "test")
    assert figure.axes[0].get_title() == "is oak\nread elm (90%)"


def test_confusion_matrix_says_each_count_and_the_accuracy() -> None:
    counts = torch.tensor([[5, 1, 0], [0, 3, 0], [2, 0, 4]])
    before = counts.clone()
    figure = draw_confusion_matrix(counts, ["ash", "elm", "oak"], "test")
    figure.savefig(io.BytesIO())
    assert torch.equal(counts, before)
    (axes,) = figure.axes
    assert axes.get_title() == "test: 12 of 15 right (80.00%)"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ash", "elm", "oak"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["ash", "elm", "oak"]
    texts = {text.get_position(): (text.get_text(), text.get_fontweight()) for text in axes.texts}
    assert texts == {  # (column, row)
        (0, 0): ("5", "bold"),
        (1, 0): ("1", "normal"),
        (1, 1): ("3", "bold"),
        (0, 2): ("2", "normal"),
        (2, 2): ("4", "bold"),
    }
    pixels = axes.images[0].to_rgba(axes.images[0].get_array())
    assert to_hex(pixels[0, 0]) == to_hex(pixels[1, 1]) == to_hex(pixels[0, 2])  # what is right is left white
    assert to_hex(pixels[0, 1]) != to_hex(pixels[0, 0]) != to_hex(pixels[2, 0])


def test_confusion_matrix_without_mistakes_and_with_an_absent_class() -> None:
    figure = draw_confusion_matrix(torch.diag(torch.tensor([3, 0, 2])), ["0", "1", "2"], "val")
    assert figure.axes[0].get_title() == "val: 5 of 5 right (100.00%)"


@pytest.mark.parametrize(("num_wrong", "num_axes"), [(1, 1), (8, 8), (9, 16)])
def test_wrong_examples_say_what_they_are_and_what_they_were_taken_for(num_wrong: int, num_axes: int) -> None:
    wrong = [(0.9 - n / 100, 1, 2, torch.rand(1, 8, 8)) for n in range(num_wrong)]
    figure = draw_wrong_examples(wrong, ["ash", "elm", "oak"], "test")
    figure.savefig(io.BytesIO())
    assert figure.get_suptitle() == "test: most confidently wrong"
    assert len(figure.axes) == num_axes
    titles = [axes.get_title() for axes in figure.axes if axes.images]
    assert titles == [f"is oak\nread elm ({90 - n}%)" for n in range(num_wrong)]
