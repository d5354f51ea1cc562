"""Which columns are pictures, and the files that they become."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lab.evaluation.pictures import is_pictures, write_pictures


def random_bytes(*shape: int) -> Tensor:
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def read(path: Path) -> Tensor:
    with Image.open(path) as picture:
        return torch.from_numpy(np.array(picture))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (random_bytes(2, 4, 5), True),
        (random_bytes(2, 3, 4, 5), True),
        (random_bytes(3, 3, 3), True),
        (random_bytes(2, 4, 5).to(torch.uint16), True),
        ([random_bytes(4, 5), random_bytes(3, 2, 7)], True),
        (random_bytes(2, 5), False),
        (random_bytes(2), False),
        (torch.rand(2, 5), False),
        ([random_bytes(1)[0], random_bytes(1)[0]], False),
        (["ash", "elm"], False),
        ([], False),
    ],
)
def test_pictures_are_bytes_with_a_height_and_a_width(values: Any, expected: bool) -> None:
    assert is_pictures("mask", values) is expected


@pytest.mark.parametrize(
    ("values", "held"),
    [
        (torch.zeros(2, 4, 5, dtype=torch.long), r"torch.int64 of the shape \(4, 5\)"),
        (torch.zeros(2, 3, 4, 5, dtype=torch.uint16), r"torch.uint16 of the shape \(3, 4, 5\)"),
        (torch.zeros(2, 3, 4, 5), r"torch.float32 of the shape \(3, 4, 5\)"),
        (random_bytes(2, 4, 4, 5), r"torch.uint8 of the shape \(4, 4, 5\)"),
        ([random_bytes(4, 5), random_bytes(1, 4, 5)], r"torch.uint8 of the shape \(1, 4, 5\)"),
        ([random_bytes(4, 5), random_bytes(4)], r"torch.uint8 of the shape \(4,\)"),
    ],
)
def test_what_is_almost_a_picture_is_refused(values: Any, held: str) -> None:
    rule = r"uint8 tensor of the shape \(H, W\) or \(3, H, W\), but 'mask' of the prediction holds"
    with pytest.raises(ValueError, match=f"{rule} {held}: change what predict_step returns"):
        is_pictures("mask", values)


@pytest.mark.parametrize("shape", [(6, 5), (3, 6, 5)])
def test_a_picture_is_written_as_it_is(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pictures = random_bytes(2, *shape)
    paths = write_pictures("mask", pictures, [7, 12345], tmp_path)
    assert [str(path) for path in paths] == ["predictions/mask_0007.png", "predictions/mask_12345.png"]
    for picture, path in zip(pictures, paths, strict=True):
        assert torch.equal(read(tmp_path / path), picture if picture.ndim == 2 else picture.movedim(0, -1))
    assert len(list((tmp_path / "predictions").iterdir())) == 2  # no temporary file is left


def test_16_bits_are_kept(tmp_path: Path) -> None:
    (path,) = write_pictures("mask", torch.tensor([[[0, 299, 65535]]]).to(torch.uint16), [0], tmp_path)
    assert read(tmp_path / path).tolist() == [[0, 299, 65535]]


def test_a_palette_colours_pictures_of_one_channel_and_keeps_their_numbers(tmp_path: Path) -> None:
    grey, colour = write_pictures(
        "mask", [random_bytes(4, 5) % 3, random_bytes(3, 4, 5)], [0, 1], tmp_path, [*range(9)]
    )
    assert torch.equal(read(tmp_path / grey), random_bytes(4, 5) % 3)
    with Image.open(tmp_path / grey) as picture:
        expected = torch.arange(9, dtype=torch.uint8).view(3, 3)[(random_bytes(4, 5) % 3).long()]
        assert torch.equal(torch.from_numpy(np.array(picture.convert("RGB"))), expected)
    assert torch.equal(read(tmp_path / colour), random_bytes(3, 4, 5).movedim(0, -1))


def test_pictures_of_unequal_sizes_and_transposed_ones_keep_their_sizes(tmp_path: Path) -> None:
    pictures = [random_bytes(4, 9).T, random_bytes(3, 2, 8)]
    first, second = write_pictures("seen", pictures, [1, 0], tmp_path)
    assert torch.equal(read(tmp_path / first), pictures[0])
    assert torch.equal(read(tmp_path / second), pictures[1].movedim(0, -1))


def test_without_a_folder_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (path,) = write_pictures("mask", random_bytes(1, 4, 4), [3], None)
    assert path.name == "mask_0003.png" and not any(tmp_path.iterdir())
