"""MNIST and its two drop-in replacements, read from the files their authors published."""

import gzip
import math
import struct
import zlib
from pathlib import Path

import torch
from torch import Tensor, nn

from datamodules.in_memory import InMemoryDataModule, check_images, split_indices
from datamodules.listing import find_file
from lab.downloads import data_root, download
from lab.errors import LabError

CLASS_NAMES = {
    "MNIST": [str(digit) for digit in range(10)],
    "FashionMNIST": [
        "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
    ],
    "KMNIST": ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
}  # fmt: skip
FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}


class MNISTDataModule(InMemoryDataModule):
    """70,000 grey images of 28×28 pixels in 10 classes; 60,000 train and validate, 10,000 test.

    "Gradient-based learning applied to document recognition" (LeCun et al., 1998), https://doi.org/10.1109/5.726791;
    "Fashion-MNIST" (Xiao et al., 2017), https://arxiv.org/abs/1708.07747;
    "Deep Learning for Classical Japanese Literature" (Clanuwat et al., 2018), https://arxiv.org/abs/1812.01718.
    Reads ``<root>/<dataset>/raw/*-ubyte``, packed (.gz) or not; writes there only what it downloads and has verified.

    Args:
        dataset: "MNIST", "FashionMNIST" or "KMNIST".
        root: folder of data sets; None stands for the environment variable ARCHLAB_DATA, else ``data``.
        flatten: serve rows of 784 pixels instead of images.
        val_fraction: share of the 60,000 training images that validates, in (0, 1).
        batch_size: training samples in a batch, per process, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process, ≥ 1.
        augmentation: applied to the images of each training batch.
        seed: seed of the split and of the order of the training samples.

    Shapes:
        a batch: images (B, 1, 28, 28), or (B, 784) with ``flatten``, of values in [0, 1]; labels (B,) in 0 … 9

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when files are missing and cannot be downloaded, or are damaged.
    """

    num_classes, in_channels, image_size = 10, 1, 28
    image_shape = (28, 28)

    def __init__(
        self,
        dataset: str = "MNIST",
        root: str | None = None,
        flatten: bool = False,
        val_fraction: float = 0.1,
        batch_size: int = 32,
        eval_batch_size: int = 500,
        augmentation: nn.Module | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed, augmentation)
        check_images(val_fraction, flatten, augmentation)
        if dataset not in CLASS_NAMES:
            raise ValueError(f'dataset must be one of {", ".join(CLASS_NAMES)}, but it is "{dataset}".')
        self.dataset = self.name = dataset
        self.flatten, self.val_fraction = flatten, val_fraction
        self.folder = data_root(root) / dataset / "raw"
        self.class_names = CLASS_NAMES[dataset]

    def prepare_data(self) -> None:
        """Download what is missing; with everything there, nothing is written."""
        missing = [name for names in FILES.values() for name in names if find_idx(self.folder, name) is None]
        if not missing:
            return
        mirrors, checksums = _published_files(self.dataset)
        for name in missing:
            packed = f"{name}.gz"
            try:
                download([mirror + packed for mirror in mirrors], self.folder / packed, checksums[packed])
            except LabError as error:
                raise LabError(
                    f"{self.dataset} is not in {self.folder} ({packed} is missing) and cannot be downloaded ({error}). "
                    f"Set --data.root or ARCHLAB_DATA to the folder that holds {self.dataset}/raw, "
                    f"or use DigitsDataModule (configs/vit_digits.yaml), which needs no files."
                ) from error

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        images, labels = (self._read(name) for name in FILES["train" if training else "test"])
        if images.shape[1:] != (28, 28) or len(images) != len(labels):
            raise LabError(
                f"{self.folder} must hold images of 28×28 pixels and one label an image, but holds images "
                f"{tuple(images.shape)} and labels {tuple(labels.shape)}: delete its files to download them again."
            )
        if len(labels) and int(labels.max()) >= self.num_classes:
            raise LabError(
                f"{self.folder} must hold labels from 0 to {self.num_classes - 1}, but holds the label "
                f"{int(labels.max())}: it is not {self.dataset}; delete its files to download them again."
            )
        images = images.float().div_(255).view(len(images), *((784,) if self.flatten else (1, 28, 28)))
        labels = labels.long()
        if not training:
            return {"test": (images, labels)}
        train, val = split_indices(len(labels), self.val_fraction, self.seed)
        return {"train": (images[train], labels[train]), "val": (images[val], labels[val])}

    def _read(self, name: str) -> Tensor:
        path = find_idx(self.folder, name)
        if path is None:
            raise LabError(f"{self.folder / name} is missing: run `python train.py download` with this config.")
        return read_idx(path)


def find_idx(folder: Path, name: str) -> Path | None:
    """The unpacked file, or else the packed one, or None; their names may be in letters of any case."""
    return find_file(folder, name) or find_file(folder, f"{name}.gz")


def read_idx(path: Path) -> Tensor:
    """Read a file of unsigned bytes in the idx format, packed (.gz) or not.

    Format: two zero bytes, the type (8 for unsigned bytes), the number of dimensions, each dimension as a big-endian
    32-bit integer, the values.

    Raises:
        LabError: when the file is truncated, corrupted, or no idx file of unsigned bytes.
    """
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _damaged(path, str(error)) from error
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise _damaged(path, "it does not begin like an idx file of unsigned bytes")
    start = 4 + 4 * data[3]
    shape = struct.unpack(f">{data[3]}I", data[4:start]) if len(data) >= start else (0,)
    if len(data) != start + math.prod(shape):
        raise _damaged(path, f"it holds {len(data)} bytes where its header announces {start + math.prod(shape)}")
    return torch.frombuffer(bytearray(data), dtype=torch.uint8, offset=start).view(shape)


def _damaged(path: Path, reason: str) -> LabError:
    return LabError(f"{path} is truncated or corrupted ({reason}): delete it and run again to download it anew.")


def _published_files(dataset: str) -> tuple[list[str], dict[str, str]]:
    """The mirrors and the md5 of each packed file, as torchvision lists them."""
    from torchvision import datasets

    published = getattr(datasets, dataset)
    return published.mirrors, dict(published.resources)
