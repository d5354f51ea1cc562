"""How the accuracy of a classifier falls as the test images are distorted."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from callbacks.learning_curves import Curve, draw_repeats
from callbacks.observing import Metrics, gather, undisturbed
from lab.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREFIX = "distorted_acc/"
LABELS = {
    "translation": "largest shift (of the side)",
    "rotation": "largest rotation (degrees)",
    "scale": "largest change of size",
    "pixel_dropout": "share of missing pixels",
    "noise": "noise (standard deviation)",
    "occlusion": "side of the square in front (of the side)",
}


class DistortionCurves(Callback):
    """Tests a classifier on the same images under one distortion at a time, from none to strong, and draws the curves.

    Logs ``distorted_acc/<distortion>_<strength>`` when testing; the distortions that are not varied are those of the
    test split.

    Args:
        strengths: for each distortion, the strengths to test, each a value that the datamodule's argument of that name
            may have.
        batch_size: images classified at once, ≥ 1.

    Raises:
        ValueError: when there is nothing to test, or the datamodule cannot distort its test images.
    """

    def __init__(self, strengths: dict[str, list[float]], batch_size: int = 256) -> None:
        if not strengths or not all(strengths.values()) or batch_size < 1:
            raise ValueError(
                f"strengths must name distortions with one strength or more each, and batch_size be at least 1, "
                f"but they are {strengths} and {batch_size}."
            )
        self.strengths, self.batch_size = strengths, batch_size

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not hasattr(trainer.datamodule, "distorted_test") or trainer.datamodule.task != "classify":
            raise ValueError(
                "DistortionCurves needs a datamodule that can distort the test images of a classifier, "
                'such as datamodules.ShapesDataModule(task="classify").'
            )
        for name, strengths in self.strengths.items():
            for strength in strengths:
                trainer.datamodule.check_distortion({name: strength})

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        measured = {
            f"{PREFIX}{name}_{strength:.12g}": self._accuracy(trainer, pl_module, {name: strength})
            for name, strengths in self.strengths.items()
            for strength in strengths
        }
        pl_module.log_dict(measured)
        curves = distortion_curves({name: ([0], [accuracy]) for name, accuracy in measured.items()})
        panels = {name: {"": [curve]} for name, curve in curves.items()}
        save_figure(draw_distortion_curves(panels), "distortion_curves", trainer)

    def _accuracy(self, trainer: Trainer, pl_module: LightningModule, distortion: Mapping[str, float]) -> float:
        """The accuracy on all images, of which every process classifies its share."""
        mine = slice(trainer.global_rank, None, trainer.world_size)
        images, labels = (tensor[mine] for tensor in trainer.datamodule.distorted_test(distortion))
        like = next(pl_module.parameters())
        with undisturbed(pl_module), trainer.precision_plugin.forward_context():
            right = sum(
                int((pl_module(part.to(like)).argmax(dim=-1).cpu() == truth).sum())
                for part, truth in zip(images.split(self.batch_size), labels.split(self.batch_size), strict=True)
            )
        counts = torch.tensor(gather(trainer, (right, len(labels)))).sum(dim=0)
        return float(counts[0] / counts[1])


def distortion_curves(metrics: Metrics) -> dict[str, Curve]:
    """The accuracy over the strength of each distortion, from what a run has logged."""
    points: dict[str, list[tuple[float, float]]] = {}
    for key, (_, values) in metrics.items():
        if key.startswith(PREFIX):
            name, _, strength = key.removeprefix(PREFIX).rpartition("_")
            points.setdefault(name, []).append((float(strength), float(values[-1])))
    return {name: tuple(map(list, zip(*sorted(pairs), strict=True))) for name, pairs in points.items()}


def draw_distortion_curves(panels: Mapping[str, Mapping[str, list[Curve]]]) -> "Figure":
    """The accuracy over the strength of every distortion, a panel each.

    Args:
        panels: for each distortion, for each line's label, the strengths and accuracies of every repeat.
    """
    labels = [LABELS.get(name, name) for name in panels]
    return draw_repeats(dict(zip(labels, panels.values(), strict=True)), "accuracy", xlabels=labels)
