"""Recurrent networks against torch.nn and against the loop over steps and gates that a handout has one write.

python benchmarks/recurrent.py             training steps of all sizes, and what the observer costs: about 20 minutes
python benchmarks/recurrent.py --smoke     does it run at all?

A training step is forward, backward and Adam, on a batch of 32 sequences of one number a step, with a linear readout of
every step and the mean-squared error. The observer is TimestepGradients(every_n_steps=50) in whole runs of train.py.
"""

import argparse
import contextlib
import io
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import Comparison, Measurement, alternate, benchmark_parser, machine, parse_benchmark, publish
from callbacks import TimestepGradients
from lab.commands.main import main as train
from lab.reports.results import BenchmarkResult
from nets import LSTM, RNN

BATCH_SIZE = 32
OURS, TORCH, LOOP = "archlab", "torch.nn", "loop over steps and gates"
STEPS = {10: 50, 100: 10, 1000: 1}  # of a round, by the length T
OBSERVED = {("rnn", 10): 6, ("lstm", 10): 6, ("lstm", 100): 2}  # epochs of 500 steps, by config and length T
AS_FAST, LOOP_TARGET, OBSERVER_TARGET = 1.15, 6.0, 1.05


class GateLoop(nn.Module):
    """Layers as one writes them from the equations: a matrix for each gate, and one step after another."""

    def __init__(self, cell: str, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        gates = ("tanh",) if cell == "RNN" else ("forget", "input", "output", "candidate")
        widths = [1] + [hidden_size] * (num_layers - 1)
        self.hidden_size = hidden_size
        self.layers = nn.ModuleList(
            nn.ModuleDict({gate: nn.Linear(width + hidden_size, hidden_size) for gate in gates}) for width in widths
        )

    def forward(self, x: Tensor) -> tuple[Tensor]:
        for gates in self.layers:
            hidden = cell = x.new_zeros(len(x), self.hidden_size)
            outputs = []
            for t in range(x.shape[1]):
                joined = torch.cat([x[:, t], hidden], dim=1)
                if "tanh" in gates:
                    hidden = torch.tanh(gates["tanh"](joined))
                else:
                    forget, write, read = (torch.sigmoid(gates[gate](joined)) for gate in ("forget", "input", "output"))
                    cell = forget * cell + write * torch.tanh(gates["candidate"](joined))
                    hidden = read * torch.tanh(cell)
                outputs.append(hidden)
            x = torch.stack(outputs, dim=1)
        return (x,)


def main() -> None:
    """Run both comparisons, print them, and write them to runs/benchmarks."""
    arguments = _parse()
    suffix = "_smoke" if arguments.smoke else ""
    for (cell, length), epochs in ({("lstm", 3): 1} if arguments.smoke else OBSERVED).items():
        comparison = compare_observer(cell, length, epochs, arguments.rounds)
        comparison.publish(f"recurrent_observer_{cell}_{length}", arguments.smoke)
    if arguments.lengths:
        publish(compare_steps(arguments, f"recurrent_steps{suffix}"))


def compare_steps(arguments: argparse.Namespace, name: str) -> BenchmarkResult:
    """The training steps of all sizes as a table."""
    where = machine()
    columns = ["network", "layers", "H", "T", *(f"{net} (ms)" for net in (OURS, TORCH, LOOP)), TORCH, "loop"]
    sizes = [
        (cell, num_layers, width, length)
        for cell in ("RNN", "LSTM")
        for num_layers in (1, 2)
        for width in arguments.widths
        for length in arguments.lengths
    ]
    rows, ratios = [], {}
    for size in sizes:
        times = time_steps(*size, arguments.rounds)
        ours = Measurement(OURS, times[OURS])
        ratios[size] = [Measurement(net, times[net]).ratio_to(ours) for net in (TORCH, LOOP)]
        milliseconds = [f"{1e3 * median(times[net]):,.3g}" for net in (OURS, TORCH, LOOP)]
        rows.append([*map(str, size), *milliseconds, *(f"{ratio:.2f} ×" for ratio in ratios[size])])
    title = "A training step of recurrent networks; the last columns are times in units of ours"
    return BenchmarkResult(name, title, columns, rows, where, verdict_of(ratios))


def time_steps(cell: str, num_layers: int, width: int, length: int, rounds: int) -> dict[str, list[float]]:
    """Seconds of a training step of each contender, a value a round."""
    torch.manual_seed(0)
    ours = {"RNN": RNN, "LSTM": LSTM}[cell](1, width, num_layers)
    peer = getattr(nn, cell)(1, width, num_layers, batch_first=True)
    nets = {OURS: ours, TORCH: peer, LOOP: GateLoop(cell, width, num_layers)}
    steps = STEPS.get(length, 1)
    contenders = {name: trainer_of(net, width, length, steps) for name, net in nets.items()}
    times = alternate(contenders, rounds + 1)
    return {name: values[1:] for name, values in times.items()}  # the first warms up


def trainer_of(net: nn.Module, width: int, length: int, steps: int) -> Callable[[], float]:
    """Trains a network for some steps, and gives the seconds of one."""
    readout = nn.Linear(width, 1)
    optimizer = torch.optim.Adam([*net.parameters(), *readout.parameters()], lr=1e-4)
    inputs = torch.randn(BATCH_SIZE, length, 1)
    targets = inputs.cumsum(dim=1) / torch.arange(1, length + 1)[:, None]

    def run() -> float:
        start = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            F.mse_loss(readout(net(inputs)[0]), targets).backward()
            optimizer.step()
        return (time.perf_counter() - start) / steps

    return run


def verdict_of(ratios: Mapping[tuple, list[float]]) -> str:
    """What came of the targets."""
    slowest = max(1 / of_torch for of_torch, _ in ratios.values())
    verdict = f"Our time in units of torch.nn's: at most {slowest:.3g}, target ≤ {AS_FAST}: {_met(slowest <= AS_FAST)}."
    _, of_loop = ratios.get(("LSTM", 2, 32, 100), (0.0, 0.0))
    if of_loop:
        verdict += (
            f" The loop in units of ours, LSTM of two layers of 32, T = 100: {of_loop:.3g}, "
            f"target about {LOOP_TARGET:g}: {_met(of_loop >= LOOP_TARGET)}."
        )
    return verdict


def compare_observer(cell: str, length: int, epochs: int, rounds: int) -> Comparison:
    """Runs of two layers on running averages, without the observer, with it, and with its pictures."""
    with tempfile.TemporaryDirectory() as folder:
        words = ["fit", "--config", f"configs/{cell}_running_average.yaml", f"--data.seq_len={length}"]
        words += [f"--trainer.default_root_dir={folder}", f"--trainer.max_epochs={epochs}", "--test_after_fit=false"]
        observer = '[{"class_path": "callbacks.TimestepGradients", "init_args": {"every_n_steps": 50}}]'
        contenders = {
            "without the observer": lambda: _run([*words, "--trainer.callbacks=[]"]),
            "with it, but no pictures": lambda: _run_without_pictures([*words, f"--trainer.callbacks={observer}"]),
            "with its two pictures": lambda: _run([*words, f"--trainer.callbacks={observer}"]),
        }
        results = alternate(contenders, rounds)
    measurements = [Measurement(name, values) for name, values in results.items()]
    ratio, whole = (item.ratio_to(measurements[0]) for item in measurements[1:])
    verdict = (
        f"The observer's measurements take {ratio - 1:.1%} of a run; target ≤ {OBSERVER_TARGET - 1:.0%}: "
        f"{_met(ratio <= OBSERVER_TARGET)}. With the pictures at the end of this short run: {whole - 1:.1%}, "
        f"{median(measurements[2].values) - median(measurements[1].values):.1f} s more."
    )
    title = f"Observing two layers of {cell.upper()} every 50 steps, T = {length}, a run of {500 * epochs:,} steps"
    return Comparison(title, "s", measurements, verdict, machine())


def _run_without_pictures(words: list[str]) -> float:
    with patch.object(TimestepGradients, "_draw", lambda self, trainer: None):
        return _run(words)


def _run(words: list[str]) -> float:
    start = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        status = train(words)
    if status:
        raise RuntimeError(f"the run failed: {said.getvalue()}")
    return time.perf_counter() - start


def _met(met: bool) -> str:
    return "met" if met else "not met"


def _parse() -> argparse.Namespace:
    parser = benchmark_parser(__doc__, rounds=5)
    parser.add_argument("--widths", type=int, nargs="+", default=[32, 256], help="hidden sizes")
    parser.add_argument("--lengths", type=int, nargs="*", default=[10, 100, 1000], help="T of the training steps")
    return parse_benchmark(parser, widths=[4], lengths=[3])


if __name__ == "__main__":
    main()
