"""Training crops of images and their masks."""

from collections.abc import Sequence

import torch
from torch import Tensor

from datamodules.image_pairs import ImagePairs


class RandomCrops(ImagePairs):
    """Squares at random places of images, drawn anew each time from torch's global generator.

    Args:
        images: (I, H, W) of type uint8 each.
        masks: (H, W) of type uint8 each.
        crop_size: side S in pixels, ≥ 1 and at most that of an image; None for whole images.
        crops_per_image: crops of each image in an epoch, ≥ 1.

    Shapes:
        an item: image (I, S, S) of values in [0, 1], mask (S, S); a batch: images (B, I, S, S), masks (B, S, S)
    """

    def __init__(
        self, images: Sequence[Tensor], masks: Sequence[Tensor], crop_size: int | None, crops_per_image: int
    ) -> None:
        super().__init__(images, masks)
        self.crop_size, self.crops_per_image = crop_size, crops_per_image

    def __len__(self) -> int:
        return super().__len__() * self.crops_per_image

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, mask = super().__getitem__(index // self.crops_per_image)
        if self.crop_size is None:
            return image, mask
        top, left = (int(torch.randint(side - self.crop_size + 1, ())) for side in mask.shape)
        rows, columns = slice(top, top + self.crop_size), slice(left, left + self.crop_size)
        return image[:, rows, columns], mask[rows, columns]
