"""The picture in a file as bytes, as a viewer shows it; or a sentence why not.

A file says more of its pixels than their numbers: how many bits they have, whether 0 is white, what is transparent,
which colours a palette has, how the camera was held. Colour profiles and gamma are not applied.

Letters: H height, W width.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from datamodules.listing import tell_once
from lab.errors import LabError

FORMATS = ("PNG", "TIFF", "JPEG", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "AVIF")
WIDTH, HEIGHT = 256, 257  # tags of TIFF
ORIENTATION, BITS_PER_SAMPLE, PHOTOMETRIC = 274, 258, 262  # tags of TIFF, the first of EXIF too
SIXTEEN_BITS = ("I;16", "I;16B", "I;16L", "I;16N")
DARK, DIM = 1 << 12, 1 << 14  # 16-bit values below which 4, and 6, bits are left of 8
UNBOUNDED = {"I": "numbers of 32 bits or with a sign", "F": "floating-point numbers", "LAB": "colours in the space Lab"}
NOTES = {
    "dim": "16-bit images whose values stay below 16384 of 65535 are as dark as that",
    "transparent": "images with transparent pixels are read as they look on white",
    "turned": "images are turned as their EXIF orientation says, while their masks have none and stay as they are",
}


@cache
def image_extensions() -> frozenset[str]:
    """The last suffixes of the files that are read as images, in lower case: .png, .tif, .jpeg, …"""
    return frozenset(name for name, kind in Image.registered_extensions().items() if kind in (*FORMATS, "MPO"))


@dataclass
class Notes:
    """What a person should know of the files that were read: the files that each of ``NOTES`` is about."""

    files: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))

    def add(self, note: str, path: Path) -> None:
        self.files[note].append(path)

    def tell(self) -> None:
        """Say each note once, with the number of its files and the first of them."""
        for note, paths in self.files.items():
            tell_once(f"{len(paths)} {NOTES[note]}: {paths[0]}{', …' if len(paths) > 1 else ''}.")


@dataclass(frozen=True)
class Picture:
    """A decoded file.

    Args:
        path: the file.
        pixels: upright, in the mode of the file.
        most: the number that the file has room for in a channel, such as 65535; None where it does not say.
        white_is_zero: whether the numbers are still to be inverted.
        turned: whether the pixels had to be turned or mirrored to stand upright.
    """

    path: Path
    pixels: Image.Image
    most: int | None
    white_is_zero: bool
    turned: bool


def open_picture(path: Path) -> Picture:
    """Decode the picture in a file and turn it upright, as its EXIF orientation says.

    Raises:
        LabError: when the file is missing or damaged, or holds several pictures.
    """
    try:
        # From a stream: PIL maps a file that it has opened itself into memory, and garbles a TIFF that is to be turned.
        with path.open("rb") as stream, Image.open(stream, formats=_known_formats()) as file:
            frames = 1 if file.format == "MPO" else getattr(file, "n_frames", 1)  # a camera's MPO begins with the photo
            inverted = file.mode in SIXTEEN_BITS and getattr(file, "tag_v2", {}).get(PHOTOMETRIC) == 0  # 8 bits: by PIL
            picture = Picture(
                path, most=_room(file), white_is_zero=inverted, turned=_turned(file), pixels=_upright(file)
            )
    except FileNotFoundError as error:
        raise LabError(f"{path} is missing.") from error
    except Exception as error:  # the bytes of a damaged file may raise anything
        raise _unreadable(path, error) from error
    if frames > 1:
        raise LabError(f"{path} holds {frames} pictures, but one is due: save each page or frame as a file of its own.")
    return picture


def picture_header(path: Path) -> tuple[tuple[int, int], bool]:
    """The width and height of the picture in a file, upright, and whether it is grey; its pixels are not read.

    Raises:
        LabError: when the file is missing, or its header damaged.
    """
    try:
        with path.open("rb") as stream, Image.open(stream, formats=_known_formats()) as file:
            size = _tag(file, WIDTH) or file.width, _tag(file, HEIGHT) or file.height  # a TIFF's may be upright already
            upright = size[::-1] if _orientation(file) in range(5, 9) else size
            # A palette comes last: to ask for it is to decode the pixels, which turns a TIFF and forgets how.
            palette = np.reshape(file.getpalette("RGB"), (-1, 3)) if file.mode == "P" else None
            is_grey = file.mode[0] in "1LIF" and file.mode != "LAB" if palette is None else is_grey_palette(palette)
    except FileNotFoundError as error:
        raise LabError(f"{path} is missing.") from error
    except Exception as error:  # the bytes of a damaged file may raise anything
        raise _unreadable(path, error) from error
    return upright, is_grey


def to_bytes(picture: Picture, mode: str, notes: Notes) -> Image.Image:
    """What a viewer shows, in mode "L" or "RGB".

    16 bits are scaled to 8 over their range. What is transparent lies on white.

    Raises:
        LabError: when the pixels have no range that could be scaled to bytes.
    """
    pixels, path = picture.pixels, picture.path
    if picture.most is None:
        raise LabError(
            f"{path} holds {UNBOUNDED[pixels.mode]} (mode {pixels.mode}), of which no file says what is black and what "
            f"is white: scale them to 0 … 255 and save them as bytes."
        )
    if pixels.mode in (*SIXTEEN_BITS, "I"):
        pixels = _scaled(picture, notes)
    elif picture.most > 255:  # PIL has kept the upper 8 bits of 16
        _check_depth(picture, int(np.asarray(pixels.convert("RGB")).max()) << 8)
    if pixels.has_transparency_data:
        pixels = _on_white(pixels, path, notes)
    return pixels.convert(mode)


def _unreadable(path: Path, error: Exception) -> LabError:
    return LabError(f"{path} cannot be read as an image ({error}): replace it by an undamaged copy.")


@cache
def _known_formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _tag(file: Image.Image, number: int) -> Any:
    """What a TIFF says; None of another format."""
    return getattr(file, "tag_v2", {}).get(number)


def _room(file: Image.Image) -> int | None:
    """The greatest number that a channel of a file has room for; None where the file does not say."""
    if file.mode in SIXTEEN_BITS:
        return (1 << 12) - 1 if _tag(file, BITS_PER_SAMPLE) == (12,) else (1 << 16) - 1
    if file.mode in UNBOUNDED:
        return (1 << 16) - 1 if file.mode == "I" and file.format in ("PNG", "PPM") else None
    return (1 << 16) - 1 if any(";16" in str(tile) for tile in file.tile) else 255


def _turned(file: Image.Image) -> bool:
    orientation = _tag(file, ORIENTATION)  # with its pixels read, a TIFF is upright already
    file.load()
    return (orientation or _orientation(file)) in range(2, 9)


def _orientation(file: Image.Image) -> int:
    try:
        return _tag(file, ORIENTATION) or file.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF says nothing
        return 1


def _upright(file: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(file)
    except Exception:  # damaged EXIF says nothing
        return file.copy()


def _scaled(picture: Picture, notes: Notes) -> Image.Image:
    """Numbers from 0 to ``most`` as bytes."""
    values = np.asarray(picture.pixels).astype(np.int64)
    if picture.white_is_zero:
        values = picture.most - values
    if picture.most >= DIM:
        _check_depth(picture, int(values.max()))
        if 0 < values.max() < DIM:
            notes.add("dim", picture.path)
    scaled = np.rint(values * (255 / picture.most)).astype(np.uint8)
    clear = picture.pixels.info.get("transparency")
    if isinstance(clear, int) and (values == clear).any():
        notes.add("transparent", picture.path)
        scaled[values == clear] = 255
    return Image.fromarray(scaled)


def _check_depth(picture: Picture, greatest: int) -> None:
    if 0 < greatest < DARK:
        raise LabError(
            f"{picture.path} uses 12 of its 16 bits or less (mode {picture.pixels.mode}), of which 8 bits would keep "
            f"no more than 16 shades, all of them dark: multiply its values by 16, or save it with 8 bits."
        )


def _on_white(pixels: Image.Image, path: Path, notes: Notes) -> Image.Image:
    colours = pixels.convert("RGBA")
    if colours.getextrema()[3][0] == 255:
        return pixels
    if colours.getextrema()[3][1] == 0:
        raise LabError(f"every pixel of {path} is transparent (mode {pixels.mode}): save it without transparency.")
    notes.add("transparent", path)
    return Image.alpha_composite(Image.new("RGBA", colours.size, "white"), colours)


def is_grey_palette(palette: np.ndarray) -> bool:
    """Whether the colours (N, 3) of a palette are all grey."""
    return bool((palette == palette[:, :1]).all())
