"""Images and masks of a person's own: two folders, or a table."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.utils.data import Dataset

from datamodules.image_files import ImageForm, check_channels, glance, read_image, tell_resizing, to_tensor
from datamodules.image_pairs import ImagePairs, SegmentationDataModule, UnlabelledImages, read_pairs
from datamodules.image_reading import Notes, open_picture
from datamodules.mask_values import MaskValues, Value, learnt_values, stated_values
from datamodules.own_images import OwnImages
from datamodules.own_splits import check_fractions, check_ranges, complete_splits, split_ranges
from datamodules.pair_folders import Pair, list_pair_folders, list_pair_table
from datamodules.random_crops import RandomCrops
from lab.downloads import data_root


class ImagePairsDataModule(OwnImages, SegmentationDataModule):
    """Images, each with a mask that gives every pixel its class: the data of one's own.

    Reads ``<root>/<folder>/{train,val,test}/{images,masks}/*``, the splits that have no folder drawn from the training
    images; or ``<root>/<folder>/{images,masks}/*``, all splits drawn, or ranges of the images in the order of the
    numbers in their names; or the CSV ``table`` with the columns image, mask and, if one likes, split. An image and its
    mask have the same name, and any of the kinds that Pillow reads. Nothing is written.

    Training images of several sizes are squashed to squares, unless crops of them are taken; the others are served at
    their full sizes, so that metrics are those of the images. All stay in memory as bytes.

    Args:
        root: folder of data sets; None stands for the environment variable ARCHLAB_DATA, else ``data``.
        folder: the folder of these images within ``root``; "" for ``root`` itself.
        image_folder: name of the folders of images; None for one that is called so, such as "images".
        mask_folder: name of the folders of masks; None for one that is called so, such as "masks".
        table: a CSV of images and masks in the folder; None for folders.
        class_values: the values of each class in the files of the masks, by the names of the classes in their order,
            "void" for what counts nowhere: whole numbers, numbers of a palette, colours such as "#ff8000", or lists of
            them; None for what the masks show: 0 and another value, or 0 … C−1 and 255 for void.
        channels: 1 for grey, 3 for colour; "auto" for colour where a training image has it.
        image_size: side S to which training images are squashed, in pixels, ≥ 4; None leaves them as they are, unless
            they are of several sizes, which get the shorter side of the most frequent size, at most 256.
        crop_size: side of random training crops, in pixels, ≥ 1; None for whole images.
        crops_per_image: crops of each training image in an epoch, ≥ 1.
        val_fraction: share of the training images that validates where there is no validation split, in (0, 1).
        test_fraction: share of the training images that tests where there is no test split, in (0, 1).
        val_range: the images that validate, from the first number up to, without it, the second; with ``test_range``.
        test_range: the images that test, likewise; the rest trains.
        predict_files: what ``predict`` reads, without masks: a folder of images, or files; None for the test split.
        batch_size: training samples in a batch, per process, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process; 1 where sizes are mixed.
        augmentation: applied to the images and masks of each training batch.
        seed: seed of the splits that are drawn and of the order of the training samples.

    Shapes:
        a training batch: images (B, I, H, W) of values in [0, 1], masks (B, H, W) of classes in 0 … C−1 or ``VOID``,
        H and W the crop_size or the image_size where there is one; other batches: whole images, masks of their sizes

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when files are missing or damaged, or it is not clear what the masks mean.

    Example:
        >>> data = ImagePairsDataModule(root="cells", class_values={"background": 0, "cell": 255})
        >>> data.class_names                                                      # doctest: +SKIP
        ('background', 'cell')
    """

    noun = "images"  # what they are called in messages

    def __init__(
        self,
        root: str | None = None,
        folder: str = "",
        image_folder: str | None = None,
        mask_folder: str | None = None,
        table: str | None = None,
        class_values: dict[str, Value | list[Value]] | None = None,
        channels: int | str = "auto",
        image_size: int | None = None,
        crop_size: int | None = None,
        crops_per_image: int = 1,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        val_range: list[int] | None = None,
        test_range: list[int] | None = None,
        predict_files: str | list[str] | None = None,
        batch_size: int = 4,
        eval_batch_size: int = 1,
        augmentation: nn.Module | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed, augmentation)
        check_fractions(val_fraction, test_fraction)
        check_ranges(val_range, test_range)
        check_channels(channels)
        least = {"image_size": (image_size, 4), "crop_size": (crop_size, 1), "crops_per_image": (crops_per_image, 1)}
        for name, (value, bound) in least.items():
            if value is not None and value < bound:
                raise ValueError(f"{name} must be at least {bound}, but it is {value}.")
        self.folder = data_root(root) / folder
        self.image_folder, self.mask_folder = image_folder, mask_folder
        self.table = None if table is None else self.folder / Path(table).expanduser()
        self.stated = None if class_values is None else stated_values(class_values)
        self.channels, self.wanted_size = channels, image_size
        self.crop_size, self.crops_per_image = crop_size, crops_per_image
        self.fractions = {"val": val_fraction, "test": test_fraction}
        self.ranges = {"val": val_range, "test": test_range} if val_range else None
        self.predict_files = predict_files
        self.name = self.folder.resolve().name

    @cached_property
    def listing(self) -> dict[str, list[Pair]]:
        """The files of the images and masks of each split."""
        if self.table is not None:
            listed = list_pair_table(self.table)
        else:
            listed = list_pair_folders(self.folder, self.image_folder, self.mask_folder)
        if self.ranges:
            return split_ranges(listed, self.ranges, str(self.folder))
        return complete_splits(listed, self.fractions, self.seed, name_of=str(self.table or self.folder))

    def pairs(self, split: str) -> list[Pair]:
        """The files of the images and masks of a split."""
        return self.listing[split]

    @cached_property
    def form(self) -> ImageForm:
        """The sizes and channels of the images to train and to validate, by the headers of their files."""
        return glance((image for split in ("train", "val") for image, _ in self.pairs(split)), self.channels)

    @cached_property
    def values(self) -> MaskValues:
        """Which class each value of the masks stands for; as stated, or by the masks to train and to validate."""
        return self.stated or learnt_values(mask for split in ("train", "val") for _, mask in self.pairs(split))

    @property
    def classes(self) -> dict[int, int]:
        """The class, or ``VOID``, that each value in the files of the masks stands for."""
        return dict(self.values.classes) if self.stated or self.has_labels else {}

    @property
    def mask_values(self) -> tuple[int, ...] | None:
        """The value of each class in the files of the masks; None where they are colours, or no files say."""
        return None if self.stated and self.stated.in_colour else super().mask_values

    @property
    def train_size(self) -> int | None:
        """The side to which training images are squashed, in pixels; None for as they are."""
        crops = self.crop_size is not None
        return self.wanted_size or (self.form.side if len(self.form.sizes) > 1 and not crops else None)

    def found(self) -> dict[str, Any]:
        sizes = {*self.form.sizes} if self.crop_size is None and self.train_size is None else set()
        common = next((width for width, height in sizes if width == height), None)
        size = self.crop_size or self.train_size or common
        return {"class_names": self.values.class_names, "in_channels": self.form.channels, "image_size": size}

    def load(self, training: bool) -> dict[str, Dataset]:
        if not training:
            return {"test": ImagePairs(*self._read("test"), self.train_size)}
        if self.train_size and not self.wanted_size:
            tell_resizing(self.form, self.train_size, " to train")
        images, masks = self._read("train", self.train_size)
        self._check_crops(masks)
        crops = RandomCrops(images, masks, self.crop_size, self.crops_per_image)
        crops.compared_at = self.train_size
        return {"train": crops, "val": ImagePairs(*self._read("val"), self.train_size)}

    def read_unlabelled(self, paths: Sequence[Path]) -> UnlabelledImages:
        notes = Notes()
        images = [to_tensor(read_image(open_picture(path), self.in_channels, notes)) for path in paths]
        notes.tell()
        return UnlabelledImages(images)

    def test_files(self) -> list[Path]:
        return [image for image, _ in self.pairs("test")]

    def _read(self, split: str, size: int | None = None) -> tuple[list[Tensor], list[Tensor]]:
        mode = "L" if self.in_channels == 1 else "RGB"
        return read_pairs(self.pairs(split), mode, self.values.classes, size, self.values.in_colour)

    def _check_crops(self, masks: Sequence[Tensor]) -> None:
        side = min(min(mask.shape) for mask in masks)
        if self.crop_size is not None and self.crop_size > side:
            raise ValueError(
                f"crop_size must be at most {side}, the smallest side of the {self.noun} in {self.folder}, but it is "
                f"{self.crop_size}; null stands for whole {self.noun}."
            )
