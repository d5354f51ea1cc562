"""The features that tied autoencoders keep in fewer dimensions than there are features.

Letters: D features, K dimensions, R replicas.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Kept = Sequence[float]  # features kept, their largest |cos|, their largest cos, and the Welch bound of |cos|


def draw_superposition(weights: Mapping[str, Sequence[Tensor]], kept: Mapping[str, Sequence[Kept]]) -> "Figure":
    """WᵀW of each column's first matrix; below, how many features each matrix keeps and how they overlap.

    Args:
        weights: for each title, the matrices W of its replicas, the one with the lowest loss first.
        kept: for each title, of each replica the number of features kept, and between those the largest |cos|, the
            largest cos, and the least |cos| that is possible (the Welch bound).

    Shapes:
        each matrix (K, D), K the same for all
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(2.3 * len(weights), 5.0), 5.6), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.0, 1.1])[:, 0]
    for axes, (title, replicas) in zip(above.subplots(1, len(weights), squeeze=False)[0], weights.items(), strict=True):
        image = axes.imshow((replicas[0].mT @ replicas[0]).numpy(), cmap="RdBu", vmin=-1.2, vmax=1.2)
        axes.set_title(title, fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    above.colorbar(image, ax=above.axes, label="WᵀW", shrink=0.8)
    left, right = below.subplots(1, 2)
    _draw_kept(left, right, kept)
    num_dims = next(iter(weights.values()))[0].shape[0]
    left.axhline(num_dims, color="0.5", linestyle=":", linewidth=1, label=f"K = {num_dims} dimensions")
    left.set_ylabel("features kept")
    right.set_ylabel("between features kept")
    for axes in (left, right):
        axes.set_xticks(range(len(weights)), weights if len(weights) > 1 else [""], fontsize=8)
        axes.set_ylim(bottom=0)
        axes.margins(x=0.15)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    return figure


def _draw_kept(left: "Axes", right: "Axes", kept: Mapping[str, Sequence[Kept]]) -> None:
    """A point for each replica: on the left the features that it keeps, on the right how far they overlap."""
    for column, replicas in enumerate(kept.values()):
        for number, (count, overlap, positive_overlap, bound) in enumerate(replicas):
            left.plot(column, count, "o", color="C0", alpha=0.5)
            points = {"largest |cos|": ("o", "C0", overlap), "largest cos": ("^", "C2", positive_overlap)}
            points["Welch bound of |cos|"] = ("_", "C3", bound)
            for label, (marker, colour, value) in points.items():
                first = column == 0 and number == 0
                right.plot(column, value, marker, color=colour, alpha=0.6, label=label if first else None)
