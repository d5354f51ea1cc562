"""The values of a label mask as they stand in its file; or a sentence why not.

Letters: H height, W width.
"""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image

from datamodules.image_reading import SIXTEEN_BITS, Picture, is_grey_palette
from lab.errors import LabError


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
        _check_opaque(path, alpha)
        if all((channel == colours[0]).all() for channel in colours):
            return colours[0]
    raise LabError(
        f"{path} must hold one whole number a pixel (mode L, P, 1 or I;16), but it is of mode {pixels.mode}: save the "
        f"values of the mask as bytes in one channel, or name its colours by data.class_values."
    )


def _of_palette(pixels: Image.Image, path: Path, known: Collection[int]) -> np.ndarray:
    numbers = np.asarray(pixels)
    palette = np.reshape(pixels.getpalette("RGB"), (-1, 3))
    if not is_grey_palette(palette) or numbers.max() >= len(palette):
        return numbers
    greys = palette[:, 0].astype(np.uint8)[numbers]
    by_number, by_colour = (set(np.unique(values).tolist()) <= set(known) for values in (numbers, greys))
    if by_number and by_colour and (numbers != greys).any():
        raise LabError(
            f"the palette of {path} gives numbers that are values of a mask colours that are others: save it as grey "
            f"levels (mode L)."
        )
    return greys if by_colour else numbers


def to_colours(picture: Picture) -> np.ndarray:
    """The colours of a mask (H, W), each 65536 red + 256 green + blue; those of a palette, where it has one.

    Args:
        picture: a decoded mask.

    Raises:
        LabError: when the pixels have no colours of 8 bits, or are transparent.
    """
    if picture.most != 255:
        raise LabError(f"{picture.path} must have colours of 8 bits a channel, but has more: save it with 8 bits.")
    red, green, blue, alpha = np.moveaxis(np.asarray(picture.pixels.convert("RGBA")).astype(np.int32), -1, 0)
    _check_opaque(picture.path, alpha)
    return (red << 16) | (green << 8) | blue


def _check_opaque(path: Path, alpha: np.ndarray) -> None:
    if alpha.min() < 255:
        raise LabError(f"{path} has transparent pixels, but each pixel of a mask must have a value: fill them in.")
