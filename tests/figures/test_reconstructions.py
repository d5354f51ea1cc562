"""Originals beside reconstructions, and codes in the plane of their principal components."""

import pytest
import torch
from torch.testing import assert_close

from figures import draw_codes, draw_reconstruction_grid, draw_reconstructions


def test_a_drawing_of_images_has_a_row_a_kind_and_a_column_a_sample() -> None:
    rows = {name: torch.rand(3, 6) for name in ("original", "corrupted", "reconstruction")}
    figure = draw_reconstructions(rows, (2, 3), "val")
    assert len(figure.axes) == 9 and "val" in figure.get_suptitle()
    for line, (name, images) in enumerate(rows.items()):
        axes = figure.axes[3 * line : 3 * line + 3]
        assert [one.get_ylabel() for one in axes] == [name, "", ""]
        for one, image in zip(axes, images, strict=True):
            assert_close(torch.from_numpy(one.images[0].get_array().data), image.view(2, 3))


def test_a_drawing_of_vectors_shows_up_to_four_samples_and_every_kind_there_is() -> None:
    rows = {name: torch.rand(6, 5) for name in ("original", "corrupted", "reconstruction")}
    figure = draw_reconstructions(rows, None, "test")
    assert len(figure.axes) == 4
    for number, axes in enumerate(figure.axes):
        shown = {line.get_label(): line for line in axes.lines}
        for name in ("corrupted", "reconstruction"):  # over the original
            assert_close(torch.as_tensor(shown[name].get_xdata()), rows["original"][number])
            assert_close(torch.as_tensor(shown[name].get_ydata()), rows[name][number])
    one = {name: rows[name][:1] for name in ("original", "reconstruction")}
    (axes,) = draw_reconstructions(one, None, "test").axes
    assert "corrupted" not in {line.get_label() for line in axes.lines}


def test_a_grid_of_reconstructions_has_a_block_a_kind_of_training() -> None:
    rows = {name: torch.rand(2, 6) for name in ("original", "k = 5", "corrupted", "k = 9")}
    clean = {name: rows[name] for name in ("original", "k = 5", "k = 9")}
    figure = draw_reconstruction_grid({"vanilla": clean, "masked": rows}, (2, 3))
    left = figure.axes[::2]
    assert [axes.get_ylabel() for axes in left] == ["original", "corrupted", "k = 5", "k = 9"]
    assert [axes.get_title() for axes in figure.axes[:2]] == ["vanilla", "masked"]
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 0, 1, 1, 1, 1, 1]
    strip = torch.cat([image.view(2, 3) for image in rows["k = 9"]], dim=1)
    assert_close(torch.from_numpy(figure.axes[-1].images[0].get_array().data), strip)


@pytest.mark.parametrize("names", [None, ("ash", "elm", "oak")])
def test_codes_are_drawn_along_their_principal_components_by_class(names: tuple[str, ...] | None) -> None:
    plane = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    directions, _ = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)))
    axes = draw_codes(plane @ directions[:2] + 5, torch.tensor([2, 2, 0, 0]), names, "val").axes[0]
    points = [torch.as_tensor(group.get_offsets().data).float() for group in axes.collections]
    assert_close(points[0].abs(), plane[2:].abs(), atol=1e-4, rtol=0)
    assert_close(points[1].abs(), plane[:2].abs(), atol=1e-4, rtol=0)
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == (["ash", "oak"] if names else ["0", "2"])
    assert axes.get_title() == "val: codes of 4 numbers, 100% of their variance shown"


def test_codes_without_labels_are_drawn_in_one_colour_with_the_share_of_their_variance() -> None:
    axes = draw_codes(torch.eye(4)[:, :3], None, None, "test").axes[0]  # of the variances 1, 1 and 1/4
    assert len(axes.collections) == 1 and axes.get_legend() is None
    assert axes.get_title() == "test: codes of 3 numbers, 89% of their variance shown"
