"""Pictures as text inside a page: small enough that one file holds them all."""

import base64
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.reports.reading import readable
from lab.reports.studies import Study, cell_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL.Image import Image

WIDTH, HEIGHT = 1000, 2000  # pixels of a run's picture at most
DOTS_PER_INCH = 130
QUALITY = 80  # of WebP


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Args:
        caption: what it shows.
        uri: the picture itself, ``data:image/webp;base64,…``.
        width: pixels on the page; there are more in the picture where screens are fine.
        height: pixels on the page.
    """

    caption: str
    uri: str
    width: int
    height: int


def drawn_picture(caption: str, figure: "Figure") -> Picture:
    """A matplotlib figure as a picture, without loss.

    Args:
        caption: what it shows.
        figure: the figure.
    """
    from PIL import Image

    memory = io.BytesIO()
    figure.savefig(memory, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight")
    with Image.open(memory) as image:
        return _encoded(caption, image.convert("RGB"), lossless=True, shrink=DOTS_PER_INCH / 84)


def saved_picture(caption: str, path: Path) -> Picture:
    """A picture file as a smaller picture; of an animation its last frame.

    Args:
        caption: what it shows.
        path: a file that Pillow reads.

    Raises:
        LabError: when it cannot be read.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.seek(getattr(image, "n_frames", 1) - 1)
            still = image.convert("RGB")
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # Pillow raises what its readers happen to raise
        raise LabError(f"the picture {path} is damaged ({error}).") from error
    still.thumbnail((WIDTH, HEIGHT))
    return _encoded(caption, still, lossless=False)


def pictures_of_runs(study: Study) -> Iterator[tuple[str, str, Path]]:
    """The row and column, the name and the file of what the first run of each experiment drew, each at its last step.

    Args:
        study: a study with its run folders.
    """
    for (row, column), runs in study.runs.items():
        files = sorted((runs[0] / "figures").glob("*.*"), key=_step) if runs else []
        newest = {_name(file): file for file in files if file.suffix in (".png", ".gif")}
        for name, file in sorted(newest.items()):
            yield cell_name(row, column), name, file


def within(pictures: Iterable[tuple[str, Path]], limit: int) -> tuple[list[Picture], int]:
    """The saved pictures that fit in so many characters together, and how many did not; damaged ones are reported.

    Args:
        pictures: captions and files, the most important ones first.
        limit: characters of all together.
    """
    taken, left_out = [], 0
    for caption, path in pictures:
        picture = readable(saved_picture, caption, path) if limit > 0 else None
        if picture is not None and len(picture.uri) <= limit:
            limit -= len(picture.uri)
            taken.append(picture)
        elif picture is not None or limit <= 0:
            left_out += 1
    return taken, left_out


def _encoded(caption: str, image: "Image", lossless: bool, shrink: float = 1.0) -> Picture:
    memory = io.BytesIO()
    image.save(memory, "WEBP", lossless=lossless, quality=QUALITY, method=4)
    text = base64.b64encode(memory.getvalue()).decode("ascii")
    return Picture(caption, f"data:image/webp;base64,{text}", round(image.width / shrink), round(image.height / shrink))


def _step(file: Path) -> int:
    number = re.search(r"_(\d+)$", file.stem)
    return int(number[1]) if number else -1


def _name(file: Path) -> str:
    return re.sub(r"_\d+$", "", file.stem).replace("_", " ")
