"""RandomAffine against shifts, turns and zooms made by hand."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from datamodules import RandomAffine


@pytest.fixture
def largest_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every random amount is the largest one allowed."""
    monkeypatch.setattr(torch, "rand", lambda *size, **kwargs: torch.ones(*size, **kwargs))


def random_images(size: int = 8) -> Tensor:
    return torch.empty(2, 3, size, size).uniform_(generator=torch.Generator().manual_seed(0))


def test_zero_arguments_are_the_identity() -> None:
    images = random_images()
    assert_close(RandomAffine()(images), images, atol=1e-5, rtol=0)


def test_a_shift_moves_whole_pixels_and_brings_zeros_in(largest_draw: None) -> None:
    images = random_images()
    expected = torch.zeros_like(images)
    expected[..., :6, :6] = images[..., 2:, 2:]
    assert_close(RandomAffine(translate=0.25)(images), expected, atol=1e-5, rtol=0)  # a quarter of 8 pixels


@pytest.mark.parametrize("size", [4, 5])
def test_a_turn_by_a_right_angle(largest_draw: None, size: int) -> None:
    images = random_images(size)
    assert_close(RandomAffine(degrees=90)(images), torch.rot90(images, 1, (2, 3)), atol=1e-5, rtol=0)


def naive_affine(image: Tensor, angle: float, zoom: float, shift: float) -> Tensor:
    """Pixel by pixel: where it comes from, and the four neighbours of that place; zero outside."""
    size, centre = image.shape[-1], (image.shape[-1] - 1) / 2
    result = torch.zeros_like(image)
    for row in range(size):
        for column in range(size):
            x, y = (column - centre) / zoom, (row - centre) / zoom
            source_x = centre + math.cos(angle) * x - math.sin(angle) * y + shift * size
            source_y = centre + math.sin(angle) * x + math.cos(angle) * y + shift * size
            for near_y in (math.floor(source_y), math.floor(source_y) + 1):
                for near_x in (math.floor(source_x), math.floor(source_x) + 1):
                    if 0 <= near_x < size and 0 <= near_y < size:
                        share = (1 - abs(source_x - near_x)) * (1 - abs(source_y - near_y))
                        result[:, row, column] += share * image[:, near_y, near_x]
    return result


def test_turn_zoom_and_shift_together_equal_a_loop_over_pixels(largest_draw: None) -> None:
    images = random_images()
    expected = torch.stack([naive_affine(image, math.radians(30), 1.4, 0.15) for image in images])
    assert_close(RandomAffine(degrees=30, scale=0.4, translate=0.15)(images), expected, atol=1e-5, rtol=0)


def test_a_zoom_enlarges_the_centre(largest_draw: None) -> None:
    images = torch.zeros(1, 1, 9, 9)
    images[..., 3:6, 3:6] = 1
    assert RandomAffine(scale=0.5)(images).sum() > images.sum()


def test_turning_back_gives_the_image_back(largest_draw: None) -> None:
    images = random_images()
    turn = RandomAffine(degrees=90)
    assert_close(turn(turn(turn(turn(images)))), images, atol=1e-4, rtol=0)


def test_each_image_has_its_own_draw() -> None:
    torch.manual_seed(0)
    images = random_images()[:1].repeat(5, 1, 1, 1)
    distorted = RandomAffine(degrees=20, translate=0.2, scale=0.2)(images)
    assert distorted.shape == images.shape and distorted.dtype == images.dtype
    for first in range(5):
        for second in range(first):
            assert (distorted[first] - distorted[second]).abs().max() > 0.01


def test_amounts_stay_within_their_range() -> None:
    torch.manual_seed(0)
    images = torch.zeros(200, 1, 16, 16)
    images[..., 8, 8] = 1
    shifted = RandomAffine(translate=0.25)(images)[:, 0]  # at most 4 pixels either way
    assert (shifted[:, :4].sum(), shifted[:, 13:].sum()) == (0, 0)
    assert shifted.sum(dim=(0, 2))[[4, 12]].min() > 0  # and the ends of the range are reached
    assert shifted.sum(dim=(0, 1))[[4, 12]].min() > 0


def test_draws_follow_the_global_seed() -> None:
    images, distort = random_images(), RandomAffine(10, 0.1, 0.1)
    torch.manual_seed(1)
    first = distort(images)
    torch.manual_seed(1)
    assert torch.equal(distort(images), first)
    assert not torch.equal(distort(images), first)


def test_keeps_the_dtype() -> None:
    images = random_images().double()
    assert_close(RandomAffine()(images), images, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ({"degrees": -1.0}, "-1.0, 0.0 and 0.0"),
        ({"translate": 1.5}, "0.0, 1.5 and 0.0"),
        ({"translate": -0.1}, "0.0, -0.1 and 0.0"),
        ({"scale": 1.0}, "0.0, 0.0 and 1.0"),
        ({"scale": -0.1}, "0.0, 0.0 and -0.1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict[str, float], values: str) -> None:
    with pytest.raises(ValueError, match=rf"degrees must be ≥ 0, .*, but they are {values}"):
        RandomAffine(**arguments)
