"""The number of sparse features that a tied autoencoder keeps in fewer dimensions.

Letters: D features, K dimensions, R replicas.
"""

from typing import NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.observing import log_replicas
from figures import draw_superposition
from lab.figures import save_figure
from lab.titles import joined, replicas_of, title_of
from nets import TiedAutoencoder
from theory import welch_bound

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
            kept = [kept_features(weight) for weight in weights]
            save_figure(draw_superposition({title: weights}, {title: kept}), "superposition", trainer, shown)


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
