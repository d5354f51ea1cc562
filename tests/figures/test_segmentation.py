"""Segmentation maps: the colours of classes, errors and void, scores, and what is refused."""

import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from torch import Tensor
from torch.testing import assert_close

from figures import draw_segmentation_maps
from figures.segmentation import COLORS, FALSE_NEGATIVE, FALSE_POSITIVE

VOID = 255
COLOR = torch.tensor([to_rgb(color) for color in COLORS])


def pixels(figure: Figure, row: int, column: int, size: tuple[int, int]) -> Tensor:
    """What a panel shows (H, W, 3), one pixel of each that were enlarged."""
    shown = torch.from_numpy(figure.axes[4 * row + column].images[0].get_array().data)
    scale = shown.shape[0] // size[0]
    return shown[::scale, ::scale]


def test_of_two_classes_false_positives_and_false_negatives_have_their_colours() -> None:
    mask, prediction = torch.tensor([[0, 0, VOID], [1, 1, VOID]]), torch.tensor([[0, 1, 0], [0, 1, 1]])
    figure = draw_segmentation_maps([torch.rand(3, 2, 3)], [mask.byte()], [prediction], ["ground", "disc"], VOID)
    assert [axes.get_title() for axes in figure.axes] == ["image", "truth", "prediction", "errors"]
    truth, predicted, errors = (pixels(figure, 0, column, (2, 3)) for column in (1, 2, 3))
    assert_close(truth[:, :2], COLOR[mask[:, :2]])
    assert_close(predicted, COLOR[prediction])
    assert_close(errors[0, 1], torch.tensor(to_rgb(FALSE_POSITIVE)))
    assert_close(errors[1, 0], torch.tensor(to_rgb(FALSE_NEGATIVE)))
    assert errors[0, 0].min() > 0.8 and errors[1, 1].min() > 0.8  # right
    for panel in (truth, errors):
        assert_close(panel[:, 2], panel[:, 2, :1].expand(2, 3))  # void is grey
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:3] == ["ground", "disc", "void"]
    assert labels[3:] == ["false positive: ground taken for disc", "false negative: disc taken for ground"]
    assert figure.axes[0].get_ylabel() == "mean IoU\n0.33\n\n50.0%\nwrong"


def test_of_more_classes_a_wrong_pixel_has_the_colour_of_the_predicted_one() -> None:
    mask, prediction = torch.tensor([[0, 2], [3, 3]]), torch.tensor([[2, 2], [3, 0]])
    figure = draw_segmentation_maps([torch.rand(1, 2, 2)], [mask], [prediction], list("abcde"), VOID)
    errors = pixels(figure, 0, 3, (2, 2))
    assert_close(errors[mask != prediction], COLOR[[2, 0]])
    assert errors[mask == prediction].min() > 0.8
    assert figure.axes[3].get_title() == "errors (predicted class)"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "c", "d"]  # those that are drawn


def test_rows_are_examples_of_unequal_sizes_and_channels() -> None:
    sizes = [(6, 9, 1), (30, 4, 3), (700, 8, 3)]
    images = [torch.rand(channels, height, width) for height, width, channels in sizes]
    masks = [torch.zeros(height, width, dtype=torch.long) for height, width, _ in sizes]
    figure = draw_segmentation_maps(images, masks, masks, ["ground", "disc"], VOID)
    assert len(figure.axes) == 12
    for row, (image, mask) in enumerate(zip(images, masks, strict=True)):
        assert_close(pixels(figure, row, 0, mask.shape), image.movedim(0, -1).expand(*mask.shape, 3))
        assert pixels(figure, row, 3, mask.shape).shape == (*mask.shape, 3)
        assert figure.axes[4 * row].get_ylabel() == "mean IoU\n1.00\n\n0.0%\nwrong"


def test_an_example_of_void_alone_has_no_score() -> None:
    mask = torch.full((4, 4), VOID)
    figure = draw_segmentation_maps([torch.rand(1, 4, 4)], [mask], [mask.clamp(max=1)], ["ground", "disc"], VOID)
    assert figure.axes[0].get_ylabel() == "all void"


def test_a_class_that_is_void_in_the_truth_may_be_predicted() -> None:
    mask, prediction = torch.tensor([[0, 2]]), torch.tensor([[2, 2]])
    figure = draw_segmentation_maps([torch.rand(1, 1, 2)], [mask], [prediction], ["ground", "disc", "edge"], 2)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["ground", "edge", "void"]
    assert figure.axes[0].get_ylabel() == "mean IoU\n0.00\n\n100.0%\nwrong"


def test_thirty_classes_have_thirty_colours() -> None:
    labels = torch.arange(30).view(5, 6)
    figure = draw_segmentation_maps([torch.rand(1, 5, 6)], [labels], [labels], [f"class {n}" for n in range(30)], VOID)
    assert len(pixels(figure, 0, 2, (5, 6)).flatten(0, 1).unique(dim=0)) == 30
    assert_close(pixels(figure, 0, 3, (5, 6)), torch.ones(5, 6, 3))  # right, and white among so many


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        (torch.zeros(2, 2).long(), r"example 0 must have one size, but they have \(3, 3\), \(3, 3\) and \(2, 2\)\."),
        (torch.full((3, 3), 2), r"example 0 holds the classes \[0, 2\] and there are 2 names: give class_names for"),
    ],
)
def test_what_cannot_be_drawn_is_refused(prediction: Tensor, message: str) -> None:
    mask = torch.zeros(3, 3, dtype=torch.uint8)
    with pytest.raises(ValueError, match=message):
        draw_segmentation_maps([torch.rand(1, 3, 3)], [mask], [prediction], ["ground", "disc"], VOID)
