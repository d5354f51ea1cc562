"""Neurons under the electron microscope: the data that the U-Net was made for."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from datamodules.image_pairs import ImagePairs, SegmentationDataModule, list_pairs, read_pairs
from datamodules.image_reading import image_extensions
from datamodules.listing import has_files
from datamodules.membrane_files import download_membrane
from lab.downloads import data_root

CLASS_OF_VALUE = {0: 0, 255: 1}


class RandomCrops(ImagePairs):
    """Squares at random places of images, drawn anew each time from torch's global generator.

    Args:
        images: (I, H, W) of type uint8 each.
        masks: (H, W) of type uint8 each.
        crop_size: side S in pixels, ≥ 1 and at most that of an image; None for whole images.
        crops_per_image: crops of each image in an epoch, ≥ 1.

    Shapes:
        an item: image (I, S, S) of values in [0, 1], mask (S, S); a batch: images (B, I, S, S), masks (B, S, S)
    """

    def __init__(
        self, images: Sequence[Tensor], masks: Sequence[Tensor], crop_size: int | None, crops_per_image: int
    ) -> None:
        super().__init__(images, masks)
        self.crop_size, self.crops_per_image = crop_size, crops_per_image

    def __len__(self) -> int:
        return super().__len__() * self.crops_per_image

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, mask = super().__getitem__(index // self.crops_per_image)
        if self.crop_size is None:
            return image, mask
        top, left = (int(torch.randint(side - self.crop_size + 1, ())) for side in mask.shape)
        rows, columns = slice(top, top + self.crop_size), slice(left, left + self.crop_size)
        return image[:, rows, columns], mask[rows, columns]


class MembraneDataModule(SegmentationDataModule):
    """30 slices of 512×512 pixels through the nerve cord of a fruit fly; what is membrane, what is inside of a cell?

    "An Integrated Micro- and Macroarchitectural Analysis of the Drosophila Brain by Computer-Assisted Serial Section
    Electron Microscopy" (Cardona et al., 2010), https://doi.org/10.1371/journal.pbio.1000502; the ISBI challenge of
    2012, "Crowdsourcing the Creation of Image Segmentation Algorithms for Connectomics" (Arganda-Carreras et al.,
    2015), https://doi.org/10.3389/fnana.2015.00142; "U-Net" (Ronneberger et al., 2015),
    https://arxiv.org/abs/1505.04597. Reads ``<root>/membrane/train/{image,label}/<number>.png``, or other kinds of
    images; writes there only what it downloads and has verified, and only where there is no image.

    Neighbouring slices look alike, so the splits are ranges of slices: fold k tests the kth of equal ranges, validates
    on the slices right before it, those before the first slice being the last ones, and trains on the rest. The labels
    of the challenge's own test slices are not public.

    Args:
        root: folder of data sets; None stands for the environment variable ARCHLAB_DATA, else ``data``.
        fold: the range of slices that tests, in 0 … num_folds − 1.
        num_folds: ranges of slices, ≥ 2.
        num_val: slices that validate, ≥ 1.
        crop_size: side of the training crops, in pixels, at most that of the slices; None for whole slices.
        crops_per_slice: crops of each training slice in an epoch, ≥ 1.
        batch_size: training crops in a batch, per process, ≥ 1.
        eval_batch_size: whole slices in a batch of validation, test and prediction, per process, ≥ 1.
        augmentation: applied to the images and masks of each training batch.
        seed: seed of the order of the training samples.

    Shapes:
        a training batch: images (B, 1, S, S) of values in [0, 1], masks (B, S, S) of 0 "membrane" and 1 "cell", with S
        the crop_size; other batches: images (B, 1, H, W), masks (B, H, W), whole slices

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when files are missing and cannot be downloaded, or are damaged.
    """

    num_classes = 2
    class_names = ("membrane", "cell")
    classes = CLASS_OF_VALUE

    def __init__(
        self,
        root: str | None = None,
        fold: int = 4,
        num_folds: int = 5,
        num_val: int = 3,
        crop_size: int | None = 256,
        crops_per_slice: int = 4,
        batch_size: int = 4,
        eval_batch_size: int = 1,
        augmentation: nn.Module | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, eval_batch_size=eval_batch_size, seed=seed, augmentation=augmentation)
        if num_folds < 2 or not 0 <= fold < num_folds:
            raise ValueError(
                f"num_folds must be at least 2 and fold in 0 … num_folds − 1, but they are {num_folds} and {fold}."
            )
        for name, value in {"num_val": num_val, "crop_size": crop_size, "crops_per_slice": crops_per_slice}.items():
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, but it is {value}.")
        self.fold, self.num_folds, self.num_val = fold, num_folds, num_val
        self.crop_size, self.crops_per_slice = crop_size, crops_per_slice
        self.folder = data_root(root) / "membrane" / "train"

    def prepare_data(self) -> None:
        """Download the slices where there are none; with files there, nothing is written."""
        if not any(has_files(self.folder / kind, image_extensions()) for kind in ("image", "label")):
            download_membrane(self.folder)

    def load(self, training: bool) -> dict[str, Dataset]:
        pairs = list_pairs(self.folder / "image", self.folder / "label")
        splits = split_slices(len(pairs), self.fold, self.num_folds, self.num_val)
        read = {
            split: read_pairs([pairs[number] for number in splits[split]], "L", self.classes)
            for split in (("train", "val") if training else ("test",))
        }
        datasets: dict[str, Dataset] = {split: ImagePairs(*of_split) for split, of_split in read.items()}
        if training:
            datasets["train"] = self._crops(*read["train"])
        return datasets

    def _crops(self, images: list[Tensor], masks: list[Tensor]) -> RandomCrops:
        side = min(min(mask.shape) for mask in masks)
        if self.crop_size is not None and self.crop_size > side:
            raise ValueError(
                f"crop_size must be at most {side}, the smallest side of the slices in {self.folder}, but it is "
                f"{self.crop_size}; null stands for whole slices."
            )
        return RandomCrops(images, masks, self.crop_size, self.crops_per_slice)


def split_slices(num_slices: int, fold: int, num_folds: int, num_val: int) -> dict[str, list[int]]:
    """The numbers of the slices of each split, in ascending order.

    Args:
        num_slices: slices in all, at least ``num_folds``.
        fold: the range of slices that tests, in 0 … num_folds − 1.
        num_folds: ranges of slices, ≥ 2, of equal lengths as far as that goes.
        num_val: slices right before that range, cyclically, which validate, ≥ 1.

    Raises:
        ValueError: when there are too few slices for these splits.
    """
    start, stop = (num_slices * bound // num_folds for bound in (fold, fold + 1))
    test = list(range(start, stop))
    val = sorted((start - 1 - step) % num_slices for step in range(num_val))
    train = sorted({*range(num_slices)} - {*test, *val})
    if num_slices < num_folds or num_val > num_slices - len(test) - 1:
        raise ValueError(
            f"num_folds must be at most the number of slices, and num_val leave one to train, but of {num_slices} "
            f"slices {num_folds} folds are asked for and {num_val} to validate."
        )
    return {"train": train, "val": val, "test": test}
