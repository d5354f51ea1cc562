"""Small folders of images and masks in the layouts of the real ones, for tests that need no files."""

from pathlib import Path

import numpy as np
from PIL import Image

BREEDS = (("Abyssinian", 1, 1, 1), ("american_bulldog", 2, 2, 1), ("Bengal", 6, 1, 2))  # class, species, breed


def write_membrane(root: Path, num_slices: int = 10, size: int = 64, seed: int = 0) -> Path:
    """Write ``membrane/train/{image,label}/<number>.png``: cells around random points, with dark lines in between.

    Args:
        root: folder of data sets.
        num_slices: slices, ≥ 1.
        size: side of the slices, in pixels, ≥ 1.

    Returns:
        the folder ``membrane/train``
    """
    rng = np.random.default_rng(seed)
    folder = root / "membrane" / "train"
    for kind in ("image", "label"):
        (folder / kind).mkdir(parents=True)
    for number in range(num_slices):
        centres = rng.uniform(0, size, (8, 2, 1, 1))
        nearest, second = np.sort(np.linalg.norm(np.mgrid[:size, :size] - centres, axis=1), axis=0)[:2]  # (S, S) each
        cell = second - nearest > 3  # pixels
        grey = np.where(cell, 170, 70) + rng.normal(0, 20, cell.shape)
        write_png(folder / "image" / f"{number}.png", grey.clip(0, 255))
        write_png(folder / "label" / f"{number}.png", 255 * cell)
    return folder


def write_pets(root: Path, num_trainval: int = 12, num_test: int = 4, size: int = 48, seed: int = 0) -> Path:
    """Write ``oxford-iiit-pet/{images,annotations}``: ellipses on another colour, with a border of three pixels.

    Args:
        root: folder of data sets.
        num_trainval: photographs in ``annotations/trainval.txt``, ≥ 1.
        num_test: photographs in ``annotations/test.txt``, ≥ 1.
        size: largest side of the photographs, in pixels, ≥ 16; they are of different sizes.

    Returns:
        the folder ``oxford-iiit-pet``
    """
    rng = np.random.default_rng(seed)
    folder = root / "oxford-iiit-pet"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations" / "trimaps").mkdir(parents=True)
    lists = {"trainval": range(num_trainval), "test": range(num_trainval, num_trainval + num_test)}
    for split, numbers in lists.items():
        lines = []
        for number in numbers:
            breed, *labels = BREEDS[number % len(BREEDS)]
            _write_pet(folder, f"{breed}_{number}", (size - number % 5, size - number % 3), rng)
            lines.append(" ".join(map(str, (f"{breed}_{number}", *labels))))
        (folder / "annotations" / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return folder


def _write_pet(folder: Path, name: str, shape: tuple[int, int], rng: np.random.Generator) -> None:
    centre, radii = (np.array(shape) * rng.uniform(low, high, 2) for low, high in ((0.4, 0.6), (0.2, 0.35)))
    places = (np.indices(shape) - centre[:, None, None]) / radii[:, None, None]
    beyond = (np.linalg.norm(places, axis=0) - 1) * radii.min()  # about the distance to the ellipse, in pixels
    trimap = np.select([beyond < -1.5, beyond > 1.5], [1, 2], 3)
    colours = rng.uniform([[150, 100, 50], [20, 60, 60]], [[250, 180, 110], [90, 150, 200]])  # of pets, of grounds
    pixels = np.where((beyond < 0)[..., None], colours[0], colours[1]) + rng.normal(0, 10, (*shape, 3))
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / "images" / f"{name}.jpg", quality=90)
    write_png(folder / "annotations" / "trimaps" / f"{name}.png", trimap)


def write_png(path: Path, values: np.ndarray) -> None:
    """Write values from 0 to 255, (H, W) or (H, W, 3), as bytes."""
    Image.fromarray(values.astype(np.uint8)).save(path)


def write_classes(root: Path, counts: dict[str, int], size: tuple[int, int] = (8, 8), seed: int = 0) -> None:
    """Write ``<class>/<number>.png``: grey images of noise, no two alike.

    Args:
        root: where the folders of the classes shall lie.
        counts: images of each class.
        size: height and width, in pixels.
    """
    rng = np.random.default_rng([seed, *("".join(counts).encode())])
    for name, count in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            write_png(root / name / f"{number}.png", rng.integers(256, size=size))


def write_cifar10(root: Path, per_file: int = 4) -> Path:
    """Write ``cifar-10-batches-bin/*.bin``: in each file so many records of a label and noise.

    Returns:
        the folder of the files
    """
    rng = np.random.default_rng(0)
    folder = root / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"):
        records = rng.integers(256, size=(per_file, 3073))
        records[:, 0] %= 10
        (folder / f"{name}.bin").write_bytes(records.astype(np.uint8).tobytes())
    return folder
