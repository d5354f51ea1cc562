"""Figures as an animation: its frames, and how long each is shown."""

from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from callbacks.animation import save_animation


@pytest.mark.parametrize(("count", "each"), [(1, 2500), (2, 600), (20, 400), (70, 130)])
def test_an_animation_shows_at_most_eight_frames_a_second_and_holds_the_last(
    tmp_path: Path, count: int, each: int
) -> None:
    figures = [Figure(figsize=(1, 1), dpi=100) for _ in range(count)]
    for number, figure in enumerate(figures):
        figure.add_artist(Line2D([0, 1], [number / count] * 2, color="black"))
    save_animation(figures, tmp_path / "new" / "many.gif")
    with Image.open(tmp_path / "new" / "many.gif") as picture:
        assert picture.n_frames == count and picture.info.get("duration", 2500) == each
        picture.seek(count - 1)
        assert count == 1 or picture.info["duration"] == 2500
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["many.gif"]
