"""Figures as an animation in a file."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lab.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORTEST_FRAME, LONGEST_FRAME, TOGETHER, LAST_FRAME = 130, 600, 8000, 2500  # milliseconds


def save_animation(figures: Iterable["Figure"], path: Path) -> None:
    """Save figures of one size as an animated GIF of at most eight frames a second, the last shown longer.

    Args:
        figures: the frames, in their order, at least one.
        path: the file, which is written atomically.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    frames: list[Image.Image] = []
    palette = None
    for figure in figures:
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        if palette is None:  # one for all, so that nothing flickers; what is almost white becomes white
            palette = picture.quantize(256, Image.Quantize.MAXCOVERAGE)
            colors = np.reshape(palette.getpalette(), (-1, 3))
            palette.putpalette(np.where(colors.min(axis=1, keepdims=True) > 247, 255, colors).flatten().tolist())
        frames.append(picture.quantize(palette=palette, dither=Image.Dither.NONE))
    each = min(max(SHORTEST_FRAME, TOGETHER // len(frames)), LONGEST_FRAME)
    durations = [each] * (len(frames) - 1) + [LAST_FRAME]
    with atomic_write(path) as part:
        frames[0].save(part, save_all=True, append_images=frames[1:], duration=durations, loop=0)
