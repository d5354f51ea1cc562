"""Images with their true masks, the predicted masks, and the pixels that are wrong.

Letters: I channels of an image, H height, W width, C classes.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

# The first class, often the background, is dark; red and blue are reserved for the two kinds of errors.
COLORS = (
    "#34456b", "#f2a33a", "#2a9d8f", "#9a6fd0", "#8bbf3f", "#5fb8e8", "#cc5a94", "#8a5a3b", "#f3d94e", "#5e7d1f"
)  # fmt: skip
FALSE_POSITIVE, FALSE_NEGATIVE, VOID, STRIPE = "#e3000f", "#1257e0", "0.8", "0.6"
PALE = 0.84  # share of white in the colour of a correct pixel
PANEL, SIDE = 2.3, 512  # width of a picture in inches; pixels that a striped one has at least


def draw_segmentation_maps(
    images: Sequence[Tensor],
    masks: Sequence[Tensor],
    predictions: Sequence[Tensor],
    class_names: Sequence[str],
    ignore_index: int,
    row_names: Sequence[str] = (),
) -> "Figure":
    """A row for each example: the image, the true mask, the predicted mask, and the errors.

    Each class has one colour. Among the errors, correct pixels are pale. Of two classes, false positives of the second
    are red and its false negatives blue; of more, a wrong pixel has the colour of the predicted class. Void pixels of
    the true mask are striped grey. Beside each row stand its mean intersection over union, over the classes in its true
    or its predicted mask, and the share of its wrong pixels.

    Args:
        images: one channel or three, in [0, 1].
        masks: the true class of each pixel, an integer.
        predictions: the predicted class of each pixel, an integer.
        class_names: the name of each class.
        ignore_index: the label of void pixels in the masks.
        row_names: a text before each row, such as the network that predicted; none when empty.

    Shapes:
        images (I, H, W), masks (H, W), predictions (H, W), each with H and W of its own

    Raises:
        ValueError: when the sizes of an example differ, a class has no name, or masks are no integers.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    examples = list(zip(images, masks, predictions, strict=True))
    for number, example in enumerate(examples):
        _check(number, *example, len(class_names), ignore_index)
    masks, predictions = ([labels.long() for labels in group] for group in (masks, predictions))
    examples = list(zip(images, masks, predictions, strict=True))
    ratios = [min(max(image.shape[1] / image.shape[2], 0.4), 1.6) for image in images]
    handles = _legend(masks, predictions, class_names, ignore_index)
    columns = max(1, min(len(handles), 100 // (6 + max(len(str(handle.get_label())) for handle in handles))))
    height = PANEL * sum(ratios) + 0.06 * len(images) + 0.2 * -(-len(handles) // columns) + 0.45
    engine = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
    figure = Figure(figsize=(4 * PANEL + 1.2, height), layout=engine)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=9, frameon=False)
    grid = figure.subplots(len(images), 4, squeeze=False, height_ratios=ratios)
    errors = "errors" if len(class_names) == 2 else "errors (predicted class)"
    for axes, title in zip(grid[0], ("image", "truth", "prediction", errors), strict=True):
        axes.set_title(title, fontsize=11)
    for row, example, name in zip(grid, examples, row_names or [""] * len(examples), strict=True):
        _draw_example(row, *example, _palette(len(class_names)), ignore_index, name)
    return figure


def _check(number: int, image: Tensor, mask: Tensor, prediction: Tensor, num_classes: int, ignore_index: int) -> None:
    if mask.is_floating_point() or prediction.is_floating_point():
        raise ValueError(
            f"Masks must be integers, the numbers of classes, but example {number} has {mask.dtype} and "
            f"{prediction.dtype}: take argmax over the classes of probabilities, and long() of whole numbers."
        )
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
    """Draw the four pictures of an example (I, H, W), (H, W), (H, W) into the axes of its row."""
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
    """Colours (H, W, 3): pale where the prediction is correct, and by the kind of error where it is wrong."""
    from matplotlib.colors import to_rgb

    right = (mask == prediction)[..., None]
    white = PALE if len(palette) <= len(COLORS) else 1.0  # of many colours, some are pale themselves
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
    """The mean intersection over union and the error rate of the pixels (N,) of an example that are not void."""
    if len(mask) == 0:
        return "all void"
    ious = [
        ((mask == label) & (prediction == label)).sum() / ((mask == label) | (prediction == label)).sum()
        for label in torch.cat([mask, prediction]).unique()
    ]
    return f"mean IoU\n{torch.stack(ious).mean():.2f}\n\n{(mask != prediction).float().mean():.1%}\nwrong"


def _legend(
    masks: Sequence[Tensor], predictions: Sequence[Tensor], names: Sequence[str], ignore_index: int
) -> list["Patch"]:
    """A patch for each class that is drawn, then for void, then for the kinds of errors."""
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
