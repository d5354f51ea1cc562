"""Attention over images: its panels, its one scale, and inputs that stay as they are."""

import io

import pytest
import torch

from figures import draw_attention, draw_rollout


def test_draw_attention_has_a_picture_for_each_layer_and_head() -> None:
    image, maps = torch.rand(1, 8, 8), torch.rand(2, 3, 4, 4)
    before = image.clone(), maps.clone(), torch.get_rng_state()
    figure = draw_attention(image, maps, "label elm, read as oak")
    figure.savefig(io.BytesIO())
    assert torch.equal(image, before[0]) and torch.equal(maps, before[1])
    assert torch.equal(torch.get_rng_state(), before[2])
    assert "label elm, read as oak" in figure.get_suptitle()
    assert len(figure.axes) == 1 + 2 * 3 + 1  # the image, the maps, the colour bar
    texts = [axes.get_title() for axes in figure.axes] + [axes.get_ylabel() for axes in figure.axes]
    expected = {"image", "head 1", "head 2", "head 3", "layer 1", "layer 2", "attention weight"}
    assert {text for text in texts if text} == expected
    for axes in figure.axes[1:7]:
        assert axes.images[0].get_clim() == pytest.approx((0, float(maps.max())))  # one scale for all


def test_draw_attention_takes_one_layer_with_one_head_and_colour_images() -> None:
    figure = draw_attention(torch.rand(3, 8, 8), torch.rand(1, 1, 2, 2), "a title")
    assert len(figure.axes) == 3


@pytest.mark.parametrize("num_images", [1, 4])
def test_draw_rollout_has_an_image_and_its_rollout_for_each_example(num_images: int) -> None:
    images, rollout = torch.rand(num_images, 1, 8, 8), torch.rand(num_images, 4, 4)
    titles = [f"label {number}, read as x" for number in range(num_images)]
    figure = draw_rollout(images, rollout, titles)
    assert len(figure.axes) == 2 * num_images + 1
    assert "rollout" in figure.get_suptitle().lower()
    assert [axes.get_title() for axes in figure.axes[:num_images]] == [title.replace(", ", "\n") for title in titles]
    assert figure.axes[-1].get_ylabel() == "attention weight"
