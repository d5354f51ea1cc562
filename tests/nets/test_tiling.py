"""Tiles over large images: their places and weights by plain loops, and no seam between them."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nets import tiled_logits

SIZES = [(7, 7), (8, 20), (21, 8), (13, 30), (5, 4), (3, 17), (16, 16), (9, 25)]
TILES = [(8, 0), (8, 1), (8, 3), (8, 7), (1, 0), (5, 4), (30, 10)]


def random_images(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def places(height: int, width: int) -> Tensor:
    """An image (1, 2, H, W) whose pixels say where they are."""
    return torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"))[None].double()


def tiles_of(height: int, width: int, tile_size: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """Each tile's first row and column, and its height and width."""
    seen = []

    def look(tile: Tensor) -> Tensor:
        seen.append((*map(int, tile[0, :, 0, 0]), *tile.shape[-2:]))
        return tile

    tiled_logits(look, places(height, width), tile_size, overlap)
    return seen


def per_pixel(images: Tensor) -> Tensor:
    return torch.stack([images.sum(dim=1).sin(), 2 * images[:, 0] + 1, images[:, 1] * images[:, 0]], dim=1)


@pytest.mark.parametrize(("size", "tile"), list(itertools.product(SIZES, TILES)))
def test_a_network_that_sees_single_pixels_is_tiled_exactly(size: tuple[int, int], tile: tuple[int, int]) -> None:
    images = random_images(2, 2, *size)
    logits = tiled_logits(per_pixel, images, *tile)
    assert logits.shape == (2, 3, *size)
    assert_close(logits, per_pixel(images))


@pytest.mark.parametrize(("tile_size", "overlap"), TILES)
@pytest.mark.parametrize("length", [1, 5, 8, 9, 13, 16, 17, 31, 64])
def test_tiles_cover_a_side_evenly_with_as_few_as_can_be(length: int, tile_size: int, overlap: int) -> None:
    tiles = tiles_of(length, 3, tile_size, overlap)
    starts, size = sorted({first for first, *_ in tiles}), min(length, tile_size)
    assert {height for _, _, height, _ in tiles} == {size}
    assert starts[0] == 0 and starts[-1] == length - size
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    if gaps:
        assert max(gaps) <= tile_size - overlap and max(gaps) - min(gaps) <= 1
        assert (len(gaps) - 1) * (tile_size - overlap) < length - size  # one fewer would not reach the end
    assert tiles_of(3, length, tile_size, overlap) == [(b, a, w, h) for a, b, h, w in sorted(tiles, key=lambda t: t[1])]


@pytest.mark.parametrize(
    ("size", "tile"), [((11, 9), (5, 2)), ((7, 12), (4, 3)), ((4, 11), (6, 2)), ((11, 10), (8, 1))]
)
def test_the_blend_is_that_of_a_loop_over_tiles_and_pixels(size: tuple[int, int], tile: tuple[int, int]) -> None:
    answers = []

    def answer(images: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(len(answers))
        answers.append(torch.randn(2, 3, *images.shape[-2:], dtype=torch.float64, generator=generator))
        return answers[-1]

    blended = tiled_logits(answer, random_images(2, 1, *size), *tile)
    total, weights = torch.zeros(2, 3, *size, dtype=torch.float64), torch.zeros(size, dtype=torch.float64)
    for (top, left, height, width), part in zip(tiles_of(*size, *tile), answers, strict=True):
        for row in range(height):
            for column in range(width):
                weight = min(row + 1, height - row, tile[1] + 1) * min(column + 1, width - column, tile[1] + 1)
                total[..., top + row, left + column] += weight * part[..., row, column]
                weights[top + row, left + column] += weight
    assert len(answers) > 1
    assert_close(blended, total / weights)


@pytest.mark.parametrize("size", [(6, 6), (4, 6), (6, 3), (2, 5)])
def test_an_image_that_fits_in_a_tile_is_one_tile(size: tuple[int, int]) -> None:
    assert tiles_of(*size, 6, 2) == [(0, 0, *size)]
    images = random_images(2, 2, *size)
    assert_close(tiled_logits(lambda tile: tile.cumsum(dim=-1), images, 6, 2), images.cumsum(dim=-1))


@pytest.mark.parametrize("overlap", [1, 3, 7])
def test_a_seam_is_a_ramp_of_equal_steps_over_the_overlap(overlap: int) -> None:
    starts = iter(range(2))  # two tiles that say 0 and 1
    length = 2 * 16 - overlap
    logits = tiled_logits(lambda tile: torch.full_like(tile, next(starts)), places(length, 1)[:, :1], 16, overlap)
    steps = logits.flatten().diff()
    assert_close(steps[steps > 0], torch.full((overlap + 1,), 1 / (overlap + 1), dtype=torch.float64))


@pytest.mark.parametrize("length", range(17, 26))
def test_the_blend_of_two_tiles_rises_from_one_to_the_other(length: int) -> None:
    starts = iter(range(2))
    logits = tiled_logits(lambda tile: torch.full_like(tile, next(starts)), places(1, length)[:, :1], 16, 7)
    steps = logits.flatten().diff()
    assert logits[..., 0] == 0 and logits[..., -1] == 1 and (steps >= 0).all()
    assert_close(steps, steps.flip(0))  # neither tile is preferred


def test_gradients_reach_the_image_and_the_network() -> None:
    images, weight = random_images(1, 2, 9, 13).requires_grad_(), torch.tensor(3.0).double().requires_grad_()
    tiled_logits(lambda tile: weight * tile.square(), images, 5, 2).sum().backward()
    assert_close(images.grad, 6 * images.detach())
    assert_close(weight.grad, images.detach().square().sum())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_logits_of_low_precision_are_blended_without_overflow_or_loss(dtype: torch.dtype) -> None:
    def answer(tile: Tensor) -> Tensor:  # as under autocast: images of single precision, logits of low
        return torch.full((1, 1, *tile.shape[-2:]), 61.0, dtype=dtype)  # times a weight of 33² is 66,429

    logits = tiled_logits(answer, torch.zeros(1, 1, 150, 70), 80, 32)
    assert_close(logits.float(), torch.full((1, 1, 150, 70), 61.0), rtol=torch.finfo(dtype).eps, atol=0)


@pytest.mark.parametrize(("tile_size", "overlap"), [(0, 0), (8, 8), (8, -1), (-1, 0)])
def test_tiles_that_cannot_be_are_refused(tile_size: int, overlap: int) -> None:
    message = rf"tile_size must be at least 1 and overlap in \[0, tile_size\), but they are {tile_size} and {overlap}\."
    with pytest.raises(ValueError, match=message):
        tiled_logits(per_pixel, torch.zeros(1, 2, 9, 9), tile_size, overlap)
