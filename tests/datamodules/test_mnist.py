"""MNIST from a tiny folder made here: packed and unpacked, damaged, missing, downloaded; and the real one."""

import gzip
import hashlib
import http.client
import io
import struct
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import torch
from torch import Tensor

from datamodules import MNISTDataModule, mnist
from lab.errors import LabError

NAMES = [name for names in mnist.FILES.values() for name in names]
IMAGES = "train-images-idx3-ubyte"


def idx_bytes(tensor: Tensor) -> bytes:
    return struct.pack(f">4B{tensor.ndim}I", 0, 0, 8, tensor.ndim, *tensor.shape) + tensor.numpy().tobytes()


def tiny_mnist() -> dict[str, Tensor]:
    """20 images to train and 10 to test, of random bytes."""
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for split, length in {"train": 20, "test": 10}.items():
        images, labels = mnist.FILES[split]
        tensors[images] = torch.randint(256, (length, 28, 28), dtype=torch.uint8, generator=generator)
        tensors[labels] = torch.randint(10, (length,), dtype=torch.uint8, generator=generator)
    return tensors


def write_mnist(root: Path, packed: bool = True) -> Path:
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, tensor in tiny_mnist().items():
        data = idx_bytes(tensor)
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(data) if packed else data)
    return folder


def loaded(root: Path, **arguments: object) -> MNISTDataModule:
    data = MNISTDataModule(root=str(root), **arguments)
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    return data


def listing(root: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in [root, *root.rglob("*")]}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, **kwargs: object) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.mark.parametrize("packed", [True, False])
def test_reads_packed_and_unpacked_files_and_leaves_their_folder_alone(tmp_path: Path, packed: bool) -> None:
    write_mnist(tmp_path, packed)
    before = listing(tmp_path)
    data = loaded(tmp_path, val_fraction=0.25)
    assert listing(tmp_path) == before
    assert {name: len(dataset) for name, dataset in data.datasets.items()} == {"train": 15, "val": 5, "test": 10}
    written, (images, labels) = tiny_mnist(), data.datasets["test"].tensors
    assert torch.equal(images, written[mnist.FILES["test"][0]][:, None] / 255)
    assert torch.equal(labels, written[mnist.FILES["test"][1]].long())


@pytest.mark.parametrize("packed", [True, False])
def test_names_of_files_may_be_in_any_case(tmp_path: Path, packed: bool) -> None:
    folder = write_mnist(tmp_path, packed=packed)
    for path in [*folder.iterdir()]:
        path.rename(path.with_name(path.name.upper()))
    data = MNISTDataModule(root=str(tmp_path))
    data.prepare_data()
    data.setup("test")
    assert len(data.datasets["test"])


