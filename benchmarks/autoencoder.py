"""Many repeats for the price of one: replicas against separate fits, and a grid against the loop one would write.

python benchmarks/autoencoder.py            both comparisons, about 20 minutes: of the grid a third, each row once
python benchmarks/autoencoder.py --whole    the whole grid, about an hour
python benchmarks/autoencoder.py --smoke    does it run at all?
"""

import argparse
import contextlib
import io
import logging
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import count
from multiprocessing import get_context
from pathlib import Path

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import Comparison, Measurement, alternate, benchmark_parser, machine, parse_benchmark
from datamodules import GaussianDataModule
from lab.commands.main import main as train
from lab.experiments.grid_files import read_grid
from lab.experiments.grids import Cell, Grid
from lit_models import LitAutoencoder
from nets import Autoencoder, GaussianNoise, RandomMask

GRID = Path("configs/grids/autoencoder_gaussian.yaml")
REPLICAS, REPEATS = 10, 3
TARGETS = {"replicas": 1 / 5, "grid": 1 / 4}
ADAM = partial(torch.optim.Adam, lr=5e-4)
PROBE_EPOCHS, PROBE_BATCH, PROBE_LR = 10, 500, 0.03  # those of callbacks.LinearProbe
CALLBACKS = '["callbacks.LinearProbe"]'  # after every epoch; neither side draws pictures


def main() -> None:
    """Run both comparisons, print them, and write them to runs/benchmarks."""
    arguments = _parse()
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for name, compare in (("replicas", compare_replicas), ("grid", compare_grid)):
        comparison = compare(arguments)
        comparison.publish(f"autoencoder_{name}", arguments.smoke)


def compare_replicas(arguments: argparse.Namespace) -> Comparison:
    """One fit of ten replicas of 100 → 10 → 100 against ten fits, each from a network and data that are there."""
    contenders = {
        f"archlab, one fit of {REPLICAS} replicas": lambda: _fit(REPLICAS, arguments.epochs),
        f"archlab, {REPLICAS} fits": lambda: sum(_fit(1, arguments.epochs, seed) for seed in range(REPLICAS)),
    }
    results = alternate(contenders, arguments.rounds)
    measurements = [Measurement(name, values) for name, values in results.items()]
    verdict = _verdict(1 / measurements[1].ratio_to(measurements[0]), TARGETS["replicas"], "ten fits")
    title = f"Ten linear autoencoders 100 → 10 → 100 of the Gaussian, {arguments.epochs} epochs of 140 steps each"
    return Comparison(title, "s", measurements, verdict, machine())


def _fit(replicas: int, epochs: int, seed: int = 0) -> float:
    seed_everything(seed, verbose=False)
    task = LitAutoencoder(
        Autoencoder(100, [10]), num_replicas=replicas, optimizer=partial(torch.optim.Adam, lr=5e-4, fused=True)
    )
    data = GaussianDataModule()
    data.setup("fit")  # so that neither side times the drawing of the data
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = Trainer(accelerator="cpu", devices=1, max_epochs=epochs, logger=False, **quiet)
    start = time.perf_counter()
    trainer.fit(task, datamodule=data)
    return time.perf_counter() - start


def compare_grid(arguments: argparse.Namespace) -> Comparison:
    """Cells of the Gaussian's grid by the laboratory and by a plain loop, both with a probe an epoch and a test."""
    grid = read_grid(GRID)
    third = [grid.cells[3 * row + row % 3] for row in range(len(grid.rows))]  # each row with the next objective
    cells = third[:2] if arguments.smoke else grid.cells if arguments.whole else third
    seconds: dict[str, list[float]] = {"archlab, three replicas": [], "a plain loop, three times": []}
    with tempfile.TemporaryDirectory() as folder:
        for number, cell in enumerate(cells):
            sides: list[Callable[[], float]] = [
                lambda cell=cell: _run_cell(grid, cell, arguments.epochs, Path(folder)),
                lambda cell=cell: _plain_cell(cell, arguments.epochs),
            ]
            order = (0, 1) if number % 2 == 0 else (1, 0)  # neither always runs first
            timed = {side: sides[side]() for side in order}
            for side, values in enumerate(seconds.values()):
                values.append(timed[side])
            print(f"{cell.row}, {cell.column}: {timed[0]:.1f} and {timed[1]:.1f} s", file=sys.stderr, flush=True)
        together = _run_in_two_processes(grid, cells, arguments.epochs, Path(folder))
    totals = [sum(values) for values in seconds.values()]
    measurements = [
        Measurement(name, values, {"in all (s)": f"{total:,.0f}"})
        for (name, values), total in zip(seconds.items(), totals, strict=True)
    ]
    verdict = _verdict(totals[0] / totals[1], TARGETS["grid"], "the plain loop, over all of them, in one process")
    share = _verdict(together / totals[1], TARGETS["grid"], "the plain loop")
    verdict += f" Two at a time, as by sweep.py --jobs 2, {together:,.0f} s with the start of both processes. {share}"
    title = f"Experiment 1: {len(cells)} autoencoders of the Gaussian, three repeats, {arguments.epochs} epochs each"
    return Comparison(title, "s an experiment", measurements, verdict, machine())


