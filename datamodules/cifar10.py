"""CIFAR-10, read from the binary files that its authors published: no pickle."""

import gzip
import tarfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from datamodules.byte_images import ByteImages
from datamodules.in_memory import InMemoryDataModule, check_images, split_indices
from datamodules.listing import find_file
from lab.downloads import data_root, download
from lab.errors import LabError

ARCHIVE, FOLDER = "cifar-10-binary.tar.gz", "cifar-10-batches-bin"
URL = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"
MD5 = "c32a1d4ab5d03f1284b67883e8d87530"  # as https://www.cs.toronto.edu/~kriz/cifar.html gives it
FILES = {"train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)), "test": ("test_batch.bin",)}
SHAPE, RECORD = (3, 32, 32), 1 + 3 * 32 * 32  # a label, then the red, green and blue pixels, row by row


class CIFAR10DataModule(InMemoryDataModule):
    """60,000 photographs of 32×32 pixels in 10 classes; 50,000 train and validate, 10,000 test.

    "Learning Multiple Layers of Features from Tiny Images" (Krizhevsky, 2009),
    https://www.cs.toronto.edu/~kriz/cifar.html. Reads ``<root>/cifar-10-batches-bin/*.bin``, or the files in
    ``<root>/cifar-10-binary.tar.gz`` without unpacking them; writes there only the archive, when it has downloaded and
    verified it.

    Args:
        root: folder of data sets; None stands for the environment variable ARCHLAB_DATA, else ``data``.
        flatten: serve rows of 3,072 numbers instead of images.
        val_fraction: share of the 50,000 training images that validates, in (0, 1).
        batch_size: training samples in a batch, per process, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process, ≥ 1.
        augmentation: applied to the images of each training batch.
        seed: seed of the split and of the order of the training samples.

    Shapes:
        a batch: images (B, 3, 32, 32), or (B, 3072) with ``flatten``, of values in [0, 1]; labels (B,) in 0 … 9

    Raises:
        ValueError: when an argument is out of its range.
        LabError: when files are missing and cannot be downloaded, or are damaged.
    """

    class_names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    num_classes, in_channels, image_size = 10, 3, 32
    name = "CIFAR-10"

    def __init__(
        self,
        root: str | None = None,
        flatten: bool = False,
        val_fraction: float = 0.1,
        batch_size: int = 128,
        eval_batch_size: int = 500,
        augmentation: nn.Module | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed, augmentation)
        check_images(val_fraction, flatten, augmentation)
        self.flatten, self.val_fraction = flatten, val_fraction
        self.root = data_root(root)

    def prepare_data(self) -> None:
        """Download the archive where there are neither files nor an archive; else nothing is written."""
        if (self.root / FOLDER).is_dir() or (self.root / ARCHIVE).is_file():
            return
        try:
            download([URL], self.root / ARCHIVE, MD5)
        except LabError as error:
            raise LabError(
                f"{self.root} holds neither {FOLDER}/ nor {ARCHIVE}, which cannot be downloaded ({error}): set "
                f"--data.root or ARCHLAB_DATA to the folder that holds one of them, or use DigitsDataModule "
                f"(configs/vit_digits.yaml), which needs no files."
            ) from error

    def load(self, training: bool) -> dict[str, ByteImages]:
        read = [read_records(content, name) for name, content in self._read_files(training).items()]
        images, labels = (torch.cat(tensors) for tensors in zip(*read, strict=True))
        if not training:
            return {"test": ByteImages(images, labels, flatten=self.flatten)}
        parts = split_indices(len(labels), self.val_fraction, self.seed)
        return {
            split: ByteImages(images[part], labels[part], flatten=self.flatten)
            for split, part in zip(("train", "val"), parts, strict=True)
        }

    def _read_files(self, training: bool) -> dict[str, bytes]:
        """What is in each file, by what the file is called in a message."""
        names, folder = FILES["train" if training else "test"], self.root / FOLDER
        if not folder.is_dir():
            return read_archive(self.root / ARCHIVE, [f"{FOLDER}/{name}" for name in names])
        paths = [find_file(folder, name) or folder / name for name in names]
        for path in paths:
            if not path.is_file():
                raise LabError(f"{path} is missing: take {folder} away and run `python train.py download`.")
        return {str(path): path.read_bytes() for path in paths}


def read_archive(archive: Path, names: Sequence[str]) -> dict[str, bytes]:
    """The contents of some files in a packed archive, which is not unpacked.

    Raises:
        LabError: when the archive is missing, damaged, or lacks one of the files.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            found = {file.name: tar.extractfile(file).read() for file in tar if file.isfile() and file.name in names}
    except FileNotFoundError as error:
        raise LabError(f"{archive} is missing: run `python train.py download` with this config.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise _damaged(archive, str(error)) from error
    for name in names:
        if name not in found:
            raise _damaged(archive, f"it has no {name}")
    return {f"{name} in {archive}": found[name] for name in names}


def _damaged(archive: Path, reason: str) -> LabError:
    return LabError(f"{archive} is truncated or corrupted ({reason}): delete it and run again to download it anew.")


def read_records(content: bytes, name: str) -> tuple[Tensor, Tensor]:
    """The images and labels in the content of a binary file of CIFAR-10.

    Args:
        content: records of 3,073 bytes: a label in 0 … 9, then 1,024 bytes of red, of green, and of blue.
        name: what the file is called in a message.

    Shapes:
        images (N, 3, 32, 32) of type uint8, labels (N,)

    Raises:
        LabError: when there are no whole records, or a label is out of range.
    """
    if not content or len(content) % RECORD:
        raise LabError(
            f"{name} must hold records of {RECORD} bytes, but holds {len(content)} bytes: it is truncated or "
            f"corrupted; replace it."
        )
    records = torch.frombuffer(bytearray(content), dtype=torch.uint8).view(-1, RECORD)
    labels = records[:, 0].long()
    if len(wrong := (labels > 9).nonzero()):
        place = int(wrong[0])
        raise LabError(
            f"{name} must hold labels from 0 to 9, but its record {place} has the label {int(labels[place])}: it is "
            f"no file of CIFAR-10; replace it."
        )
    return records[:, 1:].reshape(-1, *SHAPE), labels
