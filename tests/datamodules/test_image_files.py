"""A glance at a file's header says of its image what reading it would; names of files are short and unambiguous."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datamodules.image_files import ImageForm, glance, names_of, read_images
from datamodules.image_reading import open_picture, picture_header

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK")
ORIENTATION = 274


def random_image(mode: str, rng: np.random.Generator) -> Image.Image:
    height, width = rng.integers(5, 12, size=2)
    if mode == "I;16":
        return Image.fromarray(rng.integers(1 << 16, size=(height, width)).astype(np.uint16))
    colours = Image.fromarray(rng.integers(256, size=(height, width, 3)).astype(np.uint8))
    if mode == "P":
        return colours.quantize(16) if rng.random() < 0.5 else colours.convert("L").convert("P")
    return colours.convert(mode)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "bmp", "gif", "webp", "ppm", "jp2"])
@pytest.mark.parametrize("seed", range(6))
def test_size_and_colour_in_the_header_are_those_of_the_pixels(tmp_path: Path, suffix: str, seed: int) -> None:
    rng, written = np.random.default_rng(seed), 0
    for mode in MODES:
        path = tmp_path / f"{mode.replace(';', '')}.{suffix}"
        exif = Image.Exif()
        orientation = int(rng.integers(1, 9))
        exif[ORIENTATION] = orientation
        arguments = {"exif": exif} if suffix in ("png", "tif", "jpg", "webp") else {}
        try:
            random_image(mode, rng).save(path, **arguments)
        except (OSError, KeyError, ValueError):  # a format without this mode
            continue
        written += 1
        size, is_grey = picture_header(path)
        pixels = open_picture(path).pixels
        assert size == pixels.size, f"{mode} with orientation {orientation}"
        if mode != "I;16":
            red, green, blue = np.moveaxis(np.asarray(pixels.convert("RGBA")), -1, 0)[:3]
            assert not is_grey or ((red == green) & (green == blue)).all()
        if mode in ("1", "L", "LA", "I;16"):
            assert is_grey or suffix in ("jpg", "webp", "gif", "bmp")
    assert written >= 2


def test_the_most_frequent_size_gives_its_shorter_side_up_to_256() -> None:
    assert ImageForm(1, {(30, 20): 3, (99, 98): 2}).side == 20
    assert ImageForm(3, {(4000, 3000): 1}).side == 256


@pytest.mark.parametrize(("channels", "expected"), [("auto", 3), (1, 1), (3, 3)])
def test_one_image_in_colour_makes_all_of_them_so(tmp_path: Path, channels: str | int, expected: int) -> None:
    paths = [tmp_path / "grey.png", tmp_path / "colour.png"]
    Image.new("L", (6, 5), 100).save(paths[0])
    Image.new("RGB", (6, 5), (200, 0, 0)).save(paths[1])
    form = glance(paths, channels)
    assert form.channels == expected and form.sizes == {(6, 5): 2}
    images = read_images(paths, form.channels, 5)
    assert images.shape == (2, expected, 5, 5) and (images[0] == 100).all()


def test_files_are_named_within_the_folder_that_they_share(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "0.png", tmp_path / "b" / "c" / "0.png"]
    assert names_of(paths) == ["a/0.png", "b/c/0.png"]
    assert names_of(paths[:1]) == ["0.png"] and names_of(paths, tmp_path.parent) == [
        f"{tmp_path.name}/a/0.png",
        f"{tmp_path.name}/b/c/0.png",
    ]
    assert names_of([Path("elsewhere/x.png")], tmp_path) == ["elsewhere/x.png"]
