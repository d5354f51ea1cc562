"""Pictures inside a page: what they show, how large they are, and which ones are taken."""

import base64
import io
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from lab.reports.images import Picture, drawn_picture, pictures_of_runs, saved_picture, within
from lab.reports.studies import Study


def image_of(picture: Picture) -> Image.Image:
    kind, _, text = picture.uri.partition(";base64,")
    assert kind == "data:image/webp"
    return Image.open(io.BytesIO(base64.b64decode(text)))


def save(path: Path, size: tuple[int, int], colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def test_a_figure_is_a_picture_without_loss() -> None:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1])
    picture = drawn_picture("a line", figure)
    assert picture.caption == "a line" and image_of(picture).width > picture.width  # fine on fine screens
    assert image_of(picture).getpixel((0, 0)) == (255, 255, 255)


def test_a_large_picture_is_made_smaller_and_keeps_its_shape(tmp_path: Path) -> None:
    picture = saved_picture("red", save(tmp_path / "a.png", (3000, 1500)))
    assert (picture.width, picture.height) == (1000, 500) == image_of(picture).size
    assert saved_picture("red", save(tmp_path / "b.png", (30, 20))).width == 30


def test_of_an_animation_the_last_frame_is_shown(tmp_path: Path) -> None:
    first, last = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    first.save(tmp_path / "a.gif", save_all=True, append_images=[last])
    red, _, blue = image_of(saved_picture("", tmp_path / "a.gif")).getpixel((4, 4))
    assert blue > 200 > 50 > red


def test_each_experiment_shows_the_last_pictures_of_its_first_run(tmp_path: Path) -> None:
    runs = {("one", "left:"): [tmp_path / "a", tmp_path / "b"], ("two", ""): []}
    for name in ("curves_9.png", "curves_100.png", "maps_3.gif", "notes.txt"):
        path = tmp_path / "a" / "figures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    study = Study("s", "S", [], runs, "–", "")
    assert [(row, name, file.name) for row, name, file in pictures_of_runs(study)] == [
        ("one, left", "curves", "curves_100.png"),
        ("one, left", "maps", "maps_3.gif"),
    ]


@pytest.mark.parametrize(("room", "taken"), [(0, 0), (1.5, 1), (10, 3)])
def test_pictures_are_taken_as_long_as_there_is_room(tmp_path: Path, room: float, taken: int) -> None:
    path = save(tmp_path / "a.png", (40, 40))
    pictures, left_out = within([("a", path)] * 3, int(room * len(saved_picture("a", path).uri)))
    assert (len(pictures), left_out) == (taken, 3 - taken)


def test_a_damaged_picture_is_told_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, empty, torn = (save(tmp_path / f"{name}.png", (40, 40)) for name in ("whole", "empty", "torn"))
    empty.write_bytes(b"")
    torn.write_bytes(whole.read_bytes()[:60])
    pictures, left_out = within([("a", empty), ("b", torn), ("c", whole)], 10**6)
    assert [picture.caption for picture in pictures] == ["c"] and left_out == 0  # of those that did not fit
    told = capsys.readouterr().out.splitlines()
    assert [line.split(" is damaged")[0] for line in told] == [
        f"Left out: the picture {path}" for path in (empty, torn)
    ]