def test_training_and_validation_images_are_disjoint_and_keep_their_labels(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    written, data = tiny_mnist(), loaded(tmp_path, val_fraction=0.25, flatten=True)
    images = torch.cat([data.datasets[split].tensors[0] for split in ("train", "val")])
    labels = torch.cat([data.datasets[split].tensors[1] for split in ("train", "val")])
    expected = written[IMAGES].flatten(1) / 255
    assert images.shape == (20, 784)
    positions = [int((expected == image).all(dim=1).nonzero()) for image in images]
    assert sorted(positions) == list(range(20))
    assert torch.equal(labels, written[mnist.FILES["train"][1]].long()[positions])


def test_split_depends_on_the_seed_and_fit_does_not_read_the_test_files(tmp_path: Path) -> None:
    folder = write_mnist(tmp_path)
    first, again, other = (loaded(tmp_path, seed=seed).datasets["val"].tensors[0] for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    for name in mnist.FILES["test"]:
        (folder / f"{name}.gz").write_bytes(b"damaged")
    MNISTDataModule(root=str(tmp_path)).setup("fit")


def test_root_is_that_of_the_environment_when_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARCHLAB_DATA", str(tmp_path))
    assert MNISTDataModule(dataset="KMNIST").folder == tmp_path / "KMNIST" / "raw"
    monkeypatch.delenv("ARCHLAB_DATA")
    assert MNISTDataModule().folder == Path("data/MNIST/raw")


def pack(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


GOOD = idx_bytes(torch.arange(2 * 28 * 28).remainder(256).byte().view(2, 28, 28))
DAMAGED = {
    "truncated": (pack(GOOD)[:-40], "ended before the end-of-stream"),
    "only its header": (pack(GOOD)[:5], "ended before the end-of-stream"),
    "empty": (b"", "does not begin like an idx file"),
    "flipped bits": (pack(GOOD)[:60] + bytes(byte ^ 255 for byte in pack(GOOD)[60:90]) + pack(GOOD)[90:], "rror|CRC"),
    "wrong checksum": (pack(GOOD)[:-8] + b"\0\0\0\0" + pack(GOOD)[-4:], "CRC check failed"),
    "no gzip": (b"<html>404</html>", "Not a gzipped file"),
    "wrong magic": (pack(b"\0\0\x09\x03" + GOOD[4:]), "does not begin like an idx file of unsigned bytes"),
    "shorter than announced": (pack(GOOD[:-1]), "it holds 1583 bytes where its header announces 1584"),
    "longer than announced": (pack(GOOD + b"\0"), "it holds 1585 bytes where its header announces 1584"),
    "no lengths": (pack(GOOD[:6]), "it holds 6 bytes"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path: Path, damage: str) -> None:
    content, reason = DAMAGED[damage]
    path = write_mnist(tmp_path) / f"{IMAGES}.gz"
    path.write_bytes(content)
    with pytest.raises(LabError, match=rf"{IMAGES}.gz is truncated or corrupted \(.*({reason}).*\): delete it"):
        loaded(tmp_path)
    assert path.read_bytes() == content


def test_images_and_labels_must_fit_together(tmp_path: Path) -> None:
    folder = write_mnist(tmp_path, packed=False)
    (folder / IMAGES).write_bytes(idx_bytes(torch.zeros(19, 28, 28, dtype=torch.uint8)))
    with pytest.raises(LabError, match=r"one label an image, but holds images \(19, 28, 28\) and labels \(20,\)"):
        loaded(tmp_path)
    (folder / IMAGES).write_bytes(idx_bytes(torch.zeros(20, 8, 8, dtype=torch.uint8)))
    with pytest.raises(LabError, match=r"28×28 pixels .* holds images \(20, 8, 8\)"):
        loaded(tmp_path)


def test_a_missing_folder_offline_is_one_sentence_with_the_remedy(tmp_path: Path) -> None:
    message = r"MNIST is not in .*raw \(train-.*gz is missing\) .*no route to host.*ARCHLAB_DATA.*DigitsDataModule"
    with pytest.raises(LabError, match=message):
        loaded(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_setup_without_files_names_the_command_that_downloads(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=rf"{IMAGES} is missing: run `python train.py download`"):
        MNISTDataModule(root=str(tmp_path)).setup("fit")


class Mirror:
    """Serves the tiny data set under one address, and what the test says under another."""

    def __init__(self, spoilt: bytes | None = None) -> None:
        self.files = {f"{name}.gz": pack(idx_bytes(tensor)) for name, tensor in tiny_mnist().items()}
        self.checksums = {name: hashlib.md5(data).hexdigest() for name, data in self.files.items()}
        self.spoilt, self.asked = spoilt, []

    def urlopen(self, url: str, **kwargs: object) -> io.BytesIO:
        self.asked.append(url)
        data = self.spoilt if "spoilt" in url else self.files[url.rsplit("/", 1)[-1]]
        response = io.BytesIO(data)
        response.headers = {"Content-Length": str(len(data))}
        return response

    def install(self, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
        monkeypatch.setattr(urllib.request, "urlopen", self.urlopen)
        monkeypatch.setattr(mnist, "_published_files", lambda dataset: (list(addresses), self.checksums))


def test_downloads_what_is_missing_and_only_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = Mirror()
    mirror.install(monkeypatch, "https://good/")
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / IMAGES).write_bytes(idx_bytes(tiny_mnist()[IMAGES]))
    assert len(loaded(tmp_path).datasets["test"]) == 10
    assert mirror.asked == [f"https://good/{name}.gz" for name in NAMES if name != IMAGES]
    downloaded = {f"{name}.gz" for name in NAMES if name != IMAGES}
    assert {path.name for path in folder.iterdir()} == {IMAGES, *downloaded}
    loaded(tmp_path)
    assert len(mirror.asked) == 3


def test_a_wrong_checksum_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Mirror(b"<html>log in first</html>").install(monkeypatch, "https://spoilt/")
    with pytest.raises(LabError, match=r"https://spoilt/train-images.* served a file with the md5 .* instead of"):
        loaded(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_connection_that_breaks_off_is_one_sentence_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off(url: str, **kwargs: object) -> None:
        raise http.client.IncompleteRead(b"")

    monkeypatch.setattr(urllib.request, "urlopen", break_off)
    with pytest.raises(LabError, match="cannot be downloaded"):
        loaded(tmp_path)


def test_a_second_mirror_stands_in_for_a_spoilt_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Mirror(b"").install(monkeypatch, "https://spoilt/", "https://good/")
    assert len(loaded(tmp_path).datasets["train"]) == 18


def test_every_published_file_has_a_mirror_and_a_checksum() -> None:
    for dataset, names in mnist.CLASS_NAMES.items():
        mirrors, checksums = mnist._published_files(dataset)
        assert mirrors and all(mirror.endswith("/") for mirror in mirrors)
        assert set(checksums) == {f"{name}.gz" for name in NAMES}
        assert len(names) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": "CIFAR"}, 'dataset must be one of MNIST, FashionMNIST, KMNIST, but it is "CIFAR"'),
        ({"batch_size": 0}, "batch_size must be at least 1, but it is 0"),
        ({"val_fraction": 1.0}, r"val_fraction must be in \(0, 1\) .* but it is 1.0"),
    ],
)
def test_arguments_out_of_range_are_refused(tmp_path: Path, arguments: dict, message: str) -> None:
    write_mnist(tmp_path)
    with pytest.raises(ValueError, match=message):
        loaded(tmp_path, **arguments)


@pytest.mark.realdata
def test_real_mnist(real_data: Path) -> None:
    folder = real_data / "MNIST" / "raw"
    if not folder.is_dir():
        pytest.skip(f"no MNIST in {folder}")
    before = listing(folder)
    data = loaded(real_data)
    assert listing(folder) == before
    assert {name: len(dataset) for name, dataset in data.datasets.items()} == {
        "train": 54_000, "val": 6_000, "test": 10_000
    }  # fmt: skip
    counts = {name: torch.bincount(dataset.tensors[1], minlength=10) for name, dataset in data.datasets.items()}
    assert counts["test"].tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    outside_test = (counts["train"] + counts["val"]).tolist()
    assert outside_test == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    images = torch.cat([data.datasets["train"].tensors[0], data.datasets["val"].tensors[0]])
    assert float(images.mean()) == pytest.approx(0.1307, abs=5e-5)  # the usual normalisation constants
    assert float(images.std()) == pytest.approx(0.3081, abs=5e-5)
