"""Images of a split with their true and predicted masks.

Letters: B batch, I channels of an image, H height, W width, C classes.
"""

import torch
from lightning.pytorch import LightningModule, Trainer

from callbacks.observing import undisturbed
from callbacks.split_pictures import SplitPictures, check_at_least
from figures import draw_segmentation_maps
from lab.figures import save_figure
from nets.labels import check_labels


class SegmentationMaps(SplitPictures):
    """Draws images with their true masks, the predicted ones, and the pixels that are wrong.

    Works for a task such as ``LitSegmenter`` with ``segment(images (B, I, H, W)) -> logits (B, C, H, W)``,
    ``ignore_index`` and ``num_classes``, and a datamodule whose ``datasets[split][index]`` is an image (I, H, W) in
    [0, 1] and a mask (H, W). The examples lie evenly spread over the split, and their sizes may differ. Draws
    ``segmentation_val`` when training ends, and after every so many epochs if wanted; ``segmentation_test`` when
    testing ends.

    Args:
        num_examples: how many images are shown, ≥ 1; all where the split has fewer.
        every_n_epochs: draw also after every so many epochs, ≥ 1; only at the end when None.

    Raises:
        ValueError: when an argument is out of its range, or the task or the data have nothing to segment.
    """

    def __init__(self, num_examples: int = 4, every_n_epochs: int | None = None) -> None:
        super().__init__(every_n_epochs)
        check_at_least(1, num_examples=num_examples)
        self.num_examples = num_examples

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not hasattr(pl_module, "segment"):
            raise ValueError(
                f"SegmentationMaps needs a task that segments images, such as lit_models.LitSegmenter, but the task is "
                f"{type(pl_module).__name__}: take SegmentationMaps out of trainer.callbacks."
            )
        if not hasattr(trainer.datamodule, "datasets"):
            raise ValueError(
                f"SegmentationMaps needs a datamodule with datasets of images and masks, but the data are "
                f"{type(trainer.datamodule).__name__}: take SegmentationMaps out of trainer.callbacks."
            )

    def draw(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        dataset, parameter = trainer.datamodule.datasets[split], next(pl_module.parameters())
        count = min(self.num_examples, len(dataset))
        # What is compiled runs uncompiled: each new size of an image would compile it again.
        with undisturbed(pl_module), torch.compiler.set_stance("force_eager"):
            images, masks = zip(*(dataset[n * len(dataset) // count] for n in range(count)), strict=True)
            predictions = [
                pl_module.segment(image[None].to(parameter.device, parameter.dtype)).argmax(dim=1)[0].cpu()
                for image in images
            ]
        names = getattr(trainer.datamodule, "class_names", None) or [str(n) for n in range(pl_module.num_classes)]
        images, masks = [image.cpu().float() for image in images], [check_labels(m, name="masks").cpu() for m in masks]
        figure = draw_segmentation_maps(images, masks, predictions, list(names), pl_module.ignore_index)
        save_figure(figure, f"segmentation_{split}", trainer)
