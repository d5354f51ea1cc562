"""The position scores of relative attention, learned and constructed, and the outputs of both layers.

Letters: R largest distance, T time steps, T' central time steps, which have a target.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOWEST = -14.0  # a weight below e^-14 of the largest is not distinguished from zero


def draw_relative_positions(
    learned: Tensor,
    constructed: Tensor,
    scalars: Sequence[str],
    targets: Tensor,
    predictions: Sequence[Tensor],
    title: str,
) -> "Figure":
    """The score p of each distance, learned and constructed (left), and the outputs of both layers (right).

    Args:
        learned: the learned p, entry R+(i−j) for the distance i−j.
        constructed: the constructed p.
        scalars: the other weights of the learned and of the constructed layer, as text for the legend.
        targets: the output of the operator for a sequence, at its central positions.
        predictions: the outputs of the learned and of the constructed layer, at all positions.
        title: the operator.

    Shapes:
        learned and constructed (2R+1,), each with an R of its own, targets (T',), predictions: two of (T,)
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.0, 1.4])
    for number, (name, p) in enumerate({"learned": learned, "constructed": constructed}.items()):
        reach = len(p) // 2
        distances = torch.arange(-reach, reach + 1)
        heights = (p - p.max()).clamp(min=LOWEST) - LOWEST  # a constant added to every p changes nothing
        shifted = distances + 0.4 * number - 0.2
        left.bar(shifted.numpy(), heights.numpy(), bottom=LOWEST, width=0.38, label=f"{name}: {scalars[number]}")
    left.set_xlabel("distance i − j")
    left.set_ylabel(f"p − max p (cut at {LOWEST:g})")
    left.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16))
    margin = (len(predictions[0]) - len(targets)) // 2
    inside = slice(margin, margin + len(targets))
    steps = torch.arange(len(predictions[0]))[inside]
    right.plot(steps.numpy(), targets.numpy(), color="0.6", linewidth=5, alpha=0.6, label="target")
    for name, style, prediction in zip(("learned", "constructed"), (".-", "x"), predictions, strict=True):
        right.plot(steps.numpy(), prediction[inside].numpy(), style, linewidth=1, label=name)
    right.set_xlabel("position i")
    right.set_ylabel("output")
    right.legend(fontsize=9)
    figure.suptitle(f"Relative attention as a {title}: found by gradient descent, and by construction", fontsize=12)
    return figure
