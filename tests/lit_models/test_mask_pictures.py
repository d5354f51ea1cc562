"""Predicted masks have the values of the data's own, can be looked at, and are read again as labels."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import write_membrane, write_pets
from lightning.pytorch import LightningDataModule
from PIL import Image
from torch import nn
from torch.nn import functional as F

from datamodules import MembraneDataModule, OxfordPetDataModule, ShapesDataModule
from datamodules.image_pairs import read_pairs
from lab.evaluation.predictions import PredictionsFile
from lit_models import LitSegmenter
from lit_models.mask_pictures import class_colors, draw_overlays, mask_palette, to_mask, values_of_classes


def predicted_masks(make_trainer: Callable, data: LightningDataModule, channels: int) -> tuple[list[Path], np.ndarray]:
    """The files of the predicted masks, and the first of them as classes."""
    task = LitSegmenter(nn.Conv2d(channels, data.num_classes, 1), num_classes=data.num_classes)
    with torch.no_grad():  # dark pixels are of the first class, bright ones of the last
        task.net.weight.copy_(torch.arange(data.num_classes).view(-1, 1, 1, 1) / channels)
        task.net.bias.copy_(-(torch.arange(data.num_classes) ** 2) / (2 * data.num_classes))
    trainer = make_trainer(callbacks=[PredictionsFile()])
    trainer.predict(task, datamodule=data)
    images = data.datasets["test"].tensors[0]
    with torch.no_grad():
        first = task.segment(images[0][None].float() / (255 if images[0].dtype == torch.uint8 else 1)).argmax(dim=1)[0]
    return sorted((Path(trainer.logger.log_dir) / "predictions").glob("mask_*.png")), first.numpy()


def test_masks_of_membranes_are_black_and_white_and_read_again(tmp_path: Path, make_trainer: Callable) -> None:
    write_membrane(tmp_path, size=16)
    data = MembraneDataModule(root=str(tmp_path), crop_size=None)
    assert data.mask_values == (0, 255)
    files, classes = predicted_masks(make_trainer, data, 1)
    with Image.open(files[0]) as picture:
        assert picture.mode == "L" and set(np.unique(picture)) == {0, 255}
    assert np.array_equal(read_pairs([(files[0], files[0])], "L", data.classes)[1][0], classes)


@pytest.mark.parametrize(("border", "values"), [("void", (2, 1)), ("class", (2, 1, 3))])
def test_masks_of_pets_are_trimaps_in_colours_and_read_again(
    tmp_path: Path, make_trainer: Callable, border: str, values: tuple[int, ...]
) -> None:
    write_pets(tmp_path, size=20)
    data = OxfordPetDataModule(root=str(tmp_path), border=border, image_size=16)
    assert data.mask_values == values
    files, classes = predicted_masks(make_trainer, data, 3)
    with Image.open(files[0]) as picture:
        assert picture.mode == "P" and set(np.unique(picture)) <= {*values}
        assert {tuple(color) for color in np.reshape(picture.convert("RGB"), (-1, 3)).tolist()} <= {*class_colors(3)}
    assert np.array_equal(read_pairs([(files[0], files[0])], "RGB", data.classes)[1][0], classes)


def test_masks_without_files_are_classes_in_colours(make_trainer: Callable) -> None:
    data = ShapesDataModule(task="segment", num_classes=4, image_size=12, num_train=1, num_eval=2)
    files, classes = predicted_masks(make_trainer, data, 1)
    with Image.open(files[0]) as picture:
        assert np.array_equal(picture, classes)
        assert np.array_equal(picture.convert("RGB"), np.array(class_colors(4), np.uint8)[classes])


def test_a_class_without_a_value_gets_a_free_one() -> None:
    assert values_of_classes(3) == [0, 1, 2]
    assert values_of_classes(4, (2, 1)) == [2, 1, 0, 3]
    assert values_of_classes(2, (0, 128, 255)) == [0, 128]


def test_more_classes_than_a_byte_holds_get_16_bits() -> None:
    classes = torch.tensor([[[0, 255], [256, 299]]])
    mask = to_mask(classes, values_of_classes(300))
    assert mask.dtype == torch.uint16 and torch.equal(mask.long(), classes)
    assert mask_palette(range(300)) is None and len(mask_palette(range(256))) == 768


def test_a_palette_is_there_where_grey_levels_would_look_alike() -> None:
    assert mask_palette((0, 255)) is None and mask_palette((0, 128, 255)) is None
    assert mask_palette((2, 1))[:12] == [0, 0, 0, 128, 0, 0, 0, 0, 0, 3, 3, 3]


def test_colours_are_those_of_pascal_voc_and_distinct() -> None:
    assert class_colors(256)[:5] == [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128)]
    assert class_colors(256)[20:22] == [(0, 64, 128), (128, 64, 128)] and len({*class_colors(256)}) == 256


@pytest.mark.parametrize("channels", [1, 3])
def test_an_overlay_is_half_the_image_and_half_the_colour_of_the_class(channels: int) -> None:
    classes = F.one_hot(torch.tensor([[[0, 1], [1, 2]]]), 3).movedim(-1, 1).bool()
    dark, light = (draw_overlays(torch.full((1, channels, 2, 2), value), classes) for value in (0.0, 1.0))
    assert ((light.int() - dark.int()) - 128).abs().max() <= 1
    assert torch.equal(dark[0, :, 0, 1], dark[0, :, 1, 0])
    assert len(dark[0].flatten(1).unique(dim=1).T) == 3
    wild = torch.full((1, channels, 2, 2), 7.0)
    assert torch.equal(draw_overlays(wild, classes), light)  # what is brighter than 1 is white
