"""The picture in a file as bytes, as a viewer shows it, and the values of a label mask; or a sentence why not.

A file says more of its pixels than their numbers: how many bits they have, whether 0 is white, what is transparent,
which colours a palette has, how the camera was held. Colour profiles and gamma are not applied.

Letters: H height, W width.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from datamodules.listing import tell_once
from lab.errors import LabError

FORMATS = ("PNG", "TIFF", "JPEG", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "AVIF")
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
        raise LabError(f"{path} cannot be read as an image ({error}): replace it by an undamaged copy.") from error
    if frames > 1:
        raise LabError(f"{path} holds {frames} pictures, but one is due: save each page or frame as a file of its own.")
    return picture


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


def to_values(picture: Picture, known: Collection[int]) -> np.ndarray:
    """The values of a mask (H, W), integers as they stand in the file.

    Those of a palette are its numbers; but where all its colours are grey, as those of a black-and-white picture that a
    program has squeezed, and these alone are known values, they are the colours. Colours of equal channels are grey.

    Args:
        picture: a decoded mask.
        known: the values that a mask may hold.

    Raises:
        LabError: when the pixels are no integers, or are transparent, or it is unclear which value they stand for.
    """
    pixels, path = picture.pixels, picture.path
    if pixels.mode == "P":
        return _of_palette(pixels, path, known)
    if pixels.mode == "1":
        return np.asarray(pixels) * np.uint8(255 if 255 in known else 1)
    if pixels.mode in ("L", "I", *SIXTEEN_BITS):
        values = np.asarray(pixels)
        return picture.most - values if picture.white_is_zero else values
    if pixels.mode in ("LA", "RGB", "RGBA", "RGBX") and picture.most == 255:
        *colours, alpha = np.moveaxis(np.asarray(pixels.convert("RGBA")), -1, 0)
        if alpha.min() < 255:
            raise LabError(f"{path} has transparent pixels, but each pixel of a mask must have a value: fill them in.")
        if all((channel == colours[0]).all() for channel in colours):
            return colours[0]
    raise LabError(
        f"{path} must hold one whole number a pixel (mode L, P, 1 or I;16), but it is of mode {pixels.mode}: save the "
        f"values of the mask as bytes in one channel."
    )


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
    try:
        return (orientation or file.getexif().get(ORIENTATION, 1)) in range(2, 9)
    except Exception:  # damaged EXIF says nothing
        return False


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


def _of_palette(pixels: Image.Image, path: Path, known: Collection[int]) -> np.ndarray:
    numbers = np.asarray(pixels)
    palette = np.reshape(pixels.getpalette("RGB"), (-1, 3))
    if (palette != palette[:, :1]).any() or numbers.max() >= len(palette):
        return numbers
    greys = palette[:, 0].astype(np.uint8)[numbers]
    by_number, by_colour = (set(np.unique(values).tolist()) <= set(known) for values in (numbers, greys))
    if by_number and by_colour and (numbers != greys).any():
        raise LabError(
            f"the palette of {path} gives numbers that are values of a mask colours that are others: save it as grey "
            f"levels (mode L)."
        )
    return greys if by_colour else numbers
