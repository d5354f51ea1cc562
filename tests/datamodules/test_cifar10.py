"""CIFAR-10 from tiny files made here: packed and unpacked, damaged, missing, downloaded."""

import hashlib
import io
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import torch
from image_files import write_cifar10

from datamodules import CIFAR10DataModule, cifar10
from lab.errors import LabError


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, **kwargs: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def loaded(root: Path, **arguments: object) -> CIFAR10DataModule:
    data = CIFAR10DataModule(root=str(root), **arguments)
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    return data


def pack(root: Path) -> Path:
    """Replace the folder by the archive."""
    folder, archive = root / cifar10.FOLDER, root / cifar10.ARCHIVE
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname=cifar10.FOLDER)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    return archive


@pytest.mark.parametrize("packed", [True, False])
def test_packed_and_unpacked_files_are_read_and_left_alone(tmp_path: Path, packed: bool) -> None:
    folder = write_cifar10(tmp_path, per_file=4)
    content = np.frombuffer((folder / "test_batch.bin").read_bytes(), np.uint8).reshape(4, 3073)
    if packed:
        pack(tmp_path)
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    data = loaded(tmp_path, val_fraction=0.25)
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before
    assert {split: len(dataset) for split, dataset in data.datasets.items()} == {"train": 15, "val": 5, "test": 4}
    images, labels = data.datasets["test"].tensors
    assert labels.tolist() == content[:, 0].tolist()
    assert torch.equal((255 * images).round().byte(), torch.from_numpy(content[:, 1:].reshape(4, 3, 32, 32).copy()))


def test_the_three_colours_follow_one_another_row_by_row() -> None:
    record = bytes([7]) + bytes(1024 * [10]) + bytes(1024 * [20]) + bytes([*range(32)]) + bytes(992 * [30])
    images, labels = cifar10.read_records(record, "a.bin")
    assert labels.tolist() == [7] and images.shape == (1, 3, 32, 32)
    assert (images[0, 0] == 10).all() and (images[0, 1] == 20).all()
    assert images[0, 2, 0].tolist() == [*range(32)] and (images[0, 2, 1:] == 30).all()


def test_training_images_are_those_of_five_files_and_rows_are_flat_images(tmp_path: Path) -> None:
    write_cifar10(tmp_path, per_file=2)
    data, flat = loaded(tmp_path, val_fraction=0.3), loaded(tmp_path, val_fraction=0.3, flatten=True)
    images = torch.cat([data.datasets[split].tensors[0] for split in ("train", "val")])
    assert len(images.flatten(1).unique(dim=0)) == 10
    assert torch.equal(flat.datasets["val"].tensors[0], data.datasets["val"].tensors[0].flatten(1))
    assert (data.num_classes, data.in_channels, data.image_size, len(data.class_names)) == (10, 3, 32, 10)


@pytest.mark.parametrize("damage", ["truncated", "no archive", "a file is missing"])
def test_a_damaged_archive_is_named(tmp_path: Path, damage: str) -> None:
    folder = write_cifar10(tmp_path, per_file=2)
    if damage == "a file is missing":
        (folder / "data_batch_3.bin").unlink()
    archive = pack(tmp_path)
    if damage != "a file is missing":
        archive.write_bytes(archive.read_bytes()[:900] if damage == "truncated" else b"<html>404</html>")
    with pytest.raises(LabError, match=rf"^{archive} is truncated or corrupted \(.+\): delete it and run again"):
        loaded(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"data_batch_2\.bin must hold records of 3073 bytes, but holds 0 bytes"),
        (bytes(3072), r"data_batch_2\.bin must hold records of 3073 bytes, but holds 3072 bytes: it is truncated"),
        (bytes(3073) + bytes([10]) + bytes(3072), r"must hold labels from 0 to 9, but its record 1 has the label 10"),
        (None, r"data_batch_2\.bin is missing: take .*cifar-10-batches-bin away and run `python train\.py download`"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = write_cifar10(tmp_path, per_file=2) / "data_batch_2.bin"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(LabError, match=message):
        loaded(tmp_path)


def test_a_missing_archive_offline_is_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        LabError, match=r"holds neither cifar-10-batches-bin/ nor .*no route to host.*ARCHLAB_DATA.*vit_d"
    ):
        loaded(tmp_path)
    assert [*tmp_path.iterdir()] == []


def serve(content: bytes, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    asked = []

    def answer(url: str, **kwargs: object) -> io.BytesIO:
        asked.append(url)
        response = io.BytesIO(content)
        response.headers = {}
        return response

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    return asked


def test_the_archive_is_downloaded_once_and_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10(tmp_path / "there", per_file=2)
    content = pack(tmp_path / "there").read_bytes()
    asked = serve(content, monkeypatch)
    with pytest.raises(LabError, match=r"served a file with the md5 .* instead of c32a1d4ab5d03f1284b67883e8d87530"):
        loaded(tmp_path / "here")
    assert not [path for path in (tmp_path / "here").rglob("*") if path.is_file()]
    monkeypatch.setattr(cifar10, "MD5", hashlib.md5(content).hexdigest())
    for _ in range(2):
        assert len(loaded(tmp_path / "here").datasets["test"]) == 2
    assert asked == 2 * ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"]
