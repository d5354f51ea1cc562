"""Pairs from small folders: read as they were written, damaged, alone, of other sizes; served alone and in batches."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from image_files import write_png
from PIL import Image
from torch import Tensor, nn

from datamodules.image_pairs import VOID, ImagePairs, SegmentationDataModule, read_pairs
from lab.errors import LabError

CLASSES = {0: 1, 7: 0, 9: VOID}


def write_pair(folder: Path, name: str = "0.png", shape: tuple[int, int] = (5, 6)) -> tuple[Path, Path]:
    """A random image of three channels and a random mask of the values 0, 7 and 9."""
    rng = np.random.default_rng(0)
    image, mask = folder / "image" / name, folder / "mask" / name
    for path in (image, mask):
        path.parent.mkdir(exist_ok=True)
    write_png(image, rng.integers(256, size=(*shape, 3)))
    write_png(mask, rng.choice([0, 7, 9], size=shape))
    return image, mask


def pixels(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path)))


def test_pixels_and_classes_are_those_of_the_files(tmp_path: Path) -> None:
    image_path, mask_path = write_pair(tmp_path)
    (image,), (mask,) = read_pairs([(image_path, mask_path)], "RGB", CLASSES)
    assert torch.equal(image, pixels(image_path).permute(2, 0, 1))
    assert mask.dtype == torch.uint8
    assert mask.tolist() == [[CLASSES[value] for value in row] for row in pixels(mask_path).tolist()]


@pytest.mark.parametrize("stored", ["L", "RGB", "RGBA", "P"])
@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_an_image_has_the_channels_asked_for_in_whichever_mode_it_is_stored(
    tmp_path: Path, stored: str, mode: str, channels: int
) -> None:
    image_path, mask_path = write_pair(tmp_path)
    Image.open(image_path).convert(stored).save(image_path)
    (image,), _ = read_pairs([(image_path, mask_path)], mode, CLASSES)
    assert image.shape == (channels, 5, 6)
    expected = torch.from_numpy(np.array(Image.open(image_path).convert(mode))).view(5, 6, channels)
    assert torch.equal(image, expected.permute(2, 0, 1))


def test_a_mask_of_palette_colours_is_read_by_its_numbers(tmp_path: Path) -> None:
    image_path, mask_path = write_pair(tmp_path)
    expected = read_pairs([(image_path, mask_path)], "L", CLASSES)[1][0]
    mask = Image.open(mask_path)
    mask.putpalette([value for number in range(256) for value in (255 - number, 0, number)])
    mask.save(mask_path)
    assert Image.open(mask_path).mode == "P"
    assert torch.equal(read_pairs([(image_path, mask_path)], "L", CLASSES)[1][0], expected)


def test_squashing_smooths_the_image_and_keeps_the_classes_in_place(tmp_path: Path) -> None:
    image_path, mask_path = write_pair(tmp_path, shape=(12, 24))
    stripes = np.repeat(np.repeat([[0, 9], [7, 0]], 6, axis=0), 12, axis=1)
    write_png(mask_path, stripes)
    write_png(image_path, np.tile([0, 200], (12, 12)))
    (image,), (mask,) = read_pairs([(image_path, mask_path)], "L", CLASSES, size=4)
    assert image.shape == (1, 4, 4) and (image[..., 1:-1].float() - 100).abs().max() < 15
    assert mask.tolist() == 2 * [[1, 1, VOID, VOID]] + 2 * [[0, 0, 1, 1]]


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:45] + bytes(byte ^ 255 for byte in content[45:60]) + content[60:])


DAMAGES = {
    "truncated": truncate,
    "flipped bits": flip,
    "empty": lambda path: path.write_bytes(b""),
    "no image": lambda path: path.write_bytes(b"<html>404</html>"),
    "only its header": lambda path: path.write_bytes(path.read_bytes()[:30]),
}


@pytest.mark.parametrize("spoilt", [0, 1])
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_file_is_named(tmp_path: Path, spoilt: int, damage: Callable[[Path], object]) -> None:
    pair = write_pair(tmp_path, shape=(40, 40))
    damage(pair[spoilt])
    with pytest.raises(LabError, match=rf"^{pair[spoilt]} cannot be read as an image \(.+\): replace it"):
        read_pairs([pair], "RGB", CLASSES)


def test_a_bomb_of_pixels_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = write_pair(tmp_path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(LabError, match=r"0\.png cannot be read as an image \(.*exceeds limit"):
        read_pairs([pair], "RGB", CLASSES)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    pair[1].unlink()
    with pytest.raises(LabError, match=rf"^{pair[1]} is missing\.$"):
        read_pairs([pair], "RGB", CLASSES)


def test_an_image_and_a_mask_of_different_sizes_are_named(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    write_png(pair[1], np.zeros((6, 5)))
    with pytest.raises(LabError, match=rf"^{pair[0]} has 6×5 pixels and {pair[1]} has 5×6: .* must be of one size"):
        read_pairs([pair], "RGB", CLASSES)


def test_an_unknown_value_in_a_mask_is_named_even_where_squashing_would_drop_it(tmp_path: Path) -> None:
    image, mask = write_pair(tmp_path)
    values = np.zeros((5, 6))
    values[0, 0] = 3
    write_png(mask, values)
    with pytest.raises(LabError, match=rf"^{mask} holds the value 3, but the values of a mask are 0, 7, 9\.$"):
        read_pairs([(image, mask)], "RGB", CLASSES, size=2)


def test_a_mask_in_colours_is_refused(tmp_path: Path) -> None:
    image, _ = write_pair(tmp_path)
    with pytest.raises(LabError, match=r"0\.png must hold one whole number a pixel .*, but it is of mode RGB: save"):
        read_pairs([(image, image)], "RGB", CLASSES)


def turned(path: Path, orientation: int) -> None:
    """Store a picture as a camera does that was held otherwise: other pixels, and how to turn them back."""
    back = {3: "ROTATE_180", 6: "ROTATE_90", 7: "TRANSVERSE"}[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    Image.open(path).transpose(Image.Transpose[back]).save(path, exif=exif)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_an_image_and_its_mask_lie_on_each_other_whichever_is_turned_by_a_tag(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    pair = write_pair(tmp_path, f"0.{suffix}")
    expected = read_pairs([pair], "RGB", CLASSES)
    turned(pair[0], orientation)
    with pytest.warns(UserWarning, match=rf"1 images are turned as their EXIF orientation says, .*: {pair[0]}"):
        read = read_pairs([pair], "RGB", CLASSES)
    turned(pair[1], orientation)
    for images, masks in (read, read_pairs([pair], "RGB", CLASSES)):
        assert torch.equal(images[0], expected[0][0]) and torch.equal(masks[0], expected[1][0])


def test_a_mask_of_the_pixels_before_they_are_turned_is_refused(tmp_path: Path) -> None:
    pair = write_pair(tmp_path)
    turned(pair[0], 6)
    write_png(pair[1], np.zeros((6, 5)))
    with pytest.raises(LabError, match=rf"\(turned as the EXIF orientation of {pair[0]} says\): .* be of one size"):
        read_pairs([pair], "RGB", CLASSES)


def random_pairs(*shapes: tuple[int, int]) -> ImagePairs:
    generator = torch.Generator().manual_seed(0)
    images = [torch.randint(256, (3, *shape), dtype=torch.uint8, generator=generator) for shape in shapes]
    masks = [torch.randint(2, shape, dtype=torch.uint8, generator=generator) for shape in shapes]
    return ImagePairs(images, masks)


def test_a_batch_stacks_items_as_numbers_from_0_to_1() -> None:
    dataset = random_pairs((4, 5), (4, 5), (4, 5))
    images, masks = dataset.__getitems__([2, 0])
    assert images.dtype == torch.float32 and masks.dtype == torch.uint8
    assert torch.equal((images * 255).round().byte(), torch.stack([dataset.tensors[0][index] for index in (2, 0)]))
    assert torch.equal(masks, torch.stack([dataset[2][1], dataset[0][1]]))
    images.zero_(), masks.fill_(9)
    assert dataset.tensors[0][0].any() and dataset.tensors[1][0].max() == 1


def test_images_of_unequal_sizes_come_one_a_batch() -> None:
    dataset = random_pairs((4, 5), (6, 3))
    assert [tuple(dataset.__getitems__([index])[0].shape) for index in range(2)] == [(1, 3, 4, 5), (1, 3, 6, 3)]
    with pytest.raises(ValueError, match=r"images of one size, but holds 4×5, 6×3: use batches of one"):
        dataset.__getitems__([0, 1])


class TinyPairs(SegmentationDataModule):
    def load(self, training: bool) -> dict[str, ImagePairs]:
        return {split: random_pairs(*5 * [(4, 4)]) for split in (("train", "val") if training else ("test",))}


def test_training_batches_alone_are_augmented_as_pairs() -> None:
    class Invert(nn.Module):
        def forward(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
            return 1 - images, 1 - masks

    data = TinyPairs(batch_size=2, augmentation=Invert())
    data.setup("fit")
    data.trainer = SimpleNamespace(training=True, world_size=1, global_rank=0, fit_loop=SimpleNamespace(restarting=0))
    images, masks = batch = next(iter(data.train_dataloader()))
    inverted_images, inverted_masks = data.on_after_batch_transfer(batch, 0)
    assert torch.equal(inverted_images, 1 - images) and torch.equal(inverted_masks, 1 - masks)
    data.trainer.training = False
    assert data.on_after_batch_transfer(batch, 0) is batch
