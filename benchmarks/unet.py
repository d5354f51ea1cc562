"""A training step and an inference of our U-Net against the U-Nets that one would otherwise pick.

python benchmarks/unet.py             (pip install -r requirements-bench.txt; about 3 minutes on two CPU cores)
python benchmarks/unet.py --compile   compiled too: about 15 minutes
python benchmarks/unet.py --smoke     does it run at all?

A training step is forward, cross-entropy, backward and AdamW's fused kernel on a batch of crops; the inference is of
one larger image. Ours and the peers, see ``unet_peers``, are given the same options: as they come, with channels_last,
and compiled if asked, without the time of compiling; ours also with checkpoint_activations. Peak memory is what a
process of its own takes beyond the network, AdamW's state and the batch. The data are random.
"""

import argparse
import gc
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.memory import peaks_apart
from benchmarks.scaling import seconds_of
from benchmarks.timing import Comparison, Measurement, alternate, benchmark_parser, machine, parse_benchmark
from benchmarks.unet_peers import ClassicUNet, smp_name, smp_unet
from nets import UNet

CHANNELS, CLASSES = 1, 2
OURS, CLASSIC, SMP = "archlab", "milesial-style", "smp"
NETS = {OURS: UNet, CLASSIC: ClassicUNet, SMP: smp_unet}
LAST, COMPILED, CHECKPOINTED = "channels_last", "compiled", "checkpointed"
OPTIONS = ("", f", {LAST}")
TRAINING, INFERENCE = "training", "inference"


@dataclass(frozen=True)
class Setting:
    """What all contenders of a comparison share.

    Args:
        mode: "training" or "inference".
        base_channels: channels of the largest maps.
        depth: levels below the first.
        batch_size: images of a step.
        side: of an image, in pixels.
        device: cpu or cuda.
    """

    mode: str
    base_channels: int
    depth: int
    batch_size: int
    side: int
    device: str

    def __str__(self) -> str:
        images = f"batch {self.batch_size} × {CHANNELS} × {self.side} × {self.side}"
        return f"{self.base_channels} channels, depth {self.depth}, {images}, float32"


def main() -> None:
    """Weigh and time all contenders in both modes, and write the tables to runs/benchmarks."""
    arguments = _parse()
    smp_name()
    shape = {"base_channels": arguments.base_channels, "depth": arguments.depth, "device": arguments.device}
    settings = [
        Setting(TRAINING, batch_size=arguments.batch_size, side=arguments.crop, **shape),
        Setting(INFERENCE, batch_size=1, side=arguments.image, **shape),
    ]
    options = (*OPTIONS, f", {LAST}, {COMPILED}") if arguments.compile else OPTIONS
    for setting in settings:
        comparison = compare(setting, arguments.rounds, arguments.steps, options)
        comparison.publish(f"unet_{torch.device(arguments.device).type}_{setting.mode}", arguments.smoke)


def compare(setting: Setting, rounds: int, steps: int, options: Sequence[str] = OPTIONS) -> Comparison:
    """The time of a call of each contender, with its peak memory beside it."""
    names = [f"{net}{option}" for net in NETS for option in options]
    if setting.mode == TRAINING:
        names.insert(len(options), f"{OURS}, {CHECKPOINTED}")
    where = machine()
    peaks = dict(zip(names, peaks_apart(call_of, [(name, setting) for name in names], setting.device), strict=True))
    calls = {name: call_of(name, setting) for name in names}
    for call in calls.values():
        call()  # compiles, and makes the optimizer's state
    gc.freeze()  # a collection of all that the compiler leaves takes half a second of whichever contender it meets
    seconds = alternate({name: partial(_seconds, call, steps) for name, call in calls.items()}, rounds)
    gc.unfreeze()
    measurements = [
        Measurement(
            name.replace(SMP, smp_name()),
            [1e3 * value for value in values],
            {"parameters": f"{_parameters(name, setting):,}", "peak MiB": f"{peaks[name] / 2**20:,.0f}"},
        )
        for name, values in seconds.items()
    ]
    verdict = verdict_of(measurements, peaks)
    what = {TRAINING: "Training step", INFERENCE: "Inference"}[setting.mode]
    return Comparison(f"{what} of a U-Net ({setting}; {steps} a round)", "ms", measurements, verdict, where)


