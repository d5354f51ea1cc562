"""Folders and tables of a person's own images and masks: splits, classes, sizes, what is wrong, and predictions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import write_png
from PIL import Image

from datamodules import ImagePairsDataModule, MembraneDataModule, OxfordPetDataModule
from datamodules.image_pairs import VOID
from datamodules.listing import tell_once
from lab.errors import LabError


@pytest.fixture(autouse=True)
def told_anew() -> None:
    tell_once.cache_clear()


def write_pairs(
    folder: Path, count: int = 10, values: tuple[int, ...] = (0, 255), names: tuple[str, str] = ("images", "masks")
) -> None:
    """Write ``{images,masks}/<number>.png``: noise, and the values in columns of random places."""
    rng = np.random.default_rng(count)
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        columns = np.sort(rng.integers(1, 12, len(values) - 1))
        places = np.searchsorted(columns, np.arange(16), side="right")
        write_png(folder / names[1] / f"{number}.png", np.tile(np.array(values)[places], (16, 1)))
        write_png(folder / names[0] / f"{number}.png", rng.integers(256, size=(16, 16)))


def loaded(root: Path, **arguments: object) -> ImagePairsDataModule:
    data = ImagePairsDataModule(root=str(root), **arguments)
    data.setup("fit")
    data.setup("test")
    return data


def lengths(data: ImagePairsDataModule) -> dict[str, int]:
    return {split: len(dataset) for split, dataset in data.datasets.items()}


def numbers(data: ImagePairsDataModule) -> dict[str, list[str]]:
    return {split: [image.stem for image, _ in data.pairs(split)] for split in ("train", "val", "test")}


def test_one_pair_of_folders_is_split_by_fractions_and_the_masks_show_the_classes(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    data = loaded(tmp_path, val_fraction=0.2)
    assert (data.class_names, data.num_classes, data.in_channels) == (("background", "object"), 2, 1)
    assert lengths(data) == {"train": 7, "val": 2, "test": 1} and data.image_size == 16
    assert sorted(stem for stems in numbers(data).values() for stem in stems) == [str(number) for number in range(10)]
    image, mask = data.datasets["test"][0]
    stem = numbers(data)["test"][0]
    assert np.array_equal(
        (255 * image[0]).round().byte().numpy(), np.array(Image.open(tmp_path / "images" / f"{stem}.png"))
    )
    assert np.array_equal(mask.numpy() * 255, np.array(Image.open(tmp_path / "masks" / f"{stem}.png")))
    assert data.mask_values == (0, 255)


def test_ranges_are_of_the_images_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    write_pairs(tmp_path, count=12)
    data = ImagePairsDataModule(str(tmp_path), val_range=[8, 9], test_range=[9, 12])
    assert numbers(data) == {"train": [*map(str, range(8))], "val": ["8"], "test": ["9", "10", "11"]}


def test_the_test_folder_is_tested_and_a_missing_validation_split_is_drawn(tmp_path: Path) -> None:
    write_pairs(tmp_path / "train", 8)
    write_pairs(tmp_path / "test", 3)
    data = loaded(tmp_path, val_fraction=0.25)
    assert lengths(data) == {"train": 6, "val": 2, "test": 3}
    assert all(image.parent == tmp_path / "test" / "images" for image, _ in data.pairs("test"))


def test_folders_have_the_names_that_a_person_gives_them(tmp_path: Path) -> None:
    write_pairs(tmp_path, names=("scans", "lesions"))
    assert len(loaded(tmp_path, image_folder="scans", mask_folder="lesions").datasets) == 3
    with pytest.raises(
        LabError, match=r"must hold a folder one of the names image, .* data\.image_folder, but holds les"
    ):
        loaded(tmp_path)
    with pytest.raises(
        LabError, match=r'a folder "scan"; did you mean "scans"\? as data\.image_folder, but holds lesi'
    ):
        loaded(tmp_path, image_folder="scan", mask_folder="lesions")


def test_masks_may_be_called_after_their_images(tmp_path: Path) -> None:
    write_pairs(tmp_path, 5)
    for path in [*(tmp_path / "masks").iterdir()]:
        path.rename(path.with_name(f"{path.stem}_mask.png"))
    assert all(mask.stem == f"{image.stem}_mask" for image, mask in ImagePairsDataModule(str(tmp_path)).pairs("train"))


def test_a_table_names_images_masks_and_splits(tmp_path: Path) -> None:
    write_pairs(tmp_path, 4, names=("x", "y"))
    splits = ["train", "test", "val", "train"]
    rows = [f"x/{number}.png,y/{number}.png,{split}" for number, split in enumerate(splits)]
    (tmp_path / "pairs.csv").write_text("\n".join(["image,mask,split", *rows]))
    data = loaded(tmp_path, table="pairs.csv")
    assert numbers(data) == {"train": ["0", "3"], "val": ["2"], "test": ["1"]}


@pytest.mark.parametrize(
    ("values", "names", "classes"),
    [
        ((0, 1), ("background", "object"), {0: 0, 1: 1}),
        ((0, 7), ("background", "object"), {0: 0, 7: 1}),
        ((0, 1, 2), ("background", "class 1", "class 2"), {0: 0, 1: 1, 2: 2, 255: VOID}),
        ((0, 1, 255), ("background", "object"), {0: 0, 1: 1, 255: VOID}),
    ],
)
def test_masks_show_their_classes(tmp_path: Path, values: tuple, names: tuple, classes: dict) -> None:
    write_pairs(tmp_path, values=values)
    data = ImagePairsDataModule(str(tmp_path))
    assert data.class_names == names and data.classes == classes


def test_a_person_names_the_values_and_those_that_are_void(tmp_path: Path) -> None:
    write_pairs(tmp_path, values=(1, 2, 3))
    with pytest.raises(
        LabError, match=r"masks such as .* hold the values 1, 2, 3, which do not say .*class_values, such"
    ):
        loaded(tmp_path)
    data = loaded(tmp_path, class_values={"ground": 2, "pet": [1], "void": 3})
    assert data.class_names == ("ground", "pet") and data.mask_values == (2, 1)
    for (_, mask), (_, file) in zip(
        (data.datasets["val"][n] for n in range(len(data.datasets["val"]))), data.pairs("val"), strict=True
    ):
        expected = np.array([0, 1, 0, VOID])[np.array(Image.open(file))]
        assert np.array_equal(mask.numpy(), expected)


def in_colours(folder: Path, colours: list[tuple[int, int, int]], palette: bool) -> None:
    """Store the masks as pictures in these colours, with a palette or without."""
    for path in (folder / "masks").iterdir():
        numbers_of = np.array(Image.open(path))
        if palette:
            image = Image.fromarray(numbers_of).convert("P")
            image.putpalette([channel for colour in colours for channel in colour])
        else:
            image = Image.fromarray(np.array(colours, np.uint8)[numbers_of])
        image.save(path)


@pytest.mark.parametrize("palette", [False, True])
def test_masks_in_colours_are_read_by_their_colours(tmp_path: Path, palette: bool) -> None:
    write_pairs(tmp_path, values=(0, 1, 2))
    expected = [mask for _, mask in loaded(tmp_path).datasets["train"]]
    in_colours(tmp_path, [(10, 0, 0), (0, 200, 0), (0, 0, 255)], palette)
    data = loaded(tmp_path, class_values={"a": "#0a0000", "b": "#00C800", "c": ["#0000ff", "#123456"]})
    assert data.mask_values is None
    assert all(map(torch.equal, [mask for _, mask in data.datasets["train"]], expected))
    with pytest.raises(
        LabError, match=r"\.png holds the colour #0000ff, but the colours of a mask are #00c800, #0a0000"
    ):
        loaded(tmp_path, class_values={"a": "#0a0000", "b": "#00C800"})


def test_a_palette_is_read_by_its_numbers_where_no_colours_are_named(tmp_path: Path) -> None:
    write_pairs(tmp_path, values=(0, 1, 2))
    expected = [mask for _, mask in loaded(tmp_path).datasets["train"]]
    in_colours(tmp_path, [(10, 0, 0), (0, 200, 0), (0, 0, 255)], palette=True)
    assert all(map(torch.equal, [mask for _, mask in loaded(tmp_path).datasets["train"]], expected))


def test_images_of_mixed_sizes_train_as_squares_and_are_evaluated_as_they_are(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    for kind in ("images", "masks"):
        for number in range(3):
            path = tmp_path / kind / f"{number}.png"
            Image.open(path).resize((24, 20), Image.Resampling.NEAREST).save(path)
    splits = {"val_range": [2, 5], "test_range": [5, 7]}
    with pytest.warns(
        UserWarning, match=r"3 of 8 images are of other sizes, most often 24×20 pixels, .* to 16×16 to tra"
    ):
        data = loaded(tmp_path, **splits)
    assert [tuple(mask.shape) for _, mask in data.datasets["val"]] == [(20, 24), (16, 16), (16, 16)]
    assert next(iter(data.train_dataloader()))[0].shape == (4, 1, 16, 16) and data.image_size == 16
    assert [len(batch[0]) for batch in data.val_dataloader()] == [1, 1, 1]
    crops = loaded(tmp_path, crop_size=8, crops_per_image=3, **splits)
    assert crops.image_size == 8 and lengths(crops)["train"] == 3 * 5
    assert next(iter(crops.train_dataloader()))[1].shape == (4, 8, 8)


@pytest.mark.parametrize("turned", ["images", "masks"])
def test_an_image_that_a_camera_has_turned_lies_on_its_mask(tmp_path: Path, turned: str) -> None:
    write_pairs(tmp_path, 6)
    expected = loaded(tmp_path)
    exif = Image.Exif()
    exif[274] = 6
    for path in (tmp_path / turned).iterdir():
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    data = loaded(tmp_path)
    for split, dataset in expected.datasets.items():
        for found, wanted in zip(data.datasets[split].tensors, dataset.tensors, strict=True):
            assert all(map(torch.equal, found, wanted))


def test_images_in_colour_keep_it(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    Image.new("RGB", (16, 16), (250, 0, 0)).save(tmp_path / "images" / "3.png")
    splits = {"val_range": [0, 1], "test_range": [1, 2]}
    assert loaded(tmp_path, **splits).datasets["train"][1][0].mean(dim=(1, 2)).round(decimals=1).tolist() == [1, 0, 0]
    assert loaded(tmp_path, channels=1, **splits).in_channels == 1


def spoil(root: Path, what: str) -> dict[str, object]:
    """One thing that is wrong with a folder of pairs, and the arguments that ask for it."""
    write_pairs(root, 2 if what == "two pairs" else 5)
    mask = root / "masks" / "3.png"
    if what == "no mask":
        mask.unlink()
    elif what == "smoothed":
        write_png(mask, np.tile(np.arange(16) * 16, (16, 1)))
        return {"class_values": {"a": 0, "b": 255}}
    elif what == "too many":
        write_png(mask, np.arange(256).reshape(16, 16))
    elif what == "other size":
        write_png(mask, np.zeros((16, 15)))
    elif what == "one value":
        for path in (root / "masks").iterdir():
            write_png(path, np.zeros((16, 16)))
    elif what == "colours":
        Image.new("RGB", (16, 16), "red").save(mask)
        return {"val_range": [3, 4], "test_range": [4, 5]}
    elif what == "range":
        return {"val_range": [3, 4], "test_range": [4, 6]}
    elif what == "crops":
        return {"crop_size": 17}
    return {}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no mask", r"^{0}/images/3\.png has no partner {0}/masks/3\.png; each image must have its mask"),
        ("smoothed", r"^{0}/masks/3\.png holds the value 16, but the values of a mask are 0, 255: save it without smo"),
        ("too many", r"^masks up to {0}/masks/\d\.png hold 256 values \(0, 1, .*\), too many for classes: save them"),
        ("other size", r"^{0}/images/3\.png has 16×16 pixels and {0}/masks/3\.png has 15×16: an image and its mask"),
        ("one value", r"^the masks such as {0}/masks/\d\.png hold the value 0, which do not say what the classes are"),
        (
            "colours",
            r"^{0}/masks/3\.png must hold one whole number a pixel .* or name its colours by data\.class_values",
        ),
        ("two pairs", r"^{0} has 2 samples to train on, but needs 3 to give one to each of train, test and val: add"),
        ("range", r"^{0} has 5 samples, 0 … 4, which are too few for val_range \[3, 4\] and test_range \[4, 6\]"),
        ("crops", r"^crop_size must be at most 16, the smallest side of the images in {0}, but it is 17; null stands"),
    ],
)
def test_what_is_wrong_is_one_sentence_that_names_it(tmp_path: Path, what: str, message: str) -> None:
    arguments = spoil(tmp_path, what)
    with pytest.raises((LabError, ValueError), match=message.replace("{0}", str(tmp_path))):
        loaded(tmp_path, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"class_values": {"a": 0}},
            r"class_values must name from 2 to 254 classes beside void, such as .*, but names 1",
        ),
        ({"class_values": {"a": 0, "b": 0}}, r"class_values gives 0 to a and to b: leave one of them out"),
        ({"class_values": {"a": 0, "b": "#ff0000"}}, r"must be all numbers or all colours, but holds both"),
        (
            {"class_values": {"a": 0, "b": None}},
            r"must give b a whole number .* in quotes such as '#ff8000', but gives No",
        ),
        ({"class_values": {"a": 0, "b": "red"}}, r"must give b a whole number .*, but gives 'red'"),
        ({"class_values": {"a": 0, "b": 1, "c": []}}, r"must give c a value, but its list is empty"),
        ({"val_range": [0, 2]}, r"val_range and test_range must both be two numbers, .*, but test_range is None"),
        ({"val_range": [3, 3], "test_range": [0, 1]}, r"such as \[20, 25\], but val_range is \[3, 3\]"),
        ({"val_range": [0, 3], "test_range": [2, 5]}, r"must share no sample, but are \[0, 3\] and \[2, 5\]"),
        ({"crops_per_image": 0}, r"crops_per_image must be at least 1, but it is 0"),
        ({"image_size": 2}, r"image_size must be at least 4, but it is 2"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImagePairsDataModule(**arguments)


def test_images_without_masks_are_predicted_at_their_sizes(tmp_path: Path) -> None:
    write_pairs(tmp_path / "data")
    (tmp_path / "new").mkdir()
    for number, size in enumerate([(20, 9), (16, 16)]):
        write_png(tmp_path / "new" / f"{number}.png", np.zeros(size))
    data = ImagePairsDataModule(str(tmp_path / "data"), predict_files=str(tmp_path / "new"))
    data.setup("predict")
    assert [tuple(batch[0].shape) for batch in data.predict_dataloader()] == [(1, 1, 20, 9), (1, 1, 16, 16)]
    assert data.file_names == ["0.png", "1.png"] and data.mask_values == (0, 255)


def test_a_folder_of_images_alone_is_predicted_by_what_the_checkpoint_knows(tmp_path: Path) -> None:
    write_png(tmp_path / "new.png", np.zeros((9, 9)))
    data = ImagePairsDataModule(str(tmp_path))
    assert data.num_classes is None and data.mask_values is None
    data.setup("predict")
    data.load_state_dict({"form": {"class_names": ["a", "b"], "in_channels": 3, "image_size": None}})
    assert [tuple(batch[0].shape) for batch in data.predict_dataloader()] == [(1, 3, 9, 9)]
    assert data.class_names == ("a", "b") and data.file_names == ["new.png"]


@pytest.mark.parametrize("known", [MembraneDataModule, OxfordPetDataModule])
def test_known_data_sets_predict_images_of_a_person_without_their_own(tmp_path: Path, known: type) -> None:
    write_png(tmp_path / "new.png", np.zeros((9, 9)))
    data = known(root=str(tmp_path), predict_files=str(tmp_path))
    data.prepare_data()  # which downloads nothing
    data.setup("predict")
    data.load_state_dict({"form": {"class_names": ["a", "b"], "in_channels": 1, "image_size": None}})
    assert [tuple(batch[0].shape) for batch in data.predict_dataloader()] == [(1, 1, 9, 9)]


@pytest.mark.realdata
def test_real_micrographs_by_ranges_are_those_of_the_membranes(real_data: Path) -> None:
    folder = real_data / "membrane" / "train"
    if not folder.is_dir():
        pytest.skip(f"no membrane images in {folder}")
    own = loaded(folder, val_range=[21, 24], test_range=[24, 30], crop_size=256, crops_per_image=4)
    known = MembraneDataModule(str(real_data))
    known.setup("fit")
    known.setup("test")
    assert lengths(own) == lengths(known) and own.class_names == ("background", "object")
    for split, dataset in known.datasets.items():
        for found, wanted in zip(own.datasets[split].tensors, dataset.tensors, strict=True):
            assert all(map(torch.equal, found, wanted))
