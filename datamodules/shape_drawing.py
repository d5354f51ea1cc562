"""Anti-aliased plane shapes, drawn for a whole batch at once from signed distances."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

# N shapes, S side of an image in pixels. In the frame of a shape its radius is 1 and its angle 0.
Distance = Callable[[Tensor, Tensor], Tensor]


def _circle(x: Tensor, y: Tensor) -> Tensor:
    return torch.hypot(x, y) - 0.85


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    slope, half = math.sqrt(3) / 2, 0.5  # three half-planes at 120°
    return torch.maximum(slope * x.abs() - half * y, y) - 0.5


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.7


def _star(x: Tensor, y: Tensor) -> Tensor:
    """A pentagram: at most one of five half-planes is left, so that the second largest distance decides."""
    largest = second = torch.full((), -math.inf)
    for corner in range(5):
        angle = 2 * math.pi * corner / 5
        distance = x * math.cos(angle) + y * math.sin(angle)
        second = torch.maximum(second, torch.minimum(largest, distance))
        largest = torch.maximum(largest, distance)
    return second - math.cos(0.4 * math.pi)


def _cross(x: Tensor, y: Tensor) -> Tensor:
    x, y = x.abs(), y.abs()
    return torch.minimum(torch.maximum(x - 0.9, y - 0.3), torch.maximum(x - 0.3, y - 0.9))


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return (torch.hypot(x, y) - 0.7).abs() - 0.2


def _half_disc(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(x, y - 0.4) - 1.0, y - 0.4)


def _moon(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(torch.hypot(x, y) - 0.9, 0.75 - torch.hypot(x - 0.55, y))


SHAPES: dict[str, Distance] = {
    "circle": _circle,
    "triangle": _triangle,
    "square": _square,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
    "half-disc": _half_disc,
    "moon": _moon,
}


def draw_coverage(kinds: Tensor, centers: Tensor, radii: Tensor, angles: Tensor, image_size: int) -> Tensor:
    r"""The share of each pixel that a shape covers.

    With d the signed distance of the pixel's centre to the shape's edge, in pixels and negative inside, the share is
    ½ − d, cut to [0, 1]: what a straight edge through the pixel leaves, along the axes. A pixel belongs to the shape
    where its centre does, d < 0, which is a share above ½.

    Args:
        kinds: index of each shape in ``SHAPES``.
        centers: columns and rows of the centres, in pixels from the upper left corner of the image.
        radii: in pixels, > 0.
        angles: in radians.
        image_size: side S of the images, in pixels.

    Shapes:
        kinds (N,), centers (N, 2), radii (N,), angles (N,) -> (N, S, S)
    """
    middles = torch.arange(image_size) + 0.5
    coverage = torch.empty(len(kinds), image_size, image_size)
    for kind, distance in enumerate(SHAPES.values()):
        chosen = (kinds == kind).nonzero()[:, 0]
        radius = radii[chosen, None, None]
        cos, sin = angles[chosen, None, None].cos() / radius, angles[chosen, None, None].sin() / radius
        column = middles - centers[chosen, 0, None, None]  # (n, 1, S)
        row = middles[:, None] - centers[chosen, 1, None, None]  # (n, S, 1)
        edge = distance(column * cos + row * sin, row * cos - column * sin)  # (n, S, S)
        coverage[chosen] = edge.mul_(-radius).add_(0.5).clamp_(0, 1)
    return coverage