def call_of(name: str, setting: Setting) -> Callable[[], None]:
    """One training step, or one inference, of the contender of that name."""
    torch.manual_seed(0)
    net, options = net_of(name, setting), name.split(", ")[1:]
    images = torch.rand(setting.batch_size, CHANNELS, setting.side, setting.side, device=setting.device)
    if LAST in options:
        net, images = (item.to(memory_format=torch.channels_last) for item in (net, images))
    # Of a network that meets two sizes the compiler would make one for all sizes, and that is slower.
    run = torch.compile(net, dynamic=False) if COMPILED in options else net
    if setting.mode == INFERENCE:
        net.eval()
        return torch.inference_mode()(lambda: run(images))
    masks = torch.randint(CLASSES, (len(images), *images.shape[2:]), device=setting.device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)

    def step() -> None:
        F.cross_entropy(run(images), masks).backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def net_of(name: str, setting: Setting) -> nn.Module:
    """The network of a contender, in training mode."""
    kind, *options = name.split(", ")
    extra = {"checkpoint_activations": True} if CHECKPOINTED in options else {}
    net = NETS[kind](
        in_channels=CHANNELS, num_classes=CLASSES, base_channels=setting.base_channels, depth=setting.depth, **extra
    )
    return net.to(setting.device).train()


def verdict_of(measurements: list[Measurement], peaks: dict[str, int]) -> str:
    """The target, and what came of it; what the options of ours bring."""
    default = measurements[0]
    ours = [item for item in measurements if item.name.startswith(OURS)]
    peers = [item for item in measurements if item not in ours]
    plain_peers = [item for item in peers if LAST not in item.name]
    plain, (best, fastest) = _fastest(plain_peers, default), (_fastest(items, default) for items in (ours, peers))
    ratio = best.ratio_to(fastest)
    met = "met" if round(ratio, 2) <= 1 else "not met"
    lines = [
        f"As they come, ours takes {default.ratio_to(plain):.2f} × the time of the faster peer ({plain.name}).",
        f"Each at its best, {best.name} takes {ratio:.2f} × the time of {fastest.name}; target ≤ 1.00: {met}.",
    ]
    for item in ours[1:]:
        time, memory = item.ratio_to(default), peaks[item.name] / peaks[OURS]
        lines.append(f"{item.name.removeprefix(f'{OURS}, ')}: {time:.2f} × our time, {memory:.2f} × our peak memory.")
    return " ".join(lines)


def _fastest(items: list[Measurement], reference: Measurement) -> Measurement:
    return min(items, key=lambda item: item.ratio_to(reference))


def _seconds(call: Callable[[], None], steps: int) -> float:
    return seconds_of(lambda: [call() for _ in range(steps)]) / steps


def _parameters(name: str, setting: Setting) -> int:
    return sum(weight.numel() for weight in net_of(name, setting).parameters())


def _parse() -> argparse.Namespace:
    parser = benchmark_parser(__doc__, rounds=7)
    parser.add_argument("--base_channels", type=int, default=16, help="channels of the largest maps")
    parser.add_argument("--depth", type=int, default=4, help="levels below the first")
    parser.add_argument("--batch_size", type=int, default=4, help="crops of a training step")
    parser.add_argument("--crop", type=int, default=256, help="side of a crop, in pixels")
    parser.add_argument("--image", type=int, default=512, help="side of the image of the inference, in pixels")
    parser.add_argument("--steps", type=int, default=2, help="calls in a round of a contender")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compile", action="store_true", help="compile each too, which takes minutes")
    return parse_benchmark(parser, base_channels=4, depth=1, crop=64, image=128, batch_size=2, steps=1)


if __name__ == "__main__":
    main()
