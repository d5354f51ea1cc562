"""Batches of MNIST: our loader, one slice a batch, against torchvision's data set, one Python call a sample.

python benchmarks/data.py --root ../shared/data
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import torch
from torch.utils.data import DataLoader
from torchvision import datasets
from torchvision.transforms import ToTensor

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import Comparison, Measurement, alternate, benchmark_parser, machine, parse_benchmark
from datamodules import MNISTDataModule
from lab.downloads import data_root

BATCH_SIZE = 32
TARGET = 20


def main() -> None:
    """Time both loaders in alternating rounds and print the images each serves in a second."""
    arguments = _parse()
    with tempfile.TemporaryDirectory() as folder:
        ours = our_loader(arguments.root)
        theirs = torchvision_loader(data_root(arguments.root), Path(folder))
        _check_same_batches(ours, theirs)
        contenders = {
            # A whole epoch from its first line on, the drawing of the order included.
            "archlab": lambda: images_per_second(iter(ours), len(ours) - 1),
            # In our disfavour: its time begins after the first batch, because a short round would otherwise carry the
            # start of a whole epoch.
            "torchvision MNIST, ToTensor": lambda: images_per_second(_started(theirs), arguments.batches),
        }
        results = alternate(contenders, arguments.rounds)
    measurements = [Measurement(name, values) for name, values in results.items()]
    ratio = measurements[0].ratio_to(measurements[1])
    verdict = f"Ours serves {ratio:.1f} × the images of torchvision's; target ≥ {TARGET} ×: {_met(ratio >= TARGET)}."
    title = f"MNIST training batches of {BATCH_SIZE}, shuffled, in the main process"
    comparison = Comparison(title, "images/s", measurements, verdict, machine())
    comparison.publish("data", arguments.smoke)


def our_loader(root: str | None) -> DataLoader:
    """The training loader of ``MNISTDataModule``."""
    datamodule = MNISTDataModule(root=root, batch_size=BATCH_SIZE)
    datamodule.prepare_data()
    datamodule.setup("fit")
    return datamodule.train_dataloader()


def torchvision_loader(root: Path, folder: Path) -> DataLoader:
    """A loader of torchvision's MNIST on a copy of the raw files, beside which it writes the unpacked ones.

    Args:
        root: folder of data sets, only read.
        folder: where the copy shall lie.
    """
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (root / "MNIST" / "raw").iterdir():
        shutil.copyfile(path, raw / path.name)  # without its mode, which may forbid writing
    dataset = datasets.MNIST(folder, transform=ToTensor(), download=True)  # unpacks; the files are there
    return DataLoader(dataset, BATCH_SIZE, shuffle=True, num_workers=0)


def images_per_second(batches: Iterable[tuple[torch.Tensor, torch.Tensor]], count: int) -> float:
    """The images served in a second, over ``count`` full batches."""
    start, images = time.perf_counter(), 0
    for inputs, _ in islice(batches, count):
        images += len(inputs)
    return images / (time.perf_counter() - start)


def _started(loader: DataLoader) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    batches = iter(loader)
    next(batches)
    return batches


def _check_same_batches(ours: DataLoader, theirs: DataLoader) -> None:
    for our_tensor, their_tensor in zip(next(iter(ours)), next(iter(theirs)), strict=True):
        if our_tensor.shape != their_tensor.shape or our_tensor.dtype != their_tensor.dtype:
            raise RuntimeError(f"the loaders serve different batches: {our_tensor.shape} and {their_tensor.shape}.")


def _met(met: bool) -> str:
    return "met" if met else "not met"


def _parse() -> argparse.Namespace:
    parser = benchmark_parser(__doc__, rounds=9)
    parser.add_argument("--root", help="folder of data sets; ARCHLAB_DATA, else data, when not given")
    parser.add_argument("--batches", type=int, default=200, help="batches of torchvision's loader in a round")
    return parse_benchmark(parser, batches=5)


if __name__ == "__main__":
    main()
