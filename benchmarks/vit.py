"""A training step of a vision transformer: our whole fit against bare loops around the networks of other libraries.

Ours is everything that ``train.py fit`` does: data, logging, progress bar, guards, schedule, optimizer. A bare loop
slices tensors, and steps. Needs requirements-bench.txt; its data is random.

python benchmarks/vit.py
"""

import argparse
import importlib
import logging
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import Comparison, Measurement, alternate, benchmark_parser, machine, parse_benchmark
from datamodules.in_memory import InMemoryDataModule
from lab.training.guards import ProgressBar, ResumableStop, TerminateOnNaN
from lab.training.loggers import RunLogger
from lit_models import LitImageClassifier, WarmupCosine
from nets import VisionTransformer

IMAGE, PATCH, CHANNELS, CLASSES = 28, 7, 1, 10
# A width that the heads share evenly, because timm and torchvision know no other.
WIDTH, DEPTH, HEADS, MLP = 128, 6, 4, 256
ADAMW = partial(torch.optim.AdamW, lr=1e-3, weight_decay=0.05)
NUM_IMAGES = 54_000  # as in MNIST's training split
WARMUP = 30  # steps at the start of each round that are not counted: memory and optimizer state settle


def main() -> None:
    """Time all contenders in alternating rounds and print the milliseconds of a step."""
    arguments = _parse()
    _quieten()
    os.environ["TERM"] = "xterm-256color"  # on a dumb terminal rich would not draw the progress bar
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    nets = {"archlab": our_net(), **other_nets()}
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as terminal:
        clock = StepClock(device, arguments.steps)
        results = alternate(_contenders(nets, arguments.batch_size, clock, Path(folder), terminal), arguments.rounds)
    measurements = []
    for name, rounds in results.items():
        parameters = sum(weight.numel() for weight in nets[name.split(",")[0]].parameters())
        typical = 1e3 * median(step for steps in rounds for step in steps)
        facts = {"parameters": f"{parameters:,}", "median step": f"{typical:.4g}"}
        measurements.append(Measurement(name, [1e3 * mean(steps) for steps in rounds], facts))
    comparison = _compare(measurements, f"batch {arguments.batch_size}, {arguments.steps} steps a round")
    comparison.publish(f"vit_{device.type}", arguments.smoke)


def _contenders(
    nets: dict[str, nn.Module], batch_size: int, clock: "StepClock", folder: Path, terminal: Any
) -> dict[str, Callable[[], list[float]]]:
    images, labels = torch.rand(NUM_IMAGES, CHANNELS, IMAGE, IMAGE), torch.randint(CLASSES, (NUM_IMAGES,))
    data = RandomImages(images, labels, batch_size)
    images, labels = images.to(clock.device), labels.to(clock.device)
    contenders = {"archlab, whole fit": partial(fit_round, our_net(), data, clock, folder, terminal)}
    for name, net in nets.items():
        loop = partial(bare_round, net.to(clock.device), images, labels, batch_size, clock)
        contenders[f"{name}, bare, AdamW fused"] = partial(loop, ADAMW(net.parameters(), fused=True))
        contenders[f"{name}, bare, AdamW"] = partial(loop, ADAMW(net.parameters()))
    return contenders


def _compare(measurements: list[Measurement], setting: str) -> Comparison:
    ours, *others = measurements
    rivals = [item for item in others if not item.name.startswith("archlab")]
    fastest = min(rivals, key=lambda item: item.ratio_to(ours))
    ratio = ours.ratio_to(fastest)
    verdict = (
        f"Our whole step takes {ratio:.3f} × the fastest bare loop ({fastest.name}); "
        f"target ≤ 1: {'met' if ratio <= 1 else 'not met'}."
    )
    network = f"image {IMAGE}, patch {PATCH}, width {WIDTH}, depth {DEPTH}, {HEADS} heads, MLP {MLP}"
    title = f"Training step of a vision transformer ({network}; {setting})"
    return Comparison(title, "ms/step", measurements, verdict, machine())


class RandomImages(InMemoryDataModule):
    """Our data in memory, with the images (N, 1, 28, 28) and labels (N,) that the bare loops use."""

    num_classes = CLASSES

    def __init__(self, images: Tensor, labels: Tensor, batch_size: int) -> None:
        super().__init__(batch_size)
        self.images, self.labels = images, labels

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        return dict.fromkeys(("train", "val"), (self.images, self.labels))


