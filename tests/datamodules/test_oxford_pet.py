"""Pets from a small generated folder: squashed to train, whole to evaluate, missing, damaged; and the real ones."""

from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from image_files import write_pets, write_png
from PIL import Image
from torch import Tensor
from torchvision import datasets

from datamodules.image_pairs import VOID
from datamodules.oxford_pet import OxfordPetDataModule, read_list
from lab.errors import LabError


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(root: Path, download: bool) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(datasets, "OxfordIIITPet", refuse)


def loaded(root: Path, **arguments: object) -> OxfordPetDataModule:
    data = OxfordPetDataModule(root=str(root), **{"image_size": 16, "val_fraction": 0.25, "batch_size": 4, **arguments})
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    return data


def listing(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in [root, *root.rglob("*")]}


def trimap(folder: Path, name: str) -> Tensor:
    return torch.from_numpy(np.array(Image.open(folder / "annotations" / "trimaps" / f"{name}.png")))


def test_splits_are_those_of_the_lists_and_the_folder_stays_as_it_is(tmp_path: Path) -> None:
    folder = write_pets(tmp_path)
    write_png(folder / "annotations" / "trimaps" / "stray.png", np.zeros((3, 3)))  # in no list
    before = listing(tmp_path)
    data = loaded(tmp_path)
    assert listing(tmp_path) == before
    assert {name: len(dataset) for name, dataset in data.datasets.items()} == {"train": 9, "val": 3, "test": 4}


def test_training_photographs_are_squares_of_bytes_served_as_numbers_from_0_to_1(tmp_path: Path) -> None:
    write_pets(tmp_path)
    data = loaded(tmp_path)
    assert all(image.dtype == torch.uint8 for image in data.datasets["train"].tensors[0])
    batches = list(data.train_dataloader())
    assert [len(images) for images, _ in batches] == [4, 4, 1]
    images, masks = batches[0]
    assert images.shape == (4, 3, 16, 16) and images.dtype == torch.float32 and 0.5 < images.max() <= 1
    assert masks.shape == (4, 16, 16) and masks.dtype == torch.uint8


def test_the_pet_has_the_same_place_in_image_and_mask(tmp_path: Path) -> None:
    write_pets(tmp_path)
    for image, mask in zip(*loaded(tmp_path).datasets["train"].tensors, strict=True):
        red = image[0].float()  # the generated pets are redder than their grounds
        assert red[mask == 1].mean() > red[mask == 0].mean() + 40


@pytest.mark.parametrize(
    ("border", "classes", "names"),
    [
        ("void", {1: 1, 2: 0, 3: VOID}, ("background", "pet")),
        ("class", {1: 1, 2: 0, 3: 2}, ("background", "pet", "border")),
    ],
)
def test_photographs_are_tested_whole_one_a_batch(
    tmp_path: Path, border: str, classes: dict[int, int], names: tuple[str, ...]
) -> None:
    folder = write_pets(tmp_path)
    data = loaded(tmp_path, border=border)
    assert data.class_names == names and data.num_classes == len(names)
    listed = read_list(folder / "annotations" / "test.txt")
    for name, (images, masks) in zip(listed, data.test_dataloader(), strict=True):
        expected = trimap(folder, name)
        assert images.shape == (1, 3, *expected.shape) and masks.shape == (1, *expected.shape)
        photograph = np.array(Image.open(folder / "images" / f"{name}.jpg"))
        assert torch.equal((images[0] * 255).round().byte(), torch.from_numpy(photograph).permute(2, 0, 1))
        for value, label in classes.items():
            assert torch.equal(masks[0] == label, expected == value) and (expected == value).any()
    assert len({tuple(masks.shape) for _, masks in data.test_dataloader()}) > 1
    assert all(len(images) == 1 for images, _ in data.val_dataloader())


def test_the_split_follows_the_seed(tmp_path: Path) -> None:
    write_pets(tmp_path)
    first, again, other = (
        [float(image.float().mean()) for image in loaded(tmp_path, seed=seed).datasets["val"].tensors[0]]
        for seed in (0, 0, 1)
    )
    assert first == again and set(first) != set(other)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA"])
def test_photographs_in_other_modes_are_read_in_three_colours(tmp_path: Path, mode: str) -> None:
    folder = write_pets(tmp_path)
    path = folder / "images" / "Abyssinian_0.jpg"
    Image.open(path).convert(mode).save(path, format="PNG")  # the real folder too has such files of this name
    data = loaded(tmp_path)
    assert {len(image) for split in ("train", "val") for image in data.datasets[split].tensors[0]} == {3}


@pytest.mark.parametrize("missing", ["images/Abyssinian_3.jpg", "annotations/trimaps/Abyssinian_3.png"])
def test_a_listed_photograph_that_is_missing_is_named(tmp_path: Path, missing: str) -> None:
    path = write_pets(tmp_path) / missing
    path.unlink()
    with pytest.raises(LabError, match=rf"^{path} is missing, though trainval\.txt lists it: set --data\.root or"):
        loaded(tmp_path)


