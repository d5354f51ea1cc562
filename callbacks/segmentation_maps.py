"""What a segmentation network sees in an image, beside the truth, and where it errs.

Letters: B batch, I channels of an image, H height, W width, C classes.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from callbacks.observing import undisturbed
from callbacks.split_pictures import SplitPictures, check_at_least
from lab.figures import save_figure
from nets.labels import check_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

# The first class, often the background, is dark; red and blue are those of the two kinds of mistakes.
COLORS = (
    "#34456b", "#f2a33a", "#2a9d8f", "#9a6fd0", "#8bbf3f", "#5fb8e8", "#cc5a94", "#8a5a3b", "#f3d94e", "#5e7d1f"
)  # fmt: skip
FALSE_POSITIVE, FALSE_NEGATIVE, VOID, STRIPE = "#e3000f", "#1257e0", "0.8", "0.6"
PALE = 0.84  # share of white in the colour of a right pixel
PANEL, SIDE = 2.3, 512  # width of a picture in inches; pixels that a striped one has at least


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
        images, masks = [image.cpu().float() for image in images], [mask.cpu() for mask in masks]
        figure = draw_segmentation_maps(images, masks, predictions, list(names), pl_module.ignore_index)
        save_figure(figure, f"segmentation_{split}", trainer)


def draw_segmentation_maps(
    images: list[Tensor],
    masks: list[Tensor],
    predictions: list[Tensor],
    class_names: list[str],
    ignore_index: int,
    row_names: Sequence[str] = (),
) -> "Figure":
    """A row an example: the image, the truth, the prediction, and the errors.

    A class has one colour. Among the errors, what is right is pale; of two classes, false positives of the second are
    red and its false negatives blue; of more, a wrong pixel has the colour of the class that it is taken for. What is
    void in the truth is striped grey. Each row says the mean intersection over union of its classes, those in its truth
    or its prediction, and the share of its wrong pixels.

    Args:
        images: of one channel or three, in [0, 1].
        masks: the true class of each pixel.
        predictions: the predicted one.
        class_names: the name of each class.
        ignore_index: the label of void pixels in the masks.
        row_names: what stands before each row, such as the network that predicted; nothing when empty.

    Shapes:
        images (I, H, W), masks (H, W), predictions (H, W), each with H and W of its own

    Raises:
        ValueError: when the sizes of an example differ, or a class has no name.
    """
    from matplotlib.figure import Figure

    masks, predictions = ([check_labels(labels, name="masks") for labels in group] for group in (masks, predictions))
    examples = list(zip(images, masks, predictions, strict=True))
    for number, example in enumerate(examples):
        _check(number, *example, len(class_names), ignore_index)
    ratios = [min(max(image.shape[1] / image.shape[2], 0.4), 1.6) for image in images]
    handles = _legend(masks, predictions, class_names, ignore_index)
    columns = max(1, min(len(handles), 100 // (6 + max(len(handle.get_label()) for handle in handles))))
    height = PANEL * sum(ratios) + 0.06 * len(images) + 0.2 * -(-len(handles) // columns) + 0.45
    figure = Figure(figsize=(4 * PANEL + 1.2, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
    grid = figure.subplots(len(images), 4, squeeze=False, height_ratios=ratios)
    errors = "errors" if len(class_names) == 2 else "errors (predicted class)"
    for axes, title in zip(grid[0], ("image", "truth", "prediction", errors), strict=True):
        axes.set_title(title, fontsize=11)
    for row, example, name in zip(grid, examples, row_names or [""] * len(examples), strict=True):
        _draw_example(row, *example, _palette(len(class_names)), ignore_index, name)
    return figure


def _check(number: int, image: Tensor, mask: Tensor, prediction: Tensor, num_classes: int, ignore_index: int) -> None:
    if not image.shape[1:] == mask.shape == prediction.shape:
        raise ValueError(
            f"The image, the mask and the prediction of example {number} must have one size, but they have "
            f"{tuple(image.shape[1:])}, {tuple(mask.shape)} and {tuple(prediction.shape)}."
        )
    classes = torch.cat([mask[mask != ignore_index], prediction.flatten()])
    if classes.min() < 0 or classes.max() >= num_classes:
        raise ValueError(
            f"Every class must have a name, but example {number} holds the classes {classes.unique().tolist()} and "
            f"there are {num_classes} names: give class_names for all, or the label of void pixels as ignore_index."
        )


def _draw_example(
    row: Sequence["Axes"],
    image: Tensor,
    mask: Tensor,
    prediction: Tensor,
    palette: Tensor,
    ignore_index: int,
    name: str,
) -> None:
    void = mask == ignore_index
    truth = mask.masked_fill(void, 0)
    pictures = [
        image.movedim(0, -1).expand(*mask.shape, 3).clamp(0, 1),
        _striped(palette[truth], void),
        palette[prediction],
        _striped(_errors(truth, prediction, palette), void),
    ]
    for axes, pixels in zip(row, pictures, strict=True):
        axes.imshow(pixels.numpy())
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_color("0.8")
    score = "\n\n".join(filter(None, (name, _score(mask[~void], prediction[~void]))))
    row[0].set_ylabel(score, fontsize=10, rotation=0, ha="right", va="center", labelpad=8)


def _palette(num_classes: int) -> Tensor:
    """Colours (C, 3); beyond ten classes the same ones lighter, then darker."""
    from matplotlib.colors import to_rgb

    base = torch.tensor([to_rgb(color) for color in COLORS])
    shades = torch.cat([base, 0.5 + 0.5 * base, 0.6 * base])
    return shades[torch.arange(num_classes) % len(shades)]


def _errors(mask: Tensor, prediction: Tensor, palette: Tensor) -> Tensor:
    """Colours (H, W, 3): pale where it is right, and by the kind of mistake where it is wrong."""
    from matplotlib.colors import to_rgb

    right = (mask == prediction)[..., None]
    white = PALE if len(palette) <= len(COLORS) else 1.0  # some of many colours are pale themselves
    # A pixel that is wrong between two classes is named by its prediction: 0 is a false negative, 1 a false positive.
    kinds = torch.tensor([to_rgb(FALSE_NEGATIVE), to_rgb(FALSE_POSITIVE)]) if len(palette) == 2 else palette
    return torch.where(right, white + (1 - white) * palette[mask], kinds[prediction])


def _striped(pixels: Tensor, void: Tensor) -> Tensor:
    """The pixels (H, W, 3), enlarged if they are few, with diagonal stripes of grey where they are void."""
    from matplotlib.colors import to_rgb

    scale = -(-SIDE // max(void.shape))  # the stripes of a small picture are finer than its pixels
    void, pixels = (values.repeat_interleave(scale, 0).repeat_interleave(scale, 1) for values in (void, pixels))
    diagonal = torch.arange(void.shape[0])[:, None] + torch.arange(void.shape[1])
    period = max(void.shape) // 32
    stripes = diagonal % period < period // 4
    grey = torch.tensor([to_rgb(VOID), to_rgb(STRIPE)])[stripes.long()]
    return torch.where(void[..., None], grey, pixels)


def _score(mask: Tensor, prediction: Tensor) -> str:
    """What an example's known pixels (N,) are worth."""
    if len(mask) == 0:
        return "all void"
    ious = [
        ((mask == label) & (prediction == label)).sum() / ((mask == label) | (prediction == label)).sum()
        for label in torch.cat([mask, prediction]).unique()
    ]
    return f"mean IoU\n{torch.stack(ious).mean():.2f}\n\n{(mask != prediction).float().mean():.1%}\nwrong"


def _legend(masks: list[Tensor], predictions: list[Tensor], names: list[str], ignore_index: int) -> list["Patch"]:
    """A patch for each class that is drawn, then for void, then for the kinds of mistakes."""
    from matplotlib.patches import Patch

    true, predicted = (
        {label for labels in group for label in labels.unique().tolist()} for group in (masks, predictions)
    )
    colors = _palette(len(names)).tolist()
    drawn = sorted((true - {ignore_index}) | predicted)
    patches = [Patch(color=colors[label], label=names[label]) for label in drawn]
    if ignore_index in true:
        patches.append(Patch(facecolor=VOID, edgecolor=STRIPE, hatch="////", linewidth=0, label="void"))
    if len(names) == 2:
        patches.append(Patch(color=FALSE_POSITIVE, label=f"false positive: {names[0]} taken for {names[1]}"))
        patches.append(Patch(color=FALSE_NEGATIVE, label=f"false negative: {names[1]} taken for {names[0]}"))
    return patches
