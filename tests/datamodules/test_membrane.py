"""Membranes from a small generated folder: folds, crops, whole slices, missing and damaged files; and the real ones."""

import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from image_files import write_membrane, write_png
from PIL import Image
from torch import Tensor

from datamodules.membrane import MembraneDataModule, split_slices
from datamodules.pair_augmentation import PairAugmentation
from lab.errors import LabError


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, **kwargs: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def loaded(root: Path, **arguments: object) -> MembraneDataModule:
    data = MembraneDataModule(root=str(root), **{"crop_size": 24, "num_val": 2, **arguments})
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    return data


def pixels(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path)))


def listing(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in [root, *root.rglob("*")]}


def test_evaluation_serves_whole_slices_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = write_membrane(tmp_path, num_slices=12)
    before = listing(tmp_path)
    data = loaded(tmp_path, fold=3, num_folds=4)
    assert listing(tmp_path) == before
    for loader, numbers in ((data.val_dataloader(), [7, 8]), (data.test_dataloader(), [9, 10, 11])):
        for (images, masks), number in zip(loader, numbers, strict=True):
            assert images.shape == (1, 1, 64, 64) and masks.shape == (1, 64, 64) and masks.dtype == torch.uint8
            assert torch.equal(images[0, 0], pixels(folder / "image" / f"{number}.png") / 255)
            assert torch.equal(masks[0], (pixels(folder / "label" / f"{number}.png") == 255).byte())


def test_evaluation_batches_may_hold_several_slices(tmp_path: Path) -> None:
    write_membrane(tmp_path)
    data = loaded(tmp_path, num_val=3, eval_batch_size=2)
    assert [tuple(images.shape) for images, _ in data.val_dataloader()] == [(2, 1, 64, 64), (1, 1, 64, 64)]


def test_a_training_epoch_has_so_many_crops_of_each_slice(tmp_path: Path) -> None:
    folder = write_membrane(tmp_path)
    data = loaded(tmp_path, crops_per_slice=3, batch_size=4)  # 6 slices to train
    batches = list(data.train_dataloader())
    assert [tuple(images.shape) for images, _ in batches] == 4 * [(4, 1, 24, 24)] + [(2, 1, 24, 24)]
    slices = [pixels(folder / "image" / f"{number}.png") for number in range(6)]
    found = [
        next(number for number, whole in enumerate(slices) if is_part(image[0], whole))
        for images, _ in batches
        for image in images
    ]
    assert sorted(found) == sorted(3 * [*range(6)])


def is_part(crop: Tensor, whole: Tensor) -> bool:
    windows = whole.unfold(0, 24, 1).unfold(1, 24, 1)  # (41, 41, 24, 24)
    return bool((windows == (crop * 255).round()).all(dim=(2, 3)).any())


def test_crops_are_drawn_anew_each_epoch_from_the_global_seed(tmp_path: Path) -> None:
    write_membrane(tmp_path)
    data = loaded(tmp_path)
    dataset = data.datasets["train"]
    torch.manual_seed(0)
    first, second = dataset[0][0], dataset[0][0]
    torch.manual_seed(0)
    assert not torch.equal(first, second) and torch.equal(dataset[0][0], first)


@pytest.mark.parametrize("crop_size", [None, 64])
def test_without_a_crop_training_serves_whole_slices(tmp_path: Path, crop_size: int | None) -> None:
    folder = write_membrane(tmp_path)
    dataset = loaded(tmp_path, crop_size=crop_size, crops_per_slice=2).datasets["train"]
    assert len(dataset) == 12
    assert torch.equal(dataset[11][0][0], pixels(folder / "image" / "5.png") / 255)


@pytest.mark.parametrize(("num_slices", "num_folds"), [(30, 5), (31, 4), (7, 7), (10, 3)])
def test_each_slice_is_tested_in_one_fold(num_slices: int, num_folds: int) -> None:
    folds = [split_slices(num_slices, fold, num_folds, num_val=2) for fold in range(num_folds)]
    assert [number for splits in folds for number in splits["test"]] == list(range(num_slices))
    for splits in folds:
        assert sorted(number for split in splits.values() for number in split) == list(range(num_slices))


def test_validation_slices_are_those_right_before_the_tested_ones() -> None:
    last, first = (split_slices(30, fold, 5, num_val=3) for fold in (4, 0))
    assert last == {"train": list(range(21)), "val": [21, 22, 23], "test": list(range(24, 30))}
    assert first == {"train": list(range(6, 27)), "val": [27, 28, 29], "test": list(range(6))}