class StepClock(Callback):
    """Notes when each step starts, so that the time of a step is all that happens until the next one starts.

    A GPU works behind the clock's back, so there the clock waits for it where the counting begins and ends: the mean
    of a round is exact, a single step is not.

    Args:
        device: where the network is.
        steps: number of steps that count, after ``WARMUP`` others.
    """

    def __init__(self, device: torch.device, steps: int) -> None:
        self.device, self.first, self.last = device, WARMUP, WARMUP + steps
        self.starts: list[float] = []

    def tick(self) -> None:
        if self.device.type == "cuda" and len(self.starts) in (self.first, self.last):
            torch.cuda.synchronize(self.device)
        self.starts.append(time.perf_counter())

    def on_train_batch_start(self, *args: Any) -> None:
        self.tick()

    def read(self) -> list[float]:
        """The seconds of each step that counts; the clock is then ready for another round."""
        starts, self.starts = self.starts[self.first : self.last + 1], []
        return [after - before for before, after in pairwise(starts)]


def fit_round(net: nn.Module, data: RandomImages, clock: StepClock, folder: Path, terminal: Any) -> list[float]:
    """Train with everything that ``train.py fit`` puts around a step, and give the seconds of each step.

    The progress bar is drawn in full, on a terminal that nobody sees.
    """
    last = ModelCheckpoint(filename="last", enable_version_counter=False)
    best = ModelCheckpoint(filename="best", monitor="train/loss", enable_version_counter=False)
    progress_bar = ProgressBar()
    progress_bar._console_kwargs = {"file": terminal, "force_terminal": True, "width": 120}
    run = {"name": "vit", "version": f"version_{len(list(folder.glob('vit/*')))}"}
    trainer = Trainer(
        accelerator="gpu" if clock.device.type == "cuda" else "cpu",
        devices=1,
        max_epochs=1,
        limit_train_batches=clock.last + 1,  # the end of a step is the start of the next
        limit_val_batches=0,
        log_every_n_steps=50,  # as in configs/vit_mnist.yaml
        enable_model_summary=False,
        logger=[RunLogger(folder, **run), TensorBoardLogger(folder, **run, default_hp_metric=False)],
        callbacks=[clock, ResumableStop(last), TerminateOnNaN(), best, last, progress_bar],
    )
    optimizer = partial(ADAMW, fused=True)  # as configs/vit_mnist.yaml does
    trainer.fit(LitImageClassifier(net, CLASSES, optimizer=optimizer, scheduler=WarmupCosine), datamodule=data)
    return clock.read()


def bare_round(
    net: nn.Module, images: Tensor, labels: Tensor, batch_size: int, clock: StepClock, optimizer: torch.optim.Optimizer
) -> list[float]:
    """Train as a person would by hand, with nothing but the step, and give the seconds of each step."""
    net.train()
    order = torch.randperm(len(images), device=images.device)
    for indices in order.split(batch_size)[: clock.last]:
        clock.tick()
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images[indices]), labels[indices])
        loss.backward()
        optimizer.step()
    clock.tick()
    return clock.read()


def our_net() -> VisionTransformer:
    """Our network."""
    return VisionTransformer(IMAGE, PATCH, CHANNELS, CLASSES, WIDTH, DEPTH, HEADS, WIDTH // HEADS, MLP)


def other_nets() -> dict[str, nn.Module]:
    """The same network, class token included, from timm, torchvision and vit-pytorch, by library and version.

    Raises:
        SystemExit: when one of them is not installed.
    """
    timm, torchvision, vit_pytorch = map(_library, ("timm.models", "torchvision.models", "vit_pytorch"))
    in_timm = timm.VisionTransformer(
        img_size=IMAGE, patch_size=PATCH, in_chans=CHANNELS, num_classes=CLASSES,
        embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, mlp_ratio=MLP / WIDTH,
    )  # fmt: skip
    in_torchvision = torchvision.VisionTransformer(IMAGE, PATCH, DEPTH, HEADS, WIDTH, MLP, num_classes=CLASSES)
    in_torchvision.conv_proj = nn.Conv2d(CHANNELS, WIDTH, PATCH, stride=PATCH)  # it was made for three channels
    in_vit_pytorch = vit_pytorch.ViT(
        image_size=IMAGE, patch_size=PATCH, channels=CHANNELS, num_classes=CLASSES,
        dim=WIDTH, depth=DEPTH, heads=HEADS, dim_head=WIDTH // HEADS, mlp_dim=MLP,
    )  # fmt: skip
    nets = {"timm": in_timm, "torchvision": in_torchvision, "vit-pytorch": in_vit_pytorch}
    return {f"{library} {version(library).split('+')[0]}": net for library, net in nets.items()}


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise SystemExit(f"{error}: pip install -r requirements-bench.txt") from error


def _quieten() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")


def _parse() -> argparse.Namespace:
    parser = benchmark_parser(__doc__, rounds=7)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=30, help="steps that count in a round of a contender")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    arguments = parse_benchmark(parser, steps=3)
    if arguments.batch_size * (arguments.steps + WARMUP + 1) > NUM_IMAGES:
        parser.error(f"a round must fit into one epoch of {NUM_IMAGES} images: lower --batch_size or --steps")
    return arguments


if __name__ == "__main__":
    main()
