"""The picture of the data: what it shows, once in a run, and no trace of it in the training."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from image_files import write_classes, write_membrane, write_png

from callbacks import DataPicture
from datamodules import (
    CIFAR10DataModule,
    DigitsDataModule,
    GaussianDataModule,
    ImageFolderDataModule,
    MembraneDataModule,
    ShapesDataModule,
)
from figures import draw_data


def bars(figure: object) -> dict[str, list[float]]:
    """The widths of the bars of each split."""
    (axes,) = [axes for axes in figure.axes if axes.get_xlabel()]
    return {bar.get_label(): [round(patch.get_width(), 3) for patch in bar] for bar in axes.containers}


def test_bars_are_the_shares_of_the_classes_and_the_title_the_sizes(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"ant": 6, "bee": 2})
    write_classes(tmp_path / "val", {"ant": 1, "bee": 1}, seed=1)
    write_classes(tmp_path / "test", {"ant": 1, "bee": 3}, seed=2)
    (tmp_path / "test" / "ant" / "0.png").write_bytes(b"never read")
    data = ImageFolderDataModule(str(tmp_path))
    data.setup("fit")
    preview = data.preview()
    assert preview["sizes"] == {"train": 8, "val": 2, "test": 4} and preview["unit"] == "images"
    assert [sample["label"] for sample in preview["samples"]] == 4 * ["ant"] + 2 * ["bee"]
    figure = draw_data(preview, "insects")
    assert figure.get_suptitle() == "insects: train 8, val 2, test 4"
    assert bars(figure) == {"train": [0.75, 0.25], "val": [0.5, 0.5], "test": [0.25, 0.75]}
    assert sum(len(axes.images) for axes in figure.axes) == 6


def test_examples_are_of_the_class_that_is_written_beside_them() -> None:
    data = DigitsDataModule(flatten=True)
    data.setup("fit")
    images, labels = data.datasets["train"].tensors
    for sample in data.preview()["samples"]:
        same = (images == sample["image"].flatten()).all(dim=1)
        assert {str(label) for label in labels[same].tolist()} == {sample["label"]} and sample["image"].shape == (
            1,
            8,
            8,
        )


def test_masks_are_counted_by_pixels_without_the_void_ones(tmp_path: Path) -> None:
    write_membrane(tmp_path, num_slices=10)
    data = MembraneDataModule(str(tmp_path), crop_size=24)
    data.setup("fit")
    before = torch.random.get_rng_state()
    preview = data.preview()
    assert torch.equal(torch.random.get_rng_state(), before)
    masks = torch.stack(data.datasets["train"].tensors[1])
    assert preview["counts"]["train"] == {"membrane": int((masks == 0).sum()), "cell": int((masks == 1).sum())}
    assert preview["sizes"] == {"train": 5, "val": 3, "test": 2}
    figure = draw_data(preview)
    assert sum(len(axes.images) for axes in figure.axes) == 2 * len(preview["samples"]) >= 8
    shapes = ShapesDataModule(task="segment", num_classes=4, image_size=16, num_train=20, num_eval=5)
    shapes.setup("fit")
    counts = shapes.preview()["counts"]["train"]
    assert list(counts) == ["ground", "circle", "triangle", "square"] and sum(counts.values()) == 20 * 16 * 16
    assert [*bars(draw_data(shapes.preview()))] == ["train", "val"]


def test_of_many_classes_the_first_are_drawn_and_the_rest_counted() -> None:
    names = [f"class {number}" for number in range(25)]
    samples = [{"image": torch.rand(3, 4, 4), "label": name} for name in names]
    counts = {"train": dict.fromkeys(names, 1)}
    figure = draw_data(
        {"samples": samples, "sizes": {"train": 25}, "counts": counts, "unit": "images", "class_names": names}
    )
    assert sum(len(axes.images) for axes in figure.axes) == 20
    assert [axes.get_title(loc="right") for axes in figure.axes if axes.get_title(loc="right")] == ["5 more classes"]


@pytest.mark.parametrize("observed", [False, True])
def test_the_picture_is_drawn_once_and_training_is_the_same(
    tmp_path: Path, tiny_task: Callable, tiny_images: type, make_trainer: Callable, observed: bool, coarse_figures: None
) -> None:
    class Images(tiny_images):
        in_channels, image_size = 1, 8

    torch.manual_seed(0)
    task, plain = tiny_task(dropout=0.3), tiny_task(dropout=0.3)
    trainer = make_trainer(callbacks=[DataPicture()] if observed else [], max_epochs=2)
    torch.manual_seed(1)
    trainer.fit(task, datamodule=Images())
    torch.manual_seed(1)
    make_trainer(max_epochs=2).fit(plain, datamodule=Images())
    for name, value in plain.state_dict().items():
        assert torch.equal(task.state_dict()[name], value), name
    figures = sorted(path.name for path in (Path(trainer.logger.log_dir)).rglob("figures/*"))
    assert figures == (["data.png"] if observed else [])


def test_a_resumed_run_has_its_picture_already(
    tmp_path: Path, tiny_task: Callable, tiny_images: type, make_trainer: Callable, coarse_figures: None
) -> None:
    class Images(tiny_images):
        in_channels, image_size = 1, 8

    first, again = (make_trainer(callbacks=[DataPicture()], max_epochs=epochs) for epochs in (1, 2))
    first.fit(tiny_task(), datamodule=Images())
    first.save_checkpoint(tmp_path / "last.ckpt")
    again.fit(tiny_task(), datamodule=Images(), ckpt_path=tmp_path / "last.ckpt")
    assert not list(Path(again.logger.log_dir).rglob("figures/*"))


def test_data_that_are_no_images_have_no_preview() -> None:
    data = GaussianDataModule()
    data.setup("fit")
    assert data.preview() == {}


def test_each_known_data_set_of_images_says_its_sizes_and_classes(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", torch.zeros(4, 4).numpy())
    for data, expected in {
        DigitsDataModule(): (10, 1, 8),
        CIFAR10DataModule(): (10, 3, 32),
        ShapesDataModule(image_size=16, num_classes=5): (5, 1, 16),
        MembraneDataModule(str(tmp_path), crop_size=128): (2, 1, 128),
    }.items():
        assert (data.num_classes, data.in_channels, data.image_size) == expected
        assert len(data.class_names) == data.num_classes
