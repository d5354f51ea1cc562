"""Pictures in every form that a file may have: scaled to bytes as a viewer shows them, or refused in a sentence."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from datamodules.image_reading import Notes, open_picture, to_bytes
from datamodules.mask_reading import to_values
from lab.errors import LabError

RAMP = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
BYTES = np.rint(RAMP / 257)  # the ramp in 8 bits
GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
COLOURS = np.stack([GREY, GREY[::-1], 255 - GREY], axis=-1)
MASK = np.where(np.indices((4, 6))[0] < 1, 0, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray | Image.Image, tags: dict[int, int] | None = None, **arguments: object) -> Path:
    """Write a picture, a TIFF with these tags."""
    if tags:
        arguments["tiffinfo"] = TiffImagePlugin.ImageFileDirectory_v2()
        arguments["tiffinfo"].update(tags)
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(path, **arguments)
    return path


def read(path: Path, mode: str = "L", notes: Notes | None = None) -> np.ndarray:
    return np.asarray(to_bytes(open_picture(path), mode, notes or Notes()))


@pytest.mark.parametrize("name", ["0.png", "0.tif", "0.pgm", "0.jp2"])
def test_16_bits_are_scaled_over_their_range(tmp_path: Path, name: str) -> None:
    found = read(save(tmp_path / name, RAMP))
    assert len(np.unique(found)) == 256 and np.abs(found - BYTES).max() <= 1


def test_where_0_is_white_numbers_are_inverted(tmp_path: Path) -> None:
    assert np.abs(read(save(tmp_path / "0.tif", RAMP, {262: 0})) - (255 - BYTES)).max() <= 1


def test_12_bits_of_a_file_that_says_so_are_scaled_over_their_range(tmp_path: Path) -> None:
    values = np.arange(4096).reshape(64, 64)
    pairs = values.reshape(-1, 2)  # two numbers in three bytes
    packed = np.stack([pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=-1)
    content = packed.astype(np.uint8).tobytes()
    tags = {256: 64, 257: 64, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 64, 279: len(content)}
    entries = b"".join(
        tag.to_bytes(2, "little") + b"\x04\0\x01\0\0\0" + value.to_bytes(4, "little") for tag, value in tags.items()
    )
    header = b"II*\0" + (8 + len(content)).to_bytes(4, "little")
    (tmp_path / "0.tif").write_bytes(header + content + len(tags).to_bytes(2, "little") + entries + bytes(4))
    assert np.array_equal(read(tmp_path / "0.tif"), np.rint(values * (255 / 4095)))


@pytest.mark.parametrize("channels", [1, 3])
def test_12_bits_in_16_are_refused_rather_than_black(tmp_path: Path, channels: int) -> None:
    if channels == 1:
        path = save(tmp_path / "0.png", RAMP >> 4)
    else:  # PIL reads colours of 16 bits, but does not write them
        import struct
        import zlib

        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        rows = b"".join(b"\0" + np.full((4, 3), 4095, ">u2").tobytes() for _ in range(4))
        path = tmp_path / "0.png"
        header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    mode = "I;16" if channels == 1 else "RGB"
    with pytest.raises(LabError, match=rf"^{path} uses 12 of its 16 bits or less \(mode {mode}\), .*by 16, or save"):
        read(path)


def test_a_black_image_of_16_bits_is_black(tmp_path: Path) -> None:
    assert not read(save(tmp_path / "0.png", RAMP * 0)).any()


def test_a_dim_image_is_told(tmp_path: Path) -> None:
    notes = Notes()
    path = save(tmp_path / "0.png", RAMP >> 2)
    assert read(path, notes=notes).max() == 64
    with pytest.warns(UserWarning, match=rf"1 16-bit images whose values stay below 16384 of 65535 .*: {path}\."):
        notes.tell()


@pytest.mark.parametrize(
    ("pixels", "held"),
    [
        (RAMP.astype(np.int32), r"numbers of 32 bits or with a sign \(mode I\)"),
        (RAMP / np.float32(65535), r"floating-point numbers \(mode F\)"),
        (Image.new("LAB", (4, 4)), r"colours in the space Lab \(mode LAB\)"),
    ],
)
def test_pixels_without_a_range_are_refused(tmp_path: Path, pixels: np.ndarray | Image.Image, held: str) -> None:
    path = save(tmp_path / "0.tif", pixels)
    with pytest.raises(LabError, match=rf"^{path} holds {held}, of which .*: scale them to 0 … 255 and save them as"):
        read(path)


@pytest.mark.parametrize(
    ("name", "mode", "tolerance"),
    [("0.png", "RGBA", 0), ("0.tif", "CMYK", 0), ("0.tif", "YCbCr", 3), ("0.gif", "RGB", 0), ("0.webp", "RGB", 40)],
)
def test_colours_are_those_of_a_viewer(tmp_path: Path, name: str, mode: str, tolerance: int) -> None:
    found = read(save(tmp_path / name, Image.fromarray(COLOURS).convert(mode)), "RGB")
    assert np.abs(found.astype(int) - COLOURS).max() <= tolerance


@pytest.mark.parametrize("white", [0, 1])
def test_one_bit_is_black_or_white(tmp_path: Path, white: int) -> None:
    assert np.array_equal(read(save(tmp_path / "0.tif", GREY > 99, {262: white})), np.where(GREY > 99, 255, 0))


@pytest.mark.parametrize("mode", ["LA", "RGBA", "P", "L", "RGB"])
def test_what_is_transparent_lies_on_white_and_is_told(tmp_path: Path, mode: str) -> None:
    clear, notes = GREY < 1, Notes()
    picture = Image.fromarray(np.maximum(GREY, 1) * ~clear)  # whatever was left where it is transparent is black
    if mode in ("LA", "RGBA"):
        picture.putalpha(Image.fromarray(np.where(clear, 0, 255).astype(np.uint8)))
        path = save(tmp_path / "0.png", picture.convert(mode))
    else:
        path = save(tmp_path / "0.png", picture.convert(mode), transparency=(0, 0, 0) if mode == "RGB" else 0)
    assert np.array_equal(read(path, notes=notes), np.where(clear, 255, GREY))
    with pytest.warns(UserWarning, match=rf"1 images with transparent pixels are read as they look on white: {path}"):
        notes.tell()


def test_an_image_that_is_all_transparent_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "0.png", Image.new("RGBA", (4, 4)))
    with pytest.raises(LabError, match=rf"^every pixel of {path} is transparent \(mode RGBA\): save it without"):
        read(path)


@pytest.mark.parametrize("name", ["0.tif", "0.gif", "0.png"])
def test_several_pictures_in_a_file_are_refused(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, GREY, save_all=True, append_images=2 * [Image.fromarray(255 - GREY)])
    with pytest.raises(LabError, match=rf"^{path} holds [23] pictures, but one is due: save each page or frame as"):
        read(path)


def test_of_a_cameras_several_pictures_the_photograph_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "0.jpg", COLOURS, format="MPO", save_all=True, append_images=[Image.new("RGB", (2, 2))])
    assert read(path, "RGB").shape == COLOURS.shape


def test_damaged_exif_turns_nothing(tmp_path: Path) -> None:
    path = save(tmp_path / "0.png", GREY, exif=b"Exif\0\0no header of a TIFF")
    assert np.array_equal(read(path), GREY) and not open_picture(path).turned


@pytest.mark.parametrize("name", ["0.png", "0.tif", "0.jpg", "0.gif", "0.bmp", "0.webp", "0.jp2"])
def test_a_truncated_file_is_named(tmp_path: Path, name: str) -> None:
    path = save(tmp_path / name, np.random.default_rng(0).integers(256, size=(40, 40), dtype=np.uint8))
    content = path.read_bytes()
    for length in (0, 5, len(content) // 3, 2 * len(content) // 3):
        path.write_bytes(content[:length])
        with pytest.raises(LabError, match=rf"^{path} cannot be read as an image"):
            read(path)


def palette_of(numbers: np.ndarray, colours: list[int]) -> Image.Image:
    picture = Image.fromarray(numbers.astype(np.uint8)).copy()
    picture = Image.frombytes("P", picture.size, picture.tobytes())
    picture.putpalette([channel for grey in colours for channel in (grey, grey, grey)])
    return picture


MASKS: dict[str, Callable[[], np.ndarray | Image.Image]] = {
    "bytes": lambda: MASK,
    "one bit": lambda: MASK > 0,
    "16 bits": lambda: MASK.astype(np.uint16),
    "grey and alpha": lambda: Image.fromarray(MASK).convert("LA"),
    "equal channels": lambda: Image.fromarray(MASK).convert("RGB"),
    "equal channels and alpha": lambda: Image.fromarray(MASK).convert("RGBA"),
    "numbers of a palette": lambda: palette_of(MASK, [0] * 255 + [9]),
    "grey colours of a palette": lambda: palette_of(MASK == 0, [255, 0]),
}


@pytest.mark.parametrize("pixels", MASKS.values(), ids=MASKS.keys())
def test_a_mask_has_its_values_in_whichever_mode_it_is_stored(tmp_path: Path, pixels: Callable) -> None:
    assert np.array_equal(to_values(open_picture(save(tmp_path / "0.png", pixels())), (0, 255)), MASK)


def test_one_bit_stands_for_1_where_255_is_no_value(tmp_path: Path) -> None:
    assert np.array_equal(to_values(open_picture(save(tmp_path / "0.png", MASK > 0)), (0, 1)), MASK // 255)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (MASK / np.float32(255), r"must hold one whole number a pixel \(mode L, P, 1 or I;16\), but it is of mode F"),
        (
            COLOURS,
            r"must hold one whole number a pixel .*, but it is of mode RGB: save the values of the mask",
        ),
        (Image.new("LA", (4, 4)), r"has transparent pixels, but each pixel of a mask must have a value: fill them in"),
        (palette_of(MASK * 0, [255, 0]), r"gives numbers that are values of a mask colours that are others: save it"),
    ],
)
def test_a_mask_that_is_no_numbers_is_refused(tmp_path: Path, pixels: np.ndarray | Image.Image, message: str) -> None:
    path = save(tmp_path / "0.tif", pixels)
    with pytest.raises(LabError, match=message):
        to_values(open_picture(path), (0, 255))
