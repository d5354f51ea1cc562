"""Files of images of a person's own: their sizes and colours at a glance, and many of them read to one size.

Letters: N images, I channels, S side.
"""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from datamodules.image_reading import Notes, Picture, image_extensions, open_picture, picture_header, to_bytes
from datamodules.listing import list_files, tell_once
from lab.errors import LabError

SMALLEST = 4  # pixels of a side, of which fewer are hardly a picture
LARGEST = 256  # pixels of the side that images get at most unless a person says another


@dataclass(frozen=True)
class ImageForm:
    """How images are served.

    Args:
        channels: 1 for grey, 3 for colour.
        sizes: how many files have each width and height, upright.
    """

    channels: int
    sizes: Counter[tuple[int, int]]

    @property
    def side(self) -> int:
        """The shorter side of the most frequent size, at most ``LARGEST``, in pixels."""
        return min(*max(self.sizes, key=lambda size: (self.sizes[size], size)), LARGEST)


def list_images(folder: Path) -> list[Path]:
    """The images in a folder, of whichever kind we read; what else is there is told."""
    return list_files(folder, image_extensions(), "images")


def check_channels(channels: int | str) -> None:
    """Raise ValueError unless channels are "auto", 1 or 3."""
    if channels not in ("auto", 1, 3):
        raise ValueError(f'channels must be "auto", 1 (grey) or 3 (colour), but it is {channels!r}.')


def glance(paths: Iterable[Path], channels: int | str = "auto") -> ImageForm:
    """The form of images by the headers of their files.

    Args:
        paths: the files.
        channels: 1 or 3; "auto" for 3 where a file holds colours, else 1.

    Raises:
        LabError: when a file is damaged, or an image has a side of fewer than ``SMALLEST`` pixels.
    """
    sizes: Counter[tuple[int, int]] = Counter()
    in_colour = False
    for path in paths:
        size, is_grey = picture_header(path)
        _check_size(path, size)
        sizes[size] += 1
        in_colour |= not is_grey
    return ImageForm((3 if in_colour else 1) if channels == "auto" else int(channels), sizes)


def read_images(paths: Sequence[Path], channels: int, size: int) -> Tensor:
    """Images as bytes, each squashed to a square (bilinear, antialiased) where it is of another size.

    Args:
        paths: the files.
        channels: 1 for grey, 3 for colour.
        size: side S in pixels, ≥ 1.

    Shapes:
        (N, I, S, S) of type uint8

    Raises:
        LabError: when a file is missing or damaged, too small, or has no range that could be scaled to bytes.
    """
    notes, images = Notes(), torch.empty(len(paths), channels, size, size, dtype=torch.uint8)
    for image, path in zip(images, paths, strict=True):
        pixels = read_image(open_picture(path), channels, notes)
        image.copy_(to_tensor(pixels if pixels.size == (size, size) else squash(pixels, size)))
    notes.tell()
    return images


def read_image(picture: Picture, channels: int, notes: Notes) -> Image.Image:
    """A decoded image in grey or in colour, at its own size."""
    _check_size(picture.path, picture.pixels.size)
    return to_bytes(picture, "L" if channels == 1 else "RGB", notes)


def to_tensor(pixels: Image.Image) -> Tensor:
    """The bytes of an image, (I, H, W)."""
    bands = torch.from_numpy(np.array(pixels)).view(pixels.height, pixels.width, -1)  # (H, W, I)
    return bands.permute(2, 0, 1).contiguous()


def squash(image: Image.Image, size: int) -> Image.Image:
    """An image as a square with that side in pixels, bilinear and antialiased."""
    return image.resize((size, size), Image.Resampling.BILINEAR)


def tell_resizing(form: ImageForm, size: int, purpose: str = "") -> None:
    """Say once to which size images of others are squashed, and how many are enlarged by it.

    Args:
        form: of the images.
        size: side of the squares, in pixels.
        purpose: what for, such as " to train".
    """
    others = {of_file: count for of_file, count in form.sizes.items() if of_file != (size, size)}
    if others:
        smaller = sum(count for of_file, count in others.items() if min(of_file) < size)
        enlarged = f", which enlarges {smaller}" if smaller else ""
        most = "×".join(map(str, max(others, key=others.get)))
        tell_once(
            f"{sum(others.values())} of {form.sizes.total()} images are of other sizes, most often {most} pixels, and "
            f"are squashed to {size}×{size}{purpose}{enlarged}: data.image_size sets another side."
        )


def files_to_predict(given: str | Sequence[str]) -> list[Path]:
    """The images that a person named: those of a folder, or files, in their order.

    Raises:
        LabError: when there is none, or one does not exist.
    """
    if isinstance(given, str) and Path(given).expanduser().is_dir():
        folder = Path(given).expanduser()
        if found := list_images(folder):
            return found
        raise LabError(f"{folder} must hold images such as 0.png to predict, but holds none.")
    paths = [Path(name).expanduser() for name in ([given] if isinstance(given, str) else given)]
    if not paths:
        raise LabError("data.predict_files must name a folder of images, or files, but the list is empty.")
    for path in paths:
        if not path.is_file():
            raise LabError(f'data.predict_files names "{path}", but there is no such folder or file.')
    return paths


def names_of(paths: Sequence[Path], folder: Path | None = None) -> list[str]:
    """How files are called among the predictions: by their paths within a folder, or within what they share.

    Args:
        paths: the files.
        folder: where they lie; None for the folder that all of them are in, at whichever depth.
    """
    if folder is None:
        folder = Path(os.path.commonpath([path.absolute().parent for path in paths]))
        return [path.absolute().relative_to(folder).as_posix() for path in paths]
    inside = [path.relative_to(folder) if path.is_relative_to(folder) else path for path in paths]
    return [path.as_posix() for path in inside]


def _check_size(path: Path, size: tuple[int, int]) -> None:
    if min(size) < SMALLEST:
        raise LabError(
            f"{path} has {size[0]}×{size[1]} pixels, but an image needs a side of {SMALLEST} at least: replace it or "
            f"take it away."
        )
