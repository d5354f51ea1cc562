"""How time and memory grow with the size of a problem."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch.profiler import ProfilerActivity, profile

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass
class Record:
    """What one contender needed, by the number of tokens: the seconds of each round, and bytes."""

    forward: dict[int, list[float]] = field(default_factory=dict)
    both: dict[int, list[float]] = field(default_factory=dict)
    forward_bytes: dict[int, list[float]] = field(default_factory=dict)
    both_bytes: dict[int, list[float]] = field(default_factory=dict)


def seconds_of(call: Callable[[], None]) -> float:
    """The wall-clock of a call, in seconds, until its device is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def peak_bytes(call: Callable[[], None], device: str) -> int:
    """The most bytes that torch held at once during a call, beyond what it held before."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def growth(values: dict[int, list[float]]) -> float:
    """The exponent a of the least-squares fit values ∝ Nᵃ, over the medians of all sizes."""
    log_size = torch.tensor(list(values), dtype=torch.float64).log()
    log_value = torch.tensor([median(rounds) for rounds in values.values()], dtype=torch.float64).log()
    log_size, log_value = log_size - log_size.mean(), log_value - log_value.mean()
    return float(log_size @ log_value / (log_size @ log_size))


def draw_scaling(records: dict[str, Record], title: str, thick: tuple[str, ...] = ()) -> "Figure":
    """Time (above) and peak memory (below) over the number of tokens, forward (left) and with backward (right).

    Args:
        records: what each contender needed, by its name.
        title: what was measured.
        thick: the contenders whose lines stand out.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(17.0, 8.0), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True, sharey="row")
    panels = {"forward": "forward", "both": "forward and backward", "forward_bytes": "", "both_bytes": ""}
    for axes, (kind, label) in zip(grid.flat, panels.items(), strict=True):
        for number, (name, record) in enumerate(records.items()):
            values = getattr(record, kind)
            unit = 2**-20 if "bytes" in kind else 1.0
            ours = name in thick
            axes.loglog(
                list(values), [unit * median(rounds) for rounds in values.values()], marker="o" if ours else ".",
                linewidth=2.5 if ours else 1.2, color=f"C{number}", label=f"{name}: N^{growth(values):.2f}",
            )  # fmt: skip
        axes.set_title(label)
        axes.grid(alpha=0.3, which="both")
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    grid[0, 0].set_ylabel("seconds")
    grid[1, 0].set_ylabel("peak memory beyond the inputs (MiB)")
    for axes in grid[1]:
        axes.set_xlabel("tokens N")
    figure.suptitle(title, fontsize=13)
    return figure
