"""Images of a person's own and their classes: a folder a class, or a table."""

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from datamodules.byte_images import ByteImages
from datamodules.class_folders import Listing, list_class_folders, list_table
from datamodules.image_files import ImageForm, check_channels, glance, read_images, tell_resizing
from datamodules.image_repeats import tell_repeats
from datamodules.own_images import OwnImages
from datamodules.own_splits import check_fractions
from lab.downloads import data_root


class ImageFolderDataModule(OwnImages):
    """Images in a folder a class, or listed in a table: the data of one's own.

    Reads ``<root>/<folder>/{train,val,test}/<class>/*`` or, with neither validation nor test folder, draws these splits
    from the training images; or ``<root>/<folder>/<class>/*``, all splits drawn; or the CSV ``table`` with the columns
    file, label and, if one likes, split. Files are of any kind that Pillow reads of still images, names in letters of
    any case, sizes mixed. Nothing is written.

    Images are squashed to squares. All stay in memory as bytes: 10,000 of 224×224 pixels in colour take 1.5 GB.

    Args:
        root: folder of data sets; None stands for the environment variable ARCHLAB_DATA, else ``data``.
        folder: the folder of these images within ``root``; "" for ``root`` itself.
        table: a CSV of files and labels in that folder; None for a folder a class.
        image_size: side S of the images, in pixels, ≥ 4; None for the shorter side of the most frequent size of the
            training images, at most 256.
        channels: 1 for grey, 3 for colour; "auto" for colour where a training image has it.
        val_fraction: share of the training images that validates where there is no validation split, in (0, 1).
        test_fraction: share of the training images that tests where there is no test split, in (0, 1).
        predict_files: what ``predict`` reads, without labels: a folder of images, or files; None for the test split.
        flatten: serve rows of pixels instead of images.
        batch_size: training samples in a batch, per process, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process, ≥ 1.
        augmentation: applied to the images of each training batch.
        seed: seed of the splits that are drawn and of the order of the training samples.

    Shapes:
        a batch: images (B, I, S, S), or (B, I·S·S) with ``flatten``, of values in [0, 1]; labels (B,) in 0 … C−1, the
        places of the classes in ``class_names``

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when files are missing or damaged, a class is empty, or has too few images to be split.

    Example:
        >>> data = ImageFolderDataModule(root="../shared/data", folder="cifar10-images")  # doctest: +SKIP
        >>> data.num_classes, data.in_channels, data.image_size                           # doctest: +SKIP
        (10, 3, 32)
    """

    def __init__(
        self,
        root: str | None = None,
        folder: str = "",
        table: str | None = None,
        image_size: int | None = None,
        channels: int | str = "auto",
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        predict_files: str | list[str] | None = None,
        flatten: bool = False,
        batch_size: int = 32,
        eval_batch_size: int = 256,
        augmentation: nn.Module | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed, augmentation)
        check_fractions(val_fraction, test_fraction)
        check_channels(channels)
        if image_size is not None and image_size < 4:
            raise ValueError(f"image_size must be at least 4, but it is {image_size}.")
        if flatten and augmentation is not None:
            raise ValueError("flatten=True serves rows of pixels, which augmentation cannot distort: drop one of them.")
        self.folder = data_root(root) / folder
        self.table = None if table is None else self.folder / Path(table).expanduser()
        self.fractions = {"val": val_fraction, "test": test_fraction}
        self.wanted_size, self.channels, self.flatten = image_size, channels, flatten
        self.predict_files = predict_files

    @property
    def name(self) -> str:
        """What the data are called in pictures: as their folder is."""
        return self.folder.resolve().name

    @cached_property
    def listing(self) -> Listing:
        """The files of each split and their classes."""
        if self.table is not None:
            return list_table(self.table, self.fractions, self.seed)
        return list_class_folders(self.folder, self.fractions, self.seed)

    @cached_property
    def form(self) -> ImageForm:
        """The sizes and channels of the images to train and to validate, by the headers of their files."""
        return glance((path for split in ("train", "val") for path, _ in self.listing.splits[split]), self.channels)

    def found(self) -> dict[str, Any]:
        size = self.wanted_size or self.form.side
        return {"class_names": self.listing.class_names, "in_channels": self.form.channels, "image_size": size}

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """Height and width of the images, which rows of pixels have lost; None in colour."""
        return (self.image_size, self.image_size) if self.in_channels == 1 else None

    def load(self, training: bool) -> dict[str, ByteImages]:
        if training and not self.wanted_size:
            tell_resizing(self.form, self.image_size)
        splits = ("train", "val") if training else ("test",)
        loaded = {split: self._read(self.listing.splits[split]) for split in splits}
        if training:
            tell_repeats([path for path, _ in self.listing.splits["train"]], loaded["train"], self.class_names)
        return loaded

    def read_unlabelled(self, paths: Sequence[Path]) -> ByteImages:
        return ByteImages(read_images(paths, self.in_channels, self.image_size), flatten=self.flatten)

    def test_files(self) -> list[Path]:
        return [path for path, _ in self.listing.splits["test"]]

    def test_counts(self) -> dict[str, int]:
        return dict(Counter(self.class_names[label] for _, label in self.listing.splits["test"]))

    def _read(self, files: Sequence[tuple[Path, int]]) -> ByteImages:
        images = read_images([path for path, _ in files], self.in_channels, self.image_size)
        labels = torch.tensor([label for _, label in files])
        return ByteImages(images, labels, flatten=self.flatten)
