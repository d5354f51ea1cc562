"""The entropy of graph attention over the edges into each node, against the node's degree.

Letters: N nodes, H heads.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def draw_attention_entropy(entropy: Tensor, degrees: Tensor, shares: Tensor) -> "Figure":
    """The entropy of each node and head against the node's degree (left), and in units of its largest value (right).

    Lines are means over the nodes of one degree; dashed is log(degree), the entropy of uniform attention.

    Args:
        entropy: the entropy of the attention over the edges into each node, in nats.
        degrees: the number of edges into each node, its self-loop included, ≥ 1.
        shares: for each head, the mean of entropy / log(degree) over the nodes with two edges or more.

    Shapes:
        entropy (N, H), degrees (N,), shares (H,)
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    distinct = degrees.unique()  # (K,) for K degrees
    largest, several = distinct.to(entropy.dtype).log(), distinct > 1
    means = torch.stack([entropy[degrees == degree].mean(dim=0) for degree in distinct])  # (K, H)
    by_degree = means[several] / largest[several, None]
    for head, (values, mean, share) in enumerate(zip(entropy.T, means.T, by_degree.T, strict=True)):
        color, shift = f"C{head % 10}", 1.06 ** ((head + 0.5) / entropy.shape[1] - 0.5)  # heads side by side
        left.scatter((degrees * shift).numpy(), values.numpy(), 7, color=color, alpha=0.35, linewidths=0)
        left.plot(distinct.numpy(), mean.numpy(), color=color, linewidth=1.3)
        name = f"head {head + 1}: {shares[head]:.2%} on average"
        right.plot(distinct[several].numpy(), share.numpy(), ".-", color=color, linewidth=1.0, label=name)
    left.plot(distinct.numpy(), largest.numpy(), "k--", linewidth=1.3, label="log(degree): uniform attention")
    right.axhline(1.0, color="black", linestyle="--", linewidth=1.3)
    right.set_ylim(min([0.95, *(0.97 * by_degree).flatten().tolist()]), 1.005)
    for axes, name in ((left, "entropy of the attention (nats)"), (right, "entropy / log(degree)")):
        _set_degree_axis(axes, int(distinct[-1]))
        axes.set_ylabel(name)
        axes.legend(fontsize=8)
    figure.suptitle("Entropy of the first layer's attention over the edges into each node", fontsize=12)
    return figure


def _set_degree_axis(axes: "Axes", largest: int) -> None:
    """A logarithmic axis with plain numbers."""
    ticks = [step * 10**power for power in range(len(str(largest))) for step in (1, 2, 5)]
    axes.set_xscale("log")
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set(xlim=(0.9, 1.15 * largest), xlabel="degree: edges into the node, with its self-loop")
    axes.grid(alpha=0.3)
