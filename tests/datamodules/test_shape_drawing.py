"""Anti-aliased shapes: their areas in closed form, every pixel against plain geometry, and what turning does."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from datamodules.shape_drawing import SHAPES, draw_coverage

KINDS = list(SHAPES)
# Of a pentagram the five inner corners lie at cos 72° / cos 36° of the radius.
INNER = math.cos(0.4 * math.pi) / math.cos(0.2 * math.pi)


def lens(distance: float, first: float, second: float) -> float:
    """The area that two discs of these radii share."""
    area = 0.0
    for radius, other in [(first, second), (second, first)]:
        reach = (distance**2 + radius**2 - other**2) / (2 * distance)  # from its centre to the common chord
        area += radius**2 * math.acos(reach / radius) - reach * math.sqrt(radius**2 - reach**2)
    return area


AREAS = {
    "circle": math.pi * 0.85**2,
    "triangle": 3 * math.sqrt(3) / 4,
    "square": 1.4**2,
    "star": 5 * INNER * math.sin(0.2 * math.pi),
    "cross": 2 * 1.8 * 0.6 - 0.6**2,
    "ring": math.pi * (0.9**2 - 0.5**2),
    "half-disc": math.pi / 2,
    "moon": math.pi * 0.9**2 - lens(0.55, 0.9, 0.75),
}
CORNERS = {"circle": 0, "triangle": 3, "square": 4, "star": 10, "cross": 12, "ring": 0, "half-disc": 2, "moon": 2}
POLYGONS = {
    "triangle": [(0.0, -1.0), (math.sqrt(3) / 2, 0.5), (-math.sqrt(3) / 2, 0.5)],
    "star": [
        (size * math.cos(corner * math.pi / 5), size * math.sin(corner * math.pi / 5))
        for corner, size in enumerate([1.0, INNER] * 5)
    ],
}


def draw(kind: str, size: int, center: tuple[float, float], radius: float, angle: float = 0.0) -> Tensor:
    """One shape (S, S)."""
    return draw_coverage(*(torch.tensor([value]) for value in (KINDS.index(kind), center, radius, angle)), size)[0]


def is_inside(kind: str, x: float, y: float) -> bool:
    """Whether a point of the plane belongs to a shape of radius 1; y runs downwards."""
    if kind in POLYGONS:  # a ray to the right crosses an odd number of sides
        corners, crossed = POLYGONS[kind], False
        for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
                crossed = not crossed
        return crossed
    rules = {
        "circle": x**2 + y**2 < 0.85**2,
        "square": -0.7 < x < 0.7 and -0.7 < y < 0.7,
        "cross": (abs(x) < 0.9 and abs(y) < 0.3) or (abs(x) < 0.3 and abs(y) < 0.9),
        "ring": 0.5**2 < x**2 + y**2 < 0.9**2,
        "half-disc": y < 0.4 and x**2 + (y - 0.4) ** 2 < 1,
        "moon": x**2 + y**2 < 0.9**2 and (x - 0.55) ** 2 + y**2 > 0.75**2,
    }
    return rules[kind]


@pytest.mark.parametrize("angle", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_the_area_is_that_of_the_closed_form(kind: str, angle: float) -> None:
    assert set(AREAS) == set(KINDS)
    covered = draw(kind, 96, (48.3, 47.8), 40.0, angle)
    assert covered.sum().item() == pytest.approx(AREAS[kind] * 40**2, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pixel_belongs_to_the_shape_that_holds_its_centre(kind: str) -> None:
    for center, radius, angle in [((12.1, 11.7), 9.0, 0.0), ((9.3, 14.9), 6.7, 1.1), ((2.2, 21.4), 12.5, -2.7)]:
        mask = draw(kind, 24, center, radius, angle) > 0.5
        assert 0 < mask.sum() < mask.numel()
        for row in range(24):
            for column in range(24):
                right, down = (column + 0.5 - center[0]) / radius, (row + 0.5 - center[1]) / radius
                x = right * math.cos(angle) + down * math.sin(angle)
                y = down * math.cos(angle) - right * math.sin(angle)
                assert mask[row, column].item() == is_inside(kind, x, y), (row, column)


@pytest.mark.parametrize("kind", KINDS)
def test_a_quarter_turn_turns_the_picture_clockwise(kind: str) -> None:
    upright, turned = (draw(kind, 32, (16.0, 16.0), 13.0, 0.2 + angle) for angle in (0.0, math.pi / 2))
    assert_close(turned, upright.rot90(-1))
    assert torch.equal(turned > 0.5, upright.rot90(-1) > 0.5)


def test_a_shape_moves_by_whole_pixels_and_grows_with_its_radius() -> None:
    for kind in KINDS:
        here, there = (draw(kind, 40, center, 8.0, 0.7) for center in ((14.3, 12.6), (20.3, 23.6)))
        assert_close(there, here.roll((11, 6), (0, 1)))  # rows go down, columns to the right
        larger = draw(kind, 120, (3 * 14.3, 3 * 12.6), 24.0, 0.7)
        assert torch.equal(larger[1::3, 1::3] > 0.5, here > 0.5)  # the middle one of 3×3 pixels


@pytest.mark.parametrize("angle", [0.0, 0.4, 0.8])
@pytest.mark.parametrize("kind", KINDS)
def test_coverage_is_nearly_the_share_of_finer_pixels_inside(kind: str, angle: float) -> None:
    finer = draw(kind, 32 * 16, (16.3 * 16, 15.8 * 16), 12.0 * 16, angle) > 0.5
    share = finer.float().view(32, 16, 32, 16).mean(dim=(1, 3))
    coverage = draw(kind, 32, (16.3, 15.8), 12.0, angle)
    errors, cut = (coverage - share).abs(), (share > 0) & (share < 1)
    assert errors[cut].mean() < 0.04
    # Of straight edges the worst goes at 45° through a pixel's corner, ((√2 − 1)/2)² = 0.043; more is wrong at corners.
    assert (errors > 0.05).sum() <= 2 * CORNERS[kind]


def test_an_upright_square_covers_exact_shares_but_for_its_corners() -> None:
    coverage = draw("square", 20, (10.3, 9.6), 10.0)  # its sides are at 3.3, 17.3, 2.6 and 16.6
    shares = [
        torch.tensor([max(0.0, min(end, pixel + 1) - max(start, pixel)) for pixel in range(20)])
        for start, end in ((2.6, 16.6), (3.3, 17.3))
    ]
    expected = torch.outer(*shares)
    corners = [(row, column) for row in (2, 16) for column in (3, 17)]
    for row, column in corners:
        coverage[row, column] = expected[row, column]
    assert_close(coverage, expected)


def test_many_shapes_at_once_are_each_of_them_alone() -> None:
    generator = torch.Generator().manual_seed(0)
    kinds = torch.randint(len(KINDS), (30,), generator=generator)
    centers, angles = 16 * torch.rand(30, 2, generator=generator), torch.randn(30, generator=generator)
    radii = 2 + 6 * torch.rand(30, generator=generator)
    together = draw_coverage(kinds, centers, radii, angles, 16)
    assert together.shape == (30, 16, 16) and together.dtype == torch.float32
    assert together.min() == 0 and together.max() == 1
    for number in range(30):
        one = slice(number, number + 1)
        alone = draw_coverage(kinds[one], centers[one], radii[one], angles[one], 16)
        assert_close(together[one], alone)
