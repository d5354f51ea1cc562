"""Pictures among the predictions: a file each, at the size they have.

Letters: B batch, H height, W width.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from lab.files import atomic_write

FOLDER = PurePosixPath("predictions")


def is_pictures(name: str, values: Any) -> bool:
    """Whether a column holds pictures rather than numbers or words.

    Args:
        name: the name of the column.
        values: its values, one a sample.

    Shapes:
        pictures: bytes (B, H, W) or (B, 3, H, W), or B of (H, W) or (3, H, W), whose sizes may differ; those of one
        channel may be of type uint16

    Raises:
        ValueError: when they have the shape of pictures but are no bytes, or have other channels than one or three.
    """
    tensors = [values] if isinstance(values, Tensor) else [value for value in values if isinstance(value, Tensor)]
    batched = int(isinstance(values, Tensor))
    shapes = [tensor.shape[batched:] for tensor in tensors]
    if not any(len(shape) >= 2 for shape in shapes):
        return False
    for tensor, shape in zip(tensors, shapes, strict=True):
        types = (torch.uint8, torch.uint16) if len(shape) == 2 else (torch.uint8,)
        if tensor.dtype not in types or not (len(shape) == 2 or (len(shape) == 3 and shape[0] == 3)):
            raise ValueError(
                f"A picture is a uint8 tensor of the shape (H, W) or (3, H, W), but {name!r} of the prediction holds "
                f"{tensor.dtype} of the shape {tuple(shape)}: change what predict_step returns."
            )
    return True


def write_pictures(
    name: str,
    pictures: Tensor | Sequence[Tensor],
    indices: Sequence[int],
    folder: Path | None,
    palette: Sequence[int] | None = None,
) -> list[PurePosixPath]:
    """Write ``<folder>/predictions/<name>_<index>.png`` of each picture, and give the paths within the folder.

    Args:
        name: the name of the column.
        pictures: bytes, as ``is_pictures`` describes them.
        indices: the index of each in the data, B integers ≥ 0.
        folder: the run folder; None writes nothing.
        palette: red, green and blue of each number from 0 to 255, to show pictures of one channel by.
    """
    from PIL import Image

    paths = [FOLDER / f"{name}_{index:04d}.png" for index in indices]
    for picture, path in zip(pictures, paths, strict=True):
        if folder is not None:
            pixels = picture.movedim(0, -1) if picture.ndim == 3 else picture
            image = Image.fromarray(pixels.cpu().contiguous().numpy())
            if palette is not None and image.mode == "L":
                image.putpalette(palette)
            with atomic_write(folder / path) as part:
                image.save(part)
    return paths
