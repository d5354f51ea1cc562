"""Photographs of cats and dogs: which pixels are the pet's?"""

from contextlib import suppress
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities import rank_zero_info
from torch import nn
from torch.utils.data import Dataset

from datamodules.image_files import list_images
from datamodules.in_memory import check_images, split_indices
from datamodules.listing import by_stem, find_file, tell_passed_over
from datamodules.mask_values import VOID, MaskValues
from datamodules.own_pairs import ImagePairsDataModule
from datamodules.pair_folders import Pair
from lab.downloads import data_root
from lab.errors import LabError

PET, GROUND, BORDER = 1, 2, 3  # the values of a trimap
CLASS_OF_BORDER = {"void": VOID, "class": 2}
REMEDY = (
    "set --data.root or ARCHLAB_DATA to the folder that holds oxford-iiit-pet, get its 800 MB by "
    "torchvision.datasets.OxfordIIITPet(root, download=True), or use ShapesDataModule (configs/unet_shapes.yaml), "
    "which needs no files"
)


class OxfordPetDataModule(ImagePairsDataModule):
    """7,349 photographs of cats and dogs of 37 breeds, with trimaps: 3,680 train and validate, 3,669 test.

    "Cats and Dogs" (Parkhi et al., 2012), https://www.robots.ox.ac.uk/~vgg/publications/2012/parkhi12a/. Reads
    ``<root>/oxford-iiit-pet/images/<name>.jpg`` and ``annotations/trimaps/<name>.png``, or other kinds of images, of
    the names in ``annotations/trainval.txt`` and ``annotations/test.txt``, the layout of torchvision; a part will do.

    Training photographs are squashed to a square; the others are served at their full sizes, one a batch, so that
    metrics are those of the photographs. All stay in memory as bytes, which for the full test split are gigabytes.

    Args:
        root: folder of data sets; None stands for the environment variable ARCHLAB_DATA, else ``data``.
        border: what the pixels between pet and background are: "void" for none that counts, or "class" for a third one.
        image_size: side of the training photographs, in pixels, ≥ 1.
        val_fraction: share of the trainval photographs that validates, in (0, 1).
        batch_size: training samples in a batch, per process, ≥ 1.
        augmentation: applied to the images and masks of each training batch.
        seed: seed of the split and of the order of the training samples.
        predict_files: what ``predict`` reads, without masks: a folder of images, or files; None for the test split.

    Shapes:
        a training batch: images (B, 3, S, S) of values in [0, 1], masks (B, S, S) of 0 "background", 1 "pet", and
        ``VOID`` or 2 "border", with S the image_size; other batches: images (1, 3, H, W), masks (1, H, W)

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when files are missing and cannot be downloaded, or are damaged.
    """

    def __init__(
        self,
        root: str | None = None,
        border: str = "void",
        image_size: int = 128,
        val_fraction: float = 0.1,
        batch_size: int = 16,
        augmentation: nn.Module | None = None,
        seed: int = 0,
        predict_files: str | list[str] | None = None,
    ) -> None:
        if image_size < 1:
            raise ValueError(f"image_size must be at least 1, but it is {image_size}.")
        super().__init__(
            channels=3, predict_files=predict_files, batch_size=batch_size, augmentation=augmentation, seed=seed
        )
        check_images(val_fraction, flatten=False, augmentation=augmentation)
        if border not in CLASS_OF_BORDER:
            raise ValueError(f'border must be "void" or "class", but it is "{border}".')
        self.wanted_size, self.val_fraction = image_size, val_fraction
        names = ("background", "pet") if border == "void" else ("background", "pet", "border")
        self.stated = MaskValues({PET: 1, GROUND: 0, BORDER: CLASS_OF_BORDER[border]}, names)
        self.folder = data_root(root) / "oxford-iiit-pet"
        self.name = "OxfordPet"

    def prepare_data(self) -> None:
        """Download the full data set where there is nothing of it; with files there, nothing is written."""
        if (
            self.predict_files is not None
            or (self.folder / "images").is_dir()
            or (self.folder / "annotations").is_dir()
        ):
            return
        from torchvision.datasets import OxfordIIITPet

        try:
            OxfordIIITPet(self.folder.parent, download=True)
        except (OSError, RuntimeError, HTTPException, EOFError) as error:
            raise LabError(
                f"the photographs are not in {self.folder} and cannot be downloaded ({error or type(error).__name__}): "
                f"{REMEDY}."
            ) from error

    @cached_property
    def listing(self) -> dict[str, list[Pair]]:
        """The files of the photographs that train and validate."""
        pairs = self._listed("trainval")
        train, val = split_indices(len(pairs), self.val_fraction, self.seed)
        return {split: [pairs[number] for number in of.tolist()] for split, of in {"train": train, "val": val}.items()}

    def pairs(self, split: str) -> list[Pair]:
        """The files of the photographs of a split; one needs no list of the other official one."""
        return self._test_pairs if split == "test" else self.listing[split]

    @cached_property
    def _test_pairs(self) -> list[Pair]:
        return self._listed("test")

    def found(self) -> dict[str, Any]:
        return {"class_names": self.values.class_names, "in_channels": 3, "image_size": self.wanted_size}

    def load(self, training: bool) -> dict[str, Dataset]:
        loaded = super().load(training)
        if training:
            self._tell_shared()
        return loaded

    def _tell_shared(self) -> None:
        """Say before training what the test, which compares the pixels, would say after it."""
        with suppress(LabError):  # training needs no test split
            lists = [set(self._names(split)) for split in ("trainval", "test")]
            if shared := len(set.intersection(*lists)):
                rank_zero_info(
                    f"{shared} photographs stand in trainval.txt and in test.txt: take them out of one of them."
                )

    def _listed(self, split: str) -> list[tuple[Path, Path]]:
        """The photographs of an official split, each with its trimap."""
        folders = {self.folder / "images": ".jpg", self.folder / "annotations" / "trimaps": ".png"}
        there = {folder: by_stem(list_images(folder)) for folder in folders}
        names = self._names(split)
        if repeats := len(names) - len(set(names)):
            rank_zero_info(f"{split}.txt names photographs again {repeats} times, which are passed over.")
        names = list(dict.fromkeys(names))
        for folder, suffix in folders.items():
            for name in names:
                if name not in there[folder]:
                    raise LabError(f"{folder / name}{suffix} is missing, though {split}.txt lists it: {REMEDY}.")
        images, trimaps = there.values()
        listed = {*names, *(self._names("test") if self._list("test").is_file() else ())}
        if split == "trainval":
            unlisted = [path.name for name, path in images.items() if name not in listed]
            tell_passed_over(self.folder / "images", unlisted, "photographs in no list")
        return [(images[name], trimaps[name]) for name in names]

    def _names(self, split: str) -> list[str]:
        return read_list(self._list(split))

    def _list(self, split: str) -> Path:
        folder = self.folder / "annotations"
        return find_file(folder, f"{split}.txt") or folder / f"{split}.txt"


def read_list(path: Path) -> list[str]:
    """The names in a list of photographs, a line each with its class, species and breed, which are passed over.

    Raises:
        LabError: when the list is missing, no text, or empty.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise LabError(f"{path} is missing: {REMEDY}.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(f"{path} cannot be read as a list of photographs ({error}): replace it.") from error
    names = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    if not names:
        raise LabError(f"{path} must list photographs, a line each, but lists none.")
    return names
