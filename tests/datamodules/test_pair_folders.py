"""Images and masks of two folders are paired by their names; what is alone or doubled is named."""

from pathlib import Path

import numpy as np
import pytest
from image_files import write_png

from datamodules.image_pairs import read_pairs
from datamodules.pair_folders import list_pairs
from lab.errors import LabError


def write_pair(folder: Path, name: str = "0.png", shape: tuple[int, int] = (5, 6)) -> tuple[Path, Path]:
    """A random image of three channels and a random mask of the values 0, 7 and 9."""
    rng = np.random.default_rng(0)
    image, mask = folder / "image" / name, folder / "mask" / name
    for path in (image, mask):
        path.parent.mkdir(exist_ok=True)
    write_png(image, rng.integers(256, size=(*shape, 3)))
    write_png(mask, rng.choice([0, 7, 9], size=shape))
    return image, mask


def test_pairs_are_listed_by_number(tmp_path: Path) -> None:
    for number in (10, 9, 2, 11):
        pair = write_pair(tmp_path, f"{number}.png")
    (pair[0].parent / "notes.txt").write_text("no image")
    with pytest.warns(UserWarning, match=r"in .*/image 1 of the entries are passed over, as no images: notes\.txt\."):
        pairs = list_pairs(tmp_path / "image", tmp_path / "mask")
    assert [image.name for image, _ in pairs] == ["2.png", "9.png", "10.png", "11.png"]
    assert all(mask == tmp_path / "mask" / image.name for image, mask in pairs)


def test_files_of_any_kind_in_any_case_are_paired_by_their_names(tmp_path: Path) -> None:
    images = {"0.png": "0.tif", "1.PNG": "1.png", "2.Jpeg": "2.BMP", "a.b.TIFF": "a.b.gif"}
    for image, mask in images.items():
        for folder, name in (("image", image), ("mask", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_png(tmp_path / folder / name, np.zeros((4, 4)))
    (tmp_path / "image" / "._0.png").write_bytes(b"what macOS leaves")
    (tmp_path / "mask" / "more.png").mkdir()
    with pytest.warns(UserWarning, match="passed over, as no images: (._0|more).png"):
        pairs = list_pairs(tmp_path / "image", tmp_path / "mask")
    assert {image.name: mask.name for image, mask in pairs} == images
    read_pairs(pairs, "L", {0: 0})


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("0.png", "0.tif"):
        write_pair(tmp_path, name)
    with pytest.raises(LabError, match=r'image must hold one file of the name "0", but holds 0\.png and 0\.tif: take'):
        list_pairs(tmp_path / "image", tmp_path / "mask")


@pytest.mark.parametrize(("lone", "other"), [("image", "mask"), ("mask", "image")])
def test_an_image_or_a_mask_without_its_partner_is_named(tmp_path: Path, lone: str, other: str) -> None:
    for number in (1, 2, 10):
        write_pair(tmp_path, f"{number}.png")
    for number in (2, 10):
        (tmp_path / other / f"{number}.png").unlink()
    counts = "3 images and 1 masks" if lone == "image" else "1 images and 3 masks"
    message = rf"^{tmp_path}/{lone}/2\.png has no partner {tmp_path}/{other}/2\.png; .*there are {counts}: add"
    with pytest.raises(LabError, match=message):
        list_pairs(tmp_path / "image", tmp_path / "mask")


def test_an_empty_folder_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=rf"^{tmp_path}/image must hold images such as 0.png, but holds none: set"):
        list_pairs(tmp_path / "image", tmp_path / "mask")
