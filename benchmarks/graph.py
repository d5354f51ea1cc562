"""Graph networks on Cora: our fit, Trainer and all, against PyG's example loops; and a hundred seeds in one process.

python benchmarks/graph.py            (needs Cora in ARCHLAB_DATA; about ten minutes on two CPU cores)
python benchmarks/graph.py --smoke    does it run at all? without data, on a small graph

Our fit is timed with its metrics.csv and its best and last checkpoints, and both sides with Adam's fused kernel. The
hundred seeds are timed as a command, from Python's start to the tested checkpoint.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import mean

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import nn
from torch_geometric.data import Data

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.graph_peers import ExampleGAT, ExampleGCN, example_loop
from benchmarks.timing import Comparison, Measurement, alternate, benchmark_parser, machine, parse_benchmark
from datamodules import DigitsGraphDataModule, PlanetoidDataModule
from datamodules.graphs import GraphDataModule
from lab.run_folder import read_metrics
from lab.training.checkpoint_callback import ThrottledCheckpoint
from lab.training.loggers import RunLogger
from lit_models import LitNodeClassifier
from nets import GAT, GCN

OURS, PEER = "archlab, Trainer and all", "PyG's example"
TARGETS = {"GCN": 1 / 6, "GAT": 1 / 3}
HUNDRED, LIMIT = 100, 60.0  # seeds, and the seconds that they may take
PEERS = {"GCN": ExampleGCN, "GAT": ExampleGAT}
Result = tuple[float, float]  # seconds and test accuracy


def main() -> None:
    """Compare GCN and GAT with their peers, then time a hundred seeds, and write all to runs/benchmarks."""
    arguments = _parse()
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.fabric.utilities.seed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    make = DigitsGraphDataModule if arguments.smoke else PlanetoidDataModule
    for kind in TARGETS:
        comparison = compare(kind, make, arguments.epochs, arguments.rounds)
        comparison.publish(f"graph_{kind.lower()}", arguments.smoke)
    if not arguments.smoke:
        time_a_hundred(arguments.rounds).publish("graph_hundred_seeds", smoke=False)


def compare(kind: str, make: Callable[[], GraphDataModule], epochs: int, rounds: int) -> Comparison:
    """The time of as many epochs, each with its validation, of one network by both, on data that are there."""
    data = make()
    data.setup("fit")
    dense = data.graph.clone()
    dense.x = dense.x.to_dense()
    seeds = {name: iter(range(rounds)) for name in (OURS, PEER)}
    contenders = {
        OURS: lambda: fit(kind, data, epochs, next(seeds[OURS])),
        PEER: lambda: run_example(PEERS[kind], dense, data.num_classes, epochs, next(seeds[PEER])),
    }
    fit(kind, data, 2, 0)  # warms up
    run_example(PEERS[kind], dense, data.num_classes, 2, 0)
    results = alternate(contenders, rounds)
    measurements = [
        Measurement(name, [seconds for seconds, _ in values], {"test accuracy": f"{mean(a for _, a in values):.3f}"})
        for name, values in results.items()
    ]
    share = 1 / measurements[1].ratio_to(measurements[0])
    met = "met" if share <= TARGETS[kind] else "not met"
    verdict = f"Ours takes {share:.3g} of the time of {PEER}; target ≤ {TARGETS[kind]:.3g}: {met}."
    ours, example = (1e3 * measurement.median / epochs for measurement in measurements)
    verdict += f" An epoch with its evaluation takes {ours:.3g} ms, the example's {example:.3g}."
    title = f"{kind} on {type(data).__name__}: {epochs} epochs, {rounds} seeds"
    return Comparison(title, "s", measurements, verdict, machine())


def fit(kind: str, data: GraphDataModule, epochs: int, seed: int) -> Result:
    """Fit with the Trainer, the run's metrics.csv, and the best and the last checkpoint, and test the best."""
    seed_everything(seed, verbose=False)
    sizes = {"in_channels": data.num_features, "num_classes": data.num_classes}
    net, rate = (GCN(**sizes), 0.01) if kind == "GCN" else (GAT(**sizes), 0.005)
    adam = partial(torch.optim.Adam, lr=rate, weight_decay=0.0 if kind == "GCN" else 5e-4, fused=True)
    task = LitNodeClassifier(net, data.num_classes, 5e-4 if kind == "GCN" else 0.0, optimizer=adam)
    with tempfile.TemporaryDirectory() as folder:
        best = ThrottledCheckpoint(dirpath=folder, filename="best", monitor="val/loss", auto_insert_metric_name=False)
        trainer = Trainer(
            accelerator="cpu", devices=1, max_epochs=epochs, enable_progress_bar=False, enable_model_summary=False,
            logger=RunLogger(folder, name="graph", version="one"), log_every_n_steps=10,
            callbacks=[ThrottledCheckpoint(best, dirpath=folder, filename="last"), best],
        )  # fmt: skip
        start = time.perf_counter()
        trainer.fit(task, datamodule=data)
        seconds = time.perf_counter() - start
        best_path = best.best_model_path
        (tested,) = trainer.test(task, datamodule=data, ckpt_path=best_path, verbose=False, weights_only=True)
    return seconds, tested["test/acc"]


def run_example(peer: type[nn.Module], data: Data, num_classes: int, epochs: int, seed: int) -> Result:
    torch.manual_seed(seed)
    net = peer(data.x.shape[1], num_classes)
    start = time.perf_counter()
    accuracy = example_loop(net, data, epochs)
    return time.perf_counter() - start, accuracy


def time_a_hundred(rounds: int) -> Comparison:
    """The whole command, from Python's start to the tested checkpoint, with as many replicas."""
    results = [_command() for _ in range(rounds)]
    facts = {"test accuracy": f"{results[-1][1]:.4f} ± {results[-1][2]:.4f}"}
    measured = Measurement(f"train.py fit, {HUNDRED} replicas", [seconds for seconds, *_ in results], facts)
    met = "met" if measured.median <= LIMIT else "not met"
    title = f"{HUNDRED} seeds of a GCN on Cora, 200 epochs each, in one process"
    return Comparison(title, "s", [measured], f"Target ≤ {LIMIT:g} s: {met}.", machine())


def _command() -> tuple[float, float, float]:
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as folder:
        words = ["fit", "--config", "configs/gcn_cora.yaml", f"--model.num_replicas={HUNDRED}"]
        words += ["--trainer.callbacks=[]", f"--trainer.default_root_dir={folder}"]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "train.py", *words], check=True, cwd=root, env=os.environ, stdout=subprocess.DEVNULL
        )
        seconds = time.perf_counter() - start
        metrics = read_metrics(Path(folder) / "gcn_cora" / "version_0")
    return seconds, metrics["test/acc"][1][-1], metrics["test/acc_std"][1][-1]


def _parse() -> argparse.Namespace:
    parser = benchmark_parser(__doc__, rounds=5)
    parser.add_argument("--epochs", type=int, default=200)
    return parse_benchmark(parser, epochs=3)


if __name__ == "__main__":
    main()
