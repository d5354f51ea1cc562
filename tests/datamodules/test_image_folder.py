"""Folders and tables of a person's own images: splits, sizes, channels, what is wrong with them, and predictions."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from image_files import write_classes, write_png
from PIL import Image
from torch import nn

from datamodules import ImageFolderDataModule
from datamodules.listing import tell_once
from lab.errors import LabError


@pytest.fixture(autouse=True)
def told_anew() -> None:
    tell_once.cache_clear()


def loaded(root: Path, **arguments: object) -> ImageFolderDataModule:
    data = ImageFolderDataModule(root=str(root), **arguments)
    data.setup("fit")
    data.setup("test")
    return data


def lengths(data: ImageFolderDataModule) -> dict[str, int]:
    return {split: len(dataset) for split, dataset in data.datasets.items()}


def test_each_class_of_one_folder_gives_its_share_to_each_split(tmp_path: Path) -> None:
    write_classes(tmp_path, {"cat": 20, "ant": 10})
    data = loaded(tmp_path, val_fraction=0.2, test_fraction=0.1)
    assert data.class_names == ("ant", "cat") and data.num_classes == 2
    counts = {split: dataset.tensors[1].bincount().tolist() for split, dataset in data.datasets.items()}
    assert counts == {"train": [7, 14], "val": [2, 4], "test": [1, 2]}


def test_an_image_is_in_one_split_with_the_label_of_its_folder(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 9, "b": 8})
    files = {Image.open(path).convert("L").tobytes(): path.parent.name for path in tmp_path.rglob("*.png")}
    data, seen = loaded(tmp_path, channels=1), []
    for dataset in data.datasets.values():
        for image, label in zip(*dataset.tensors, strict=True):
            content = (255 * image).round().byte().numpy().tobytes()
            assert files[content] == data.class_names[label]
            seen.append(content)
    assert sorted(seen) == sorted(files)


def test_drawn_splits_follow_the_seed(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 20, "b": 20})
    first, again, other = (ImageFolderDataModule(str(tmp_path), seed=seed).listing.splits["test"] for seed in (0, 0, 1))
    assert first == again and first != other


def test_folders_called_like_splits_are_the_splits_and_a_missing_one_is_drawn(tmp_path: Path) -> None:
    write_classes(tmp_path / "Training", {"a": 10, "b": 10})
    write_classes(tmp_path / "test", {"a": 3, "b": 2})
    assert lengths(loaded(tmp_path, val_fraction=0.2)) == {"train": 16, "val": 4, "test": 5}
    write_classes(tmp_path / "VALID", {"a": 1, "b": 4})
    assert lengths(loaded(tmp_path)) == {"train": 20, "val": 5, "test": 5}


def test_a_table_names_files_labels_and_splits(tmp_path: Path) -> None:
    write_classes(tmp_path, {"pics": 6})
    splits = ["train", "train", "val", "val", "test", "TRAIN"]
    rows = [f"pics/{n}.png;{n % 2 + 9};{split};a note" for n, split in enumerate(splits)]
    (tmp_path / "labels.csv").write_text("\ufeffFile;Label;Split;remark\n" + "\n\n".join(rows) + "\n")
    data = loaded(tmp_path, table="labels.csv")
    assert data.class_names == ("9", "10") and lengths(data) == {"train": 3, "val": 2, "test": 1}
    assert data.datasets["train"].tensors[1].tolist() == [0, 1, 1]


def test_sizes_channels_and_classes_are_known_before_anything_is_read(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 9, "b": 9}, size=(12, 20))
    write_png(tmp_path / "a" / "0.png", np.zeros((30, 30)))
    data = ImageFolderDataModule(root=str(tmp_path))
    assert (data.num_classes, data.in_channels, data.image_size, data.datasets) == (2, 1, 12, {})
    for name, value in {"image_size": 16, "channels": 3}.items():
        assert getattr(ImageFolderDataModule(str(tmp_path), **{name: value}), name.replace("ch", "in_ch")) == value


def test_images_of_any_kind_size_and_case_become_squares_and_that_is_told(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 8, "b": 8}, size=(10, 10))
    for number, suffix in enumerate(["JPG", "Bmp", "TIFF", "gif", "webp"]):
        Image.new("RGB", (7 + number, 9), (250, 10, 10)).save(tmp_path / "a" / f"red{number}.{suffix}")
    with pytest.warns(UserWarning, match=r"images are of other sizes, .*squashed to 10×10, which enlarges [345]: data"):
        data = loaded(tmp_path)
    assert data.in_channels == 3 and lengths(data) == {"train": 17, "val": 2, "test": 2}
    images, _ = data.datasets["train"].__getitems__([0, 1])
    assert images.shape == (2, 3, 10, 10) and images.dtype == torch.float32
    red = [image for image in data.datasets["train"].tensors[0] if image[0].mean() > 0.9 and image[1].mean() < 0.1]
    assert len(red) >= 3


def test_sixteen_bits_are_grey_and_scaled_as_a_viewer_does(tmp_path: Path) -> None:
    for name, value in {"dark": 16384, "light": 65535}.items():
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(np.full((8, 8), value, np.uint16)).save(tmp_path / name / f"{number}.tif")
    data = ImageFolderDataModule(root=str(tmp_path))
    data.setup("test")
    assert data.in_channels == 1
    images, labels = data.datasets["test"].tensors
    assert {label: round(float(image.mean()), 2) for image, label in zip(images, labels.tolist(), strict=True)} == {
        0: 0.25,
        1: 1.0,
    }


def test_rows_of_pixels_are_those_of_the_images(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 5, "b": 5})
    rows, images = (loaded(tmp_path, flatten=flat).datasets["train"].tensors[0] for flat in (True, False))
    assert torch.equal(rows, images.flatten(1)) and loaded(tmp_path).image_shape == (8, 8)


def test_training_images_are_augmented(tmp_path: Path) -> None:
    class Invert(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return 1 - images

    write_classes(tmp_path, {"a": 5, "b": 5})
    data = loaded(tmp_path, augmentation=Invert())
    data.trainer = SimpleNamespace(training=True)
    batch = data.datasets["train"].__getitems__([0, 1])
    assert torch.equal(data.on_after_batch_transfer(batch, 0)[0], 1 - batch[0])


def test_fit_does_not_read_the_test_images(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"a": 5, "b": 5})
    write_classes(tmp_path / "test", {"a": 1, "b": 1})
    (tmp_path / "test" / "a" / "0.png").write_bytes(b"damaged")
    data = ImageFolderDataModule(root=str(tmp_path))
    data.setup("fit")
    with pytest.raises(LabError, match=rf"{tmp_path}/test/a/0\.png cannot be read as an image"):
        data.setup("test")


def spoil(root: Path, what: str) -> None:
    """One thing that is wrong with a folder of two classes."""
    write_classes(root, {"a": 6, "b": 6})
    if what == "damaged":
        (root / "a" / "3.png").write_bytes(b"no image")
    elif what == "too small":
        write_png(root / "a" / "3.png", np.zeros((3, 9)))
    elif what == "empty class":
        (root / "c").mkdir()
    elif what == "one sample":
        write_classes(root, {"c": 1})
    elif what == "one class":
        for path in [*(root / "b").iterdir()]:
            path.unlink()
        (root / "b").rmdir()
    elif what == "unknown class":
        write_classes(root / "train", {"cat": 6, "dog": 6})
        write_classes(root / "val", {"cats": 6})
    elif what == "two train":
        write_classes(root / "train", {"cat": 6, "dog": 6})
        write_classes(root / "Training", {"cat": 6, "dog": 6})
    elif what == "loose":
        for name in "ab":
            for path in [*(root / name).iterdir()]:
                path.rename(root / f"{name}{path.name}")
            (root / name).rmdir()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("damaged", r"^{0}/a/3\.png cannot be read as an image \(.*\): replace it by an undamaged copy\.$"),
        ("too small", r"^{0}/a/3\.png has 9×3 pixels, but an image needs a side of 4 at least: replace it or take it"),
        ("empty class", r"^{0}/c must hold images of its class, but holds none: add some, or take the folder away\.$"),
        (
            "one sample",
            r'^the class "c" has 1 sample to train on, but needs 3 to give one to each of train, test and v',
        ),
        ("one class", r'^{0} must hold two classes at least, but holds the class "a" alone: put the images of each'),
        ("unknown class", r'^{0}/val/cats is no class of the training images, cat, dog; did you mean "cat"\?: rename'),
        ("two train", r"^{0} must hold one folder of the train split, but holds Training and train: rename one"),
        ("loose", r"^{0} holds 12 images, but no folder for each class: sort them .* data\.table\.$"),
    ],
)
def test_what_is_wrong_is_one_sentence_that_names_it(tmp_path: Path, what: str, message: str) -> None:
    spoil(tmp_path, what)
    with pytest.raises(LabError, match=message.replace("{0}", str(tmp_path))):
        loaded(tmp_path)


def test_a_missing_folder_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=rf"^the folder {tmp_path}/no does not exist: set data\.root \(or"):
        loaded(tmp_path, folder="no")


def test_repeated_images_are_counted_and_contradictions_named(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"a": 6, "b": 6})
    write_classes(tmp_path / "val", {"a": 1, "b": 1}, seed=9)
    write_classes(tmp_path / "test", {"a": 1, "b": 1}, seed=8)
    content = (tmp_path / "train" / "a" / "0.png").read_bytes()
    (tmp_path / "train" / "a" / "copy.png").write_bytes(content)
    with pytest.warns(UserWarning, match=r"^1 training images are repeats .*such as .*/a/copy\.png of 0\.png: they c"):
        loaded(tmp_path)
    (tmp_path / "train" / "b" / "other.png").write_bytes(content)
    with pytest.warns(
        UserWarning, match=r'1 training images are those of another class .*a/0\.png of "a" and .*of "b"'
    ):
        loaded(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"val_fraction": 0.0}, r"val_fraction must be in \(0, 1\), but it is 0\.0"),
        ({"test_fraction": 1.0}, r"test_fraction must be in \(0, 1\), but it is 1\.0"),
        ({"val_fraction": 0.6, "test_fraction": 0.4}, r"must leave something to train on, but they are 0\.6 and 0\.4"),
        ({"channels": 2}, r'channels must be "auto", 1 \(grey\) or 3 \(colour\), but it is 2'),
        ({"image_size": 3}, r"image_size must be at least 4, but it is 3"),
        ({"flatten": True, "augmentation": nn.Identity()}, r"flatten=True serves rows of pixels, which augmentation"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageFolderDataModule(**arguments)


def predicted(data: ImageFolderDataModule, form: dict | None = None) -> torch.Tensor:
    data.setup("predict")
    data.load_state_dict({"form": form} if form else {})
    return torch.cat([batch[0] for batch in data.predict_dataloader()])


def test_a_folder_and_a_list_of_files_are_predicted_without_labels(tmp_path: Path) -> None:
    write_classes(tmp_path / "data", {"a": 5, "b": 5})
    write_classes(tmp_path, {"new": 3}, size=(20, 9))
    (tmp_path / "new" / "notes.txt").write_text("no image")
    data = ImageFolderDataModule(str(tmp_path / "data"), predict_files=str(tmp_path / "new"))
    assert predicted(data).shape == (3, 1, 8, 8) and data.file_names == ["0.png", "1.png", "2.png"]
    files = [str(tmp_path / name) for name in ("new/1.png", "data/a/1.png")]
    data = ImageFolderDataModule(str(tmp_path / "data"), predict_files=files)
    assert len(predicted(data)) == 2 and data.file_names == ["new/1.png", "data/a/1.png"]


def test_without_files_named_the_test_split_is_predicted_and_its_files_are_named(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"a": 5, "b": 5})
    write_classes(tmp_path / "test", {"a": 1, "b": 1})
    data = ImageFolderDataModule(str(tmp_path))
    assert len(predicted(data)) == 2 and data.file_names == ["test/a/0.png", "test/b/0.png"]


@pytest.mark.parametrize("arguments", [{"root": "flat"}, {"root": "no", "predict_files": "flat"}])
def test_where_the_training_data_are_not_the_checkpoint_says_what_the_network_has_seen(
    tmp_path: Path, arguments: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path, {"flat": 3})
    data = ImageFolderDataModule(**arguments)
    assert data.num_classes is None and data.image_size is None
    form = {"class_names": ["x", "y"], "in_channels": 3, "image_size": 12}
    assert predicted(data, form).shape == (3, 3, 12, 12)
    assert data.class_names == ("x", "y") and data.num_classes == 2


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ("empty", r"empty must hold images such as 0\.png to predict, but holds none"),
        ("gone.png", r'data\.predict_files names "gone\.png", but there is no such folder or file'),
        ([], r"must name a folder of images, or files, but the list is empty"),
    ],
)
def test_files_to_predict_that_are_not_there_are_named(
    tmp_path: Path, files: str | list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "data", {"a": 5, "b": 5})
    (tmp_path / "empty").mkdir()
    with pytest.raises(LabError, match=message):
        predicted(ImageFolderDataModule("data", predict_files=files))


def test_a_checkpoint_of_other_classes_is_refused_but_for_predictions(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 5, "b": 5})
    data, state = loaded(tmp_path), {"form": {"class_names": ["a", "c"], "in_channels": 1, "image_size": 8}}
    assert data.state_dict()["form"] == {"class_names": ["a", "b"], "in_channels": 1, "image_size": 8}
    with pytest.raises(LabError, match=r"has learnt the classes a, c, but the data in .* have a, b: set data\.root"):
        data.load_state_dict(state)


@pytest.mark.realdata
def test_real_photographs_in_folders(real_data: Path) -> None:
    if not (real_data / "cifar10-images").is_dir():
        pytest.skip(f"no cifar10-images in {real_data}")
    data = ImageFolderDataModule(str(real_data), "cifar10-images")
    assert (data.num_classes, data.in_channels, data.image_size) == (10, 3, 32)
    data.setup("fit")
    data.setup("test")
    assert lengths(data) == {"train": 7200, "val": 800, "test": 2000}
    assert data.datasets["train"].tensors[1].bincount().tolist() == 10 * [720]
