"""Crops of images and masks are at the same places, and every place occurs."""

import torch

from datamodules.random_crops import RandomCrops


def test_the_crop_of_a_mask_is_at_the_place_of_its_image_and_every_place_occurs() -> None:
    places = torch.arange(5 * 6, dtype=torch.uint8).view(5, 6)
    dataset = RandomCrops([places[None]], [places], crop_size=3, crops_per_image=200)
    torch.manual_seed(0)
    images, masks = dataset.__getitems__(range(len(dataset)))
    assert torch.equal((images[:, 0] * 255).round().byte(), masks)
    corners = {int(mask[0, 0]) for mask in masks}
    assert corners == {6 * row + column for row in range(3) for column in range(4)}
