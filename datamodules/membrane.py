"""Neurons under the electron microscope: the data that the U-Net was made for."""

from functools import cached_property
from typing import Any

from torch import nn

from datamodules.image_reading import image_extensions
from datamodules.listing import has_files
from datamodules.mask_values import MaskValues
from datamodules.membrane_files import download_membrane
from datamodules.own_pairs import ImagePairsDataModule
from datamodules.pair_folders import Pair, list_pairs
from lab.downloads import data_root


class MembraneDataModule(ImagePairsDataModule):
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
        predict_files: what ``predict`` reads, without labels: a folder of images, or files; None for the test split.

    Shapes:
        a training batch: images (B, 1, S, S) of values in [0, 1], masks (B, S, S) of 0 "membrane" and 1 "cell", with S
        the crop_size; other batches: images (B, 1, H, W), masks (B, H, W), whole slices

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when files are missing and cannot be downloaded, or are damaged.
    """

    noun = "slices"

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
        predict_files: str | list[str] | None = None,
    ) -> None:
        super().__init__(
            channels=1,
            crop_size=crop_size,
            predict_files=predict_files,
            batch_size=batch_size,
            eval_batch_size=eval_batch_size,
            augmentation=augmentation,
            seed=seed,
        )
        if num_folds < 2 or not 0 <= fold < num_folds:
            raise ValueError(
                f"num_folds must be at least 2 and fold in 0 … num_folds − 1, but they are {num_folds} and {fold}."
            )
        for name, value in {"num_val": num_val, "crops_per_slice": crops_per_slice}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, but it is {value}.")
        self.fold, self.num_folds, self.num_val = fold, num_folds, num_val
        self.crops_per_image = crops_per_slice
        self.stated = MaskValues({0: 0, 255: 1}, ("membrane", "cell"))
        self.folder = data_root(root) / "membrane" / "train"
        self.name = "Membrane"

    def prepare_data(self) -> None:
        """Download the slices where there are none; with files there, nothing is written."""
        if self.predict_files is None and not any(
            has_files(self.folder / kind, image_extensions()) for kind in ("image", "label")
        ):
            download_membrane(self.folder)

    @cached_property
    def listing(self) -> dict[str, list[Pair]]:
        """The files of the slices of each split."""
        pairs = list_pairs(self.folder / "image", self.folder / "label")
        splits = split_slices(len(pairs), self.fold, self.num_folds, self.num_val)
        return {split: [pairs[number] for number in numbers] for split, numbers in splits.items()}

    def found(self) -> dict[str, Any]:
        return {"class_names": self.values.class_names, "in_channels": 1, "image_size": self.crop_size}


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
