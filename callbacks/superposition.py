"""How many sparse features a tied autoencoder keeps in fewer dimensions.

Letters: D features, K dimensions, R replicas.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.observing import log_replicas
from lab.figures import save_figure
from lab.titles import joined, replicas_of, title_of
from nets import TiedAutoencoder
from theory import welch_bound

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KEPT = 0.5  # a feature is kept when its direction is longer than this


class KeptFeatures(NamedTuple):
    """The features that W keeps.

    Attributes:
        count: columns w_i longer than 1/2.
        overlap: largest |cos| between two of them, 1 for a pair of opposite directions; 0 for fewer than two.
        positive_overlap: largest cos between two of them, the only one that a ReLU does not cut off; 0 where all are
            negative.
        bound: the least overlap that is possible for so many directions in K dimensions (``theory.welch_bound``).
    """

    count: int
    overlap: float
    positive_overlap: float
    bound: float


class Superposition(Callback):
    """Logs how many features a ``nets.TiedAutoencoder`` keeps, and how far they are from orthogonal.

    "Toy Models of Superposition" (Elhage et al., 2022), https://transformer-circuits.pub/2022/toy_model.
    Logs in ``test`` what ``kept_features`` finds, as ``superposition/kept``, ``superposition/overlap``,
    ``superposition/positive_overlap`` and ``superposition/welch_bound``. Draws ``superposition``, the WᵀW of the first
    replica and the features that each keeps, when training ends.

    Raises:
        ValueError: when the network is another.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not isinstance(pl_module.net, TiedAutoencoder):
            raise ValueError(
                f"Superposition needs nets.TiedAutoencoder, but the network is {type(pl_module.net).__name__}: take "
                f"Superposition out of trainer.callbacks."
            )

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        kept = [kept_features(net.weight.detach()) for net in pl_module.replicas()]
        names = ("kept", "overlap", "positive_overlap", "welch_bound")
        for name, values in zip(names, zip(*kept, strict=True), strict=True):
            log_replicas(pl_module, f"superposition/{name}", torch.tensor(values))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero:
            weights = [net.weight.detach().cpu().float() for net in pl_module.replicas()]
            title = joined(title_of(trainer), replicas_of(pl_module, "first"))
            shown = joined(f"above {replicas_of(pl_module, 'first')}", f"below {replicas_of(pl_module, 'all')}")
            shown = shown if len(weights) > 1 else ""
            save_figure(draw_superposition({title: weights}), "superposition", trainer, shown)


def kept_features(weight: Tensor) -> KeptFeatures:
    """Which features a matrix keeps as directions of their own.

    Shapes:
        weight (K, D)
    """
    directions = weight[:, weight.norm(dim=0) > KEPT]
    directions = directions / directions.norm(dim=0)
    count = directions.shape[1]
    if count < 2:
        return KeptFeatures(count, 0.0, 0.0, 0.0)
    overlaps = (directions.mT @ directions).fill_diagonal_(0)
    return KeptFeatures(count, overlaps.abs().max().item(), overlaps.max().item(), welch_bound(count, len(weight)))


def draw_superposition(weights: Mapping[str, list[Tensor]]) -> "Figure":
    """WᵀW of each column's first matrix; below, of all, the number of features kept and how far they overlap.

    Args:
        weights: for each title, the matrices W (K, D) of its replicas, the best one first.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(max(2.3 * len(weights), 5.0), 5.6), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1.0, 1.1])
    for axes, (title, replicas) in zip(above.subplots(1, len(weights), squeeze=False)[0], weights.items(), strict=True):
        image = axes.imshow((replicas[0].mT @ replicas[0]).numpy(), cmap="RdBu", vmin=-1.2, vmax=1.2)
        axes.set_title(title, fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
    above.colorbar(image, ax=above.axes, label="WᵀW", shrink=0.8)
    left, right = below.subplots(1, 2)
    for place, replicas in enumerate(weights.values()):
        for number, kept in enumerate(map(kept_features, replicas)):
            first = place == 0 and number == 0
            left.plot(place, kept.count, "o", color="C0", alpha=0.5)
            points = {"largest |cos|": ("o", "C0", kept.overlap), "largest cos": ("^", "C2", kept.positive_overlap)}
            points["Welch bound of |cos|"] = ("_", "C3", kept.bound)
            for label, (marker, colour, value) in points.items():
                right.plot(place, value, marker, color=colour, alpha=0.6, label=label if first else None)
    num_dims = next(iter(weights.values()))[0].shape[0]
    left.axhline(num_dims, color="0.5", linestyle=":", linewidth=1, label=f"K = {num_dims} dimensions")
    left.set_ylabel("features kept")
    right.set_ylabel("between features kept")
    for axes in (left, right):
        axes.set_xticks(range(len(weights)), weights if len(weights) > 1 else [""], fontsize=8)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    return figure
