"""Semantic segmentation: a class for every pixel."""

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.classification import MulticlassConfusionMatrix

from lit_models.boundary import BoundaryFScore
from lit_models.class_averages import mean_over_classes
from lit_models.class_counts import check_outputs, names_of_outputs
from lit_models.mask_checks import check_masks, warn_of_one_class
from lit_models.mask_pictures import draw_overlays, mask_palette, to_mask, values_of_classes
from lit_models.overlap import dice_loss, overlap_scores
from lit_models.task import LitTask
from nets import tiled_logits
from nets.labels import check_labels
from nets.tiling import check_tiles

LOSSES = ("cross_entropy", "dice", "cross_entropy+dice")


class LitSegmenter(LitTask):
    r"""Trains a network that gives every pixel of an image its class.

    The loss is the cross-entropy of the pixels, the soft Dice loss (``dice_loss``), or their sum. Logs ``train/loss``;
    for ``val`` and ``test`` the ``loss``, the mean ``iou`` over the classes of the intersection over union, the mean
    Dice coefficient ``dice`` and the share of right pixels ``acc``, all from the pixels of the whole split; for
    ``test`` also ``iou_<class>``, of the classes that have one, and ``boundary_f``, see ``BoundaryFScore``. Void pixels
    count in none of them, and classes that are neither in the truth nor in the prediction in no mean.

    Args:
        net: from images (B, I, H, W) to logits (B, C, H, W).
        num_classes: number of classes C, ≥ 2.
        loss: "cross_entropy", "dice" or "cross_entropy+dice".
        ignore_index: the label of void pixels.
        tile_size: larger images are evaluated in tiles of that side, see ``tiled_logits``; None for no tiles.
        tile_overlap: pixels that neighbouring tiles share, in [0, ``tile_size``).
        input_size: images of another size are evaluated at that side, in pixels, and the logits brought back to the
            size of the image; None for as they are.
        boundary_tolerance: pixels by which a boundary may be off, ≥ 0; None leaves ``boundary_f`` out, as it should
            where a void band lies between the classes.
        optimizer: from parameters to an optimizer; AdamW with torch's defaults when None.
        scheduler: from an optimizer to a learning-rate scheduler; see ``LitTask``.

    Shapes:
        batch: images (B, I, H, W), masks (B, H, W) of integers in [0, C), or ``ignore_index``

    Raises:
        ValueError: when an argument is out of its range, the data or the network do not have ``num_classes``, or masks
            do not fit their images.
    """

    def __init__(
        self,
        net: nn.Module,
        num_classes: int = 2,
        loss: str = "cross_entropy",
        ignore_index: int = 255,
        tile_size: int | None = None,
        tile_overlap: int = 32,
        input_size: int | None = None,
        boundary_tolerance: int | None = 2,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(net, optimizer, scheduler)
        self.save_arguments()
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, but it is {num_classes}.")
        if loss not in LOSSES:
            raise ValueError(f'loss must be one of {", ".join(LOSSES)}, but it is "{loss}".')
        if 0 <= ignore_index < num_classes:
            raise ValueError(f"ignore_index must be no class, 0 … {num_classes - 1}, but it is {ignore_index}.")
        if tile_size is not None:
            check_tiles(tile_size, tile_overlap)
        if input_size is not None and (input_size < 1 or tile_size is not None):
            raise ValueError(
                f"input_size must be at least 1 and stand without tile_size, but they are {input_size} and {tile_size}."
            )
        self.num_classes, self.loss, self.ignore_index = num_classes, loss, ignore_index
        self.tile_size, self.tile_overlap, self.input_size = tile_size, tile_overlap, input_size
        self.confusion = MulticlassConfusionMatrix(num_classes, ignore_index=ignore_index)
        self.mask_values = values_of_classes(num_classes)
        self.boundary = None if boundary_tolerance is None else BoundaryFScore(boundary_tolerance, ignore_index)

    def setup(self, stage: str) -> None:
        """Raise ValueError unless data and network have ``num_classes``; take the values of masks from the data."""
        super().setup(stage)
        self.mask_values = values_of_classes(self.num_classes, getattr(self.datamodule, "mask_values", None))

    @property
    def palettes(self) -> dict[str, list[int] | None]:
        """The palette of the pictures of one channel among the predictions, by their names."""
        return {"mask": mask_palette(self.mask_values)}

    def forward(self, images: Tensor) -> Tensor:
        """The logits (B, C, H, W) of the images."""
        return self.segment(images)

    def segment(self, images: Tensor) -> Tensor:
        """The logits (B, C, H, W) of images of any size, in tiles or at the network's size as the arguments say.

        Shapes:
            images (B, I, H, W) -> (B, C, H, W)
        """
        sides = tuple(images.shape[-2:])
        if self.input_size is not None and sides != (self.input_size, self.input_size):
            precise = images.to(torch.promote_types(images.dtype, torch.float32))  # bfloat16 cannot be antialiased
            resized = F.interpolate(precise, (self.input_size,) * 2, mode="bilinear", antialias=True)
            return F.interpolate(self.net(resized.to(images.dtype)), sides, mode="bilinear")
        if self.tile_size is not None and max(sides) > self.tile_size:
            return tiled_logits(self.net, images, self.tile_size, self.tile_overlap)
        return self.net(images)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        images, masks = batch[0], check_labels(batch[1], name="masks")
        if batch_idx == 0:
            check_masks(images, masks, self.num_classes, self.ignore_index)
        try:
            return self.track(self._loss(self.net(images), masks), len(images))
        except (IndexError, RuntimeError):  # of a loss that has met a number that is no class
            check_masks(images, masks, self.num_classes, self.ignore_index)
            raise

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> dict[str, Tensor]:
        return self._evaluate("val", batch)

    def test_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> dict[str, Tensor]:
        return self._evaluate("test", batch)

    def on_validation_epoch_end(self) -> None:
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")
        if self.boundary is not None:
            self.log("test/boundary_f", self.boundary)

    def predict_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> dict[str, Tensor]:
        """Masks and overlays as pictures of the image's size, and the share of the pixels that each class has.

        A mask has the values that the data's own masks have in their files, ``mask_values`` of the datamodule.

        Shapes:
            images (B, I, H, W) -> mask (B, H, W) and overlay (B, 3, H, W) of bytes, share (B, C)
        """
        images = batch[0]
        predicted = self.segment(images).argmax(dim=1)
        classes = F.one_hot(predicted, self.num_classes).movedim(-1, 1).bool()  # (B, C, H, W)
        shares = classes.float().mean(dim=(2, 3))
        return {
            "mask": to_mask(predicted, self.mask_values),
            "overlay": draw_overlays(images, classes),
            "share": shares,
        }

    def _loss(self, logits: Tensor, masks: Tensor) -> Tensor:
        check_outputs(logits, self.num_classes)
        logits = logits.float()
        if "cross_entropy" not in self.loss:
            return dice_loss(logits, masks, self.ignore_index)
        # The mean over the pixels that are known; of a batch without any the sum, 0, and not 0/0.
        known = (masks != self.ignore_index).sum().clamp(min=1)
        loss = F.cross_entropy(logits, masks, ignore_index=self.ignore_index, reduction="sum") / known
        return loss + dice_loss(logits, masks, self.ignore_index) if "dice" in self.loss else loss

    def _evaluate(self, split: str, batch: tuple[Tensor, ...]) -> dict[str, Tensor]:
        images, masks = batch[0], check_labels(batch[1], name="masks")
        check_masks(images, masks, self.num_classes, self.ignore_index)
        logits = self.segment(images)
        loss, predicted = self._loss(logits, masks), logits.argmax(dim=1)
        num_known = int((masks != self.ignore_index).sum())  # the pixels that the loss is a mean of
        self.log(f"{split}/loss", loss, batch_size=num_known, sync_dist=True)
        self.confusion.update(predicted, masks)
        if split == "test" and self.boundary is not None:
            self.boundary.update(predicted, masks)
        return {"loss": loss}

    def _log_scores(self, split: str) -> None:
        confusion = self.confusion.compute()
        if not self.trainer.sanity_checking:
            warn_of_one_class(split, confusion, self.ignore_index)
        self.confusion.reset()
        if confusion.sum() == 0 and not self.trainer.sanity_checking:
            raise ValueError(
                f"all pixels of the {split} split are void ({self.ignore_index}), so that nothing can be scored: "
                f"correct its masks, or set model.ignore_index to the label of what is to be left out."
            )
        scores = overlap_scores(confusion)
        logged = {name: mean_over_classes(scores[name]) for name in ("iou", "dice")} | {"acc": scores["acc"]}
        if split == "test":
            names = names_of_outputs(self.datamodule, self.num_classes)
            of_classes = zip(names, scores["iou"], strict=True)
            logged |= {f"iou_{name}": iou for name, iou in of_classes if not iou.isnan()}
        self.log_dict({f"{split}/{name}": value.float() for name, value in logged.items()}, sync_dist=True)