def test_augmentation_is_applied_in_training(tmp_path: Path) -> None:
    write_membrane(tmp_path)
    data = loaded(tmp_path, augmentation=PairAugmentation(horizontal_flip=True, vertical_flip=True))
    torch.manual_seed(0)
    images, masks = batch = next(iter(data.train_dataloader()))
    data.trainer = SimpleNamespace(training=True)
    flipped_images, flipped_masks = data.on_after_batch_transfer(batch, 0)
    assert flipped_images.shape == images.shape and not torch.equal(flipped_images, images)
    assert not torch.equal(flipped_masks, masks)


def test_fit_does_not_read_the_test_slices(tmp_path: Path) -> None:
    folder = write_membrane(tmp_path)
    for number in (8, 9):
        (folder / "image" / f"{number}.png").write_bytes(b"damaged")
    data = MembraneDataModule(root=str(tmp_path), crop_size=24)
    data.setup("fit")
    with pytest.raises(LabError, match=r"image/8\.png cannot be read as an image"):
        data.setup("test")


def test_slices_of_other_kinds_are_read_and_nothing_is_downloaded_among_them(tmp_path: Path) -> None:
    folder = write_membrane(tmp_path)
    expected = loaded(tmp_path).datasets["train"].tensors
    for path in folder.rglob("*.png"):
        Image.open(path).save(path.with_suffix(".TIF"))
        path.unlink()
    for found, wanted in zip(loaded(tmp_path).datasets["train"].tensors, expected, strict=True):
        assert all(map(torch.equal, found, wanted))


def test_another_label_than_0_and_255_is_named(tmp_path: Path) -> None:
    folder = write_membrane(tmp_path)
    write_png(folder / "label" / "3.png", np.full((64, 64), 128))
    with pytest.raises(LabError, match=r"label/3\.png holds the value 128, but the values of a mask are 0, 255"):
        loaded(tmp_path)


def test_a_slice_without_its_label_is_named(tmp_path: Path) -> None:
    folder = write_membrane(tmp_path)
    (folder / "label" / "4.png").unlink()
    with pytest.raises(LabError, match=r"image/4\.png has no partner .*label/4\.png; .* 10 images and 9 masks"):
        loaded(tmp_path)


def test_a_missing_folder_offline_is_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    message = r"not in .*train \(image/0\.png is missing\) .*no route to host.*ARCHLAB_DATA.*configs/unet_shapes\.yaml"
    with pytest.raises(LabError, match=message):
        loaded(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_root_is_that_of_the_environment_when_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHLAB_DATA", str(tmp_path))
    assert MembraneDataModule().folder == tmp_path / "membrane" / "train"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fold": 5}, r"num_folds must be at least 2 and fold in 0 … num_folds − 1, but they are 5 and 5"),
        ({"fold": -1}, r"but they are 5 and -1"),
        ({"num_folds": 1, "fold": 0}, r"but they are 1 and 0"),
        ({"num_folds": 11}, r"of 10 slices 11 folds are asked for and 2 to validate"),
        ({"num_val": 8}, r"num_val leave one to train, but of 10 slices 5 folds are asked for and 8 to validate"),
        ({"num_val": 0}, r"num_val must be at least 1, but it is 0"),
        ({"crop_size": 0}, r"crop_size must be at least 1, but it is 0"),
        ({"crop_size": 65}, r"crop_size must be at most 64, .*train, but it is 65; null stands for whole slices"),
        ({"crops_per_slice": 0}, r"crops_per_slice must be at least 1, but it is 0"),
        ({"batch_size": 0}, r"batch_size must be at least 1, but it is 0"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, arguments: dict[str, int], message: str) -> None:
    write_membrane(tmp_path)
    with pytest.raises(ValueError, match=message):
        loaded(tmp_path, **arguments)


@pytest.mark.realdata
def test_real_membranes(real_data: Path) -> None:
    folder = real_data / "membrane"
    if not folder.is_dir():
        pytest.skip(f"no membrane images in {folder}")
    before = listing(folder)
    data = loaded(real_data, crop_size=256, crops_per_slice=1, num_val=3)
    assert listing(folder) == before
    assert {name: len(dataset) for name, dataset in data.datasets.items()} == {"train": 21, "val": 3, "test": 6}
    images, masks = (
        torch.stack([tensor for dataset in data.datasets.values() for tensor in dataset.tensors[kind]])
        for kind in (0, 1)
    )
    assert images.shape == (30, 1, 512, 512) and masks.shape == (30, 512, 512)
    assert float(masks.float().mean()) == pytest.approx(0.78, abs=0.01)
    assert float(images.float()[:, 0][masks == 0].mean()) < float(images.float()[:, 0][masks == 1].mean()) - 50
