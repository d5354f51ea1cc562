"""The size of attention scores and the entropy of attention over training, from the metrics of a run.

Letters: S logged steps, H heads.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from figures.metrics import Metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def statistics_of(metrics: Metrics, name: str) -> dict[int, tuple[list[int], Tensor]]:
    """One statistic of attention out of the metrics of a run with ``AttentionStatistics``.

    Args:
        metrics: the metrics of the run, by name.
        name: the statistic, such as "entropy" (nats) or "raw_variance".

    Shapes:
        for each layer, by its number from 1: the S optimizer steps, and the values (S, H)
    """
    heads: dict[int, dict[int, tuple[list[int], list[float]]]] = {}
    for key, logged in metrics.items():
        parts = key.split("/")
        if parts[0] == "attention" and parts[-1] == name:
            layer, head = (int(part.rsplit("_", 1)[1]) for part in parts[1:3])
            heads.setdefault(layer, {})[head] = logged
    return {
        layer: (of_layer[1][0], torch.tensor([of_layer[head][1] for head in sorted(of_layer)]).T)
        for layer, of_layer in sorted(heads.items())
    }


def draw_attention_statistics(runs: Mapping[str, Metrics]) -> "Figure":
    """Score variance (top) and entropy of the attention (bottom) over training, one column a run.

    A line is the mean over the heads of a layer, its band their range. A dashed line is the variance that theory
    predicts at initialisation.

    Args:
        runs: for each title, the metrics of a run with ``AttentionStatistics``, as ``lab.read_metrics`` gives them.

    Shapes:
        each metric S steps and S values, of one head of one layer; variances without a unit, entropies in nats
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(runs) + 0.6, 6.4), layout="constrained")
    grid = figure.subplots(2, len(runs), sharex="col", sharey="row", squeeze=False)
    for (above, below), (title, metrics) in zip(grid.T, runs.items(), strict=True):
        for axes, name in ((above, "raw_variance"), (below, "entropy")):
            for layer, (steps, values) in statistics_of(metrics, name).items():
                (line,) = axes.plot(
                    steps, values.mean(dim=1).numpy(), marker=".", label=f"layer {layer}", color=f"C{layer - 1}"
                )
                low, high = values.amin(dim=1).numpy(), values.amax(dim=1).numpy()
                axes.fill_between(steps, low, high, alpha=0.15, color=line.get_color())
        for layer, (_, values) in statistics_of(metrics, "predicted_variance").items():
            label = "predicted at the start" if layer == 1 else None
            above.axhline(values.mean().item(), linestyle="--", linewidth=1, color=f"C{layer - 1}", label=label)
        above.set_yscale("log")
        above.set_title(title, fontsize=11)
        below.set_ylim(bottom=0)
        below.set_xlabel("optimizer step")
        for axes in (above, below):
            axes.grid(alpha=0.3)
    grid[0, 0].set_ylabel("variance of q·k")
    grid[1, 0].set_ylabel("entropy of the attention (nats)")
    grid[0, 0].legend(fontsize=9)
    figure.suptitle("Attention while it trains: the size of its scores, and how evenly it looks", fontsize=12)
    return figure
