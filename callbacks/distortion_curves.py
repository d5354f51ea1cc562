"""The accuracy of a classifier on increasingly distorted test images."""

from collections.abc import Mapping

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from callbacks.observing import gather, undisturbed
from figures import distortion_curves_of, draw_distortion_curves
from figures.distortion_curves import PREFIX
from lab.figures import save_figure


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
        curves = distortion_curves_of({name: ([0], [accuracy]) for name, accuracy in measured.items()})
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