def _run_in_two_processes(grid: Grid, cells: list[Cell], epochs: int, folder: Path) -> float:
    start = time.perf_counter()
    with ProcessPoolExecutor(2, get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting = [pool.submit(_run_cell, grid, cell, epochs, folder) for cell in cells]
        for done in waiting:
            done.result()
    return time.perf_counter() - start


def _run_cell(grid: Grid, cell: Cell, epochs: int, folder: Path) -> float:
    words = ["fit", "--config", cell.config, *cell.words(None), f"--trainer.max_epochs={epochs}"]
    words.append(f"--trainer.callbacks={CALLBACKS}")
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        status = train([*words, f"--trainer.default_root_dir={folder}"])
    if status:
        raise RuntimeError(f"the run of {cell.row}, {cell.column} failed: {said.getvalue()}")
    return time.perf_counter() - start


def _plain_cell(cell: Cell, epochs: int) -> float:
    """Three repeats, one after another, each with a probe after every epoch and one on the test split."""
    corruption = {"vanilla": nn.Identity(), "denoising": GaussianNoise(0.5), "masked": RandomMask(0.25)}[cell.column]
    data = GaussianDataModule()
    data.setup("fit")
    data.setup("test")
    sets = {split: TensorDataset(*dataset.tensors) for split, dataset in data.datasets.items()}
    start = time.perf_counter()
    for seed in range(REPEATS):
        torch.manual_seed(seed)
        net = Autoencoder(100, cell.overrides["model.net.hidden_dims"])
        _plain_loop(net, corruption, sets, epochs)
    return time.perf_counter() - start


def _plain_loop(net: Autoencoder, corruption: nn.Module, sets: dict[str, TensorDataset], epochs: int) -> None:
    optimizer, loss_of, steps = ADAM(net.parameters()), nn.MSELoss(), count()
    loader = DataLoader(sets["train"], batch_size=100, shuffle=True)
    for _ in range(epochs):
        net.train()
        for inputs, _ in (bar := tqdm(loader, file=io.StringIO())):
            optimizer.zero_grad()
            loss = loss_of(net(corruption(inputs)), inputs)
            loss.backward()
            optimizer.step()
            bar.set_postfix(loss=loss.item(), step=next(steps))
        net.eval()
        with torch.no_grad():
            sum(loss_of(net(inputs), inputs).item() for inputs, _ in DataLoader(sets["val"], batch_size=1000))
        _plain_probe(net, sets["train"], sets["val"])
    _plain_probe(net, sets["train"], sets["test"])


def _plain_probe(net: Autoencoder, train_set: TensorDataset, eval_set: TensorDataset) -> float:
    """The accuracy of a linear classifier of the code, encoded anew for each batch."""
    classifier = nn.Linear(net.bottleneck, 2)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=PROBE_LR)
    loader = DataLoader(train_set, batch_size=PROBE_BATCH, shuffle=True)
    for _ in range(PROBE_EPOCHS):
        for inputs, labels in tqdm(loader, file=io.StringIO()):
            with torch.no_grad():
                code = net.encoder(inputs)
            optimizer.zero_grad()
            nn.functional.cross_entropy(classifier(code), labels).backward()
            optimizer.step()
    with torch.no_grad():
        right: list[Tensor] = [
            classifier(net.encoder(inputs)).argmax(dim=1) == labels
            for inputs, labels in DataLoader(eval_set, batch_size=1000)
        ]
    return torch.cat(right).float().mean().item()


def _verdict(share: float, target: float, peer: str) -> str:
    met = "met" if share <= target else "not met"
    return f"Ours takes {share:.3g} of the time of {peer}; target ≤ {target:.3g}: {met}."


def _parse() -> argparse.Namespace:
    parser = benchmark_parser(__doc__, rounds=3)
    parser.add_argument("--epochs", type=int, default=10, help="epochs of each training")
    parser.add_argument("--whole", action="store_true", help="all cells of the grid")
    return parse_benchmark(parser, epochs=1)


if __name__ == "__main__":
    main()