def test_files_are_found_in_any_case_and_photographs_in_no_list_are_told(tmp_path: Path) -> None:
    folder = write_pets(tmp_path)
    expected = loaded(tmp_path)
    for path in folder.rglob("*.*"):
        suffix = ".JPEG" if path.suffix == ".jpg" else path.suffix.upper()
        path.rename(path.with_name(path.stem + suffix))
    (folder / "images" / "stray_1.JPEG").write_bytes((folder / "images" / "Bengal_2.JPEG").read_bytes())
    with pytest.warns(UserWarning, match=r"images 1 of the entries are passed over, as photographs in no list: str"):
        data = loaded(tmp_path)
    for split, dataset in expected.datasets.items():
        assert all(map(torch.equal, data.datasets[split].tensors[0], dataset.tensors[0]))


def test_a_damaged_photograph_is_named(tmp_path: Path) -> None:
    path = write_pets(tmp_path) / "images" / "Bengal_2.jpg"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(LabError, match=rf"^{path} cannot be read as an image \(.*truncated"):
        loaded(tmp_path)


def test_another_value_in_a_trimap_is_named(tmp_path: Path) -> None:
    path = write_pets(tmp_path) / "annotations" / "trimaps" / "Bengal_2.png"
    write_png(path, np.zeros_like(np.array(Image.open(path))))
    with pytest.raises(LabError, match=rf"^{path} holds the value 0, but the values of a mask are 1, 2, 3"):
        loaded(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"trainval\.txt is missing: set --data\.root or ARCHLAB_DATA .*configs/unet_shapes\.yaml"),
        (b"# Image CLASS-ID SPECIES BREED ID\n\n", r"trainval\.txt must list photographs, a line each, but lists none"),
        (b"\xff\xfe\x00", r"trainval\.txt cannot be read as a list of photographs \(.*\): replace it"),
    ],
)
def test_a_list_that_is_missing_empty_or_no_text_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = write_pets(tmp_path) / "annotations" / "trainval.txt"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(LabError, match=message):
        loaded(tmp_path)


def test_a_list_begins_each_line_with_a_name(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("#Image CLASS-ID SPECIES BREED\nAbyssinian_100 1 1 1\n\nBengal_7 6 1 2\n")
    assert read_list(path) == ["Abyssinian_100", "Bengal_7"]


@pytest.mark.parametrize("error", [URLError("no route to host"), RuntimeError("File not found or corrupted.")])
def test_a_missing_folder_offline_is_one_sentence_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(root: Path, download: bool) -> None:
        raise error

    monkeypatch.setattr(datasets, "OxfordIIITPet", fail)
    message = r"not in .*oxford-iiit-pet and cannot be downloaded \(.*(no route|corrupted).*\): .*ARCHLAB_DATA .*unet_"
    with pytest.raises(LabError, match=message):
        loaded(tmp_path)


def test_the_full_data_set_is_downloaded_where_there_is_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def serve(root: Path, download: bool) -> None:
        asked.append((root, download))
        write_pets(root)

    monkeypatch.setattr(datasets, "OxfordIIITPet", serve)
    loaded(tmp_path)
    assert len(loaded(tmp_path).datasets["test"]) == 4
    assert asked == [(tmp_path, True)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"border": "pet"}, r'border must be "void" or "class", but it is "pet"'),
        ({"image_size": 0}, r"image_size must be at least 1, but it is 0"),
        ({"val_fraction": 1.0}, r"val_fraction must be in \(0, 1\) .* but it is 1\.0"),
        ({"val_fraction": 0.01}, r"val_fraction must be in \(0, 1\) and leave no split empty, but it is 0\.01"),
        ({"batch_size": 0}, r"batch_size must be at least 1, but it is 0"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, arguments: dict, message: str) -> None:
    write_pets(tmp_path)
    with pytest.raises(ValueError, match=message):
        loaded(tmp_path, **arguments)


@pytest.mark.realdata
def test_real_pets(real_data: Path) -> None:
    folder = real_data / "oxford-iiit-pet"
    if not folder.is_dir():
        pytest.skip(f"no pets in {folder}")
    before = listing(folder)
    data = loaded(real_data, border="class", image_size=128, val_fraction=0.1)
    assert listing(folder) == before
    if len(data.datasets["test"]) != 101:
        pytest.skip(f"{folder} is not the part of 401 photographs")
    assert {name: len(dataset) for name, dataset in data.datasets.items()} == {"train": 270, "val": 30, "test": 101}
    masks = [mask for dataset in data.datasets.values() for mask in dataset.tensors[1]]
    shares = torch.stack([torch.bincount(mask.flatten(), minlength=3) / mask.numel() for mask in masks]).mean(dim=0)
    assert shares.tolist() == pytest.approx([0.59, 0.28, 0.13], abs=0.01)
