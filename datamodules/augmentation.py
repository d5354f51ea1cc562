"""Random distortions of a batch of images, one draw an image."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RandomAffine(nn.Module):
    """Rotate, scale and shift each image of a batch by its own random amount; what comes in from outside is 0.

    torchvision's transform of the same name distorts a whole batch by one draw; one call an image would cost more
    than the network.

    Args:
        degrees: largest rotation either way, in degrees, ≥ 0.
        translate: largest shift either way along each axis, as a fraction of the side, in [0, 1].
        scale: largest relative change of size either way, in [0, 1).

    Shapes:
        images (B, I, S, S) -> (B, I, S, S)

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(self, degrees: float = 0.0, translate: float = 0.0, scale: float = 0.0) -> None:
        super().__init__()
        if degrees < 0 or not 0 <= translate <= 1 or not 0 <= scale < 1:
            raise ValueError(
                f"degrees must be ≥ 0, translate in [0, 1] and scale in [0, 1), "
                f"but they are {degrees}, {translate} and {scale}."
            )
        self.degrees, self.translate, self.scale = degrees, translate, scale

    def forward(self, images: Tensor) -> Tensor:
        angle, zoom, shift_x, shift_y = 2 * torch.rand(4, len(images), device=images.device) - 1  # each (B,)
        angle, zoom = angle * math.radians(self.degrees), 1 + zoom * self.scale
        cos, sin = angle.cos() / zoom, angle.sin() / zoom
        # grid_sample's coordinates run from −1 to 1: a shift by the whole side is 2.
        rows = [cos, -sin, 2 * self.translate * shift_x, sin, cos, 2 * self.translate * shift_y]
        theta = torch.stack(rows, dim=-1).view(-1, 2, 3).to(images.dtype)  # (B, 2, 3)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, align_corners=False)
