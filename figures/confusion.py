"""Which classes a classifier confuses, and the examples that it gets wrong with the highest confidence.

Letters: C classes, I channels, H height, W width.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WrongExample = tuple[float, int, int, Tensor]  # probability of the predicted class, predicted class, label, image


def draw_confusion_matrix(counts: Tensor, names: Sequence[str], title: str) -> "Figure":
    """How often each class (rows) is predicted as each class (columns), misclassifications in red.

    Args:
        counts: the number of samples for each label (rows) and prediction (columns).
        names: the name of each class.
        title: which split of which data it is; the number of correct predictions is added.

    Shapes:
        counts (C, C) of integers
    """
    from matplotlib.figure import Figure

    total, right = int(counts.sum()), int(counts.trace())
    side = 0.52 * len(names)
    figure = Figure(figsize=(side + 1.8, side + 1.6), layout="constrained")
    axes = figure.subplots()
    shares = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    wrong = shares.clone().fill_diagonal_(0)
    axes.imshow(wrong.numpy(), cmap="Reds", vmin=0, vmax=max(0.02, 1.6 * float(wrong.max())))
    for label in range(len(names)):
        for predicted in range(len(names)):
            if count := int(counts[label, predicted]):
                weight = "bold" if label == predicted else "normal"
                axes.text(predicted, label, str(count), ha="center", va="center", fontsize=9, fontweight=weight)
    rotation = 0 if max(map(len, names)) <= 2 else 45
    axes.set_xticks(range(len(names)), names, rotation=rotation, ha="center" if rotation == 0 else "right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xticks([edge - 0.5 for edge in range(len(names) + 1)], minor=True)
    axes.set_yticks([edge - 0.5 for edge in range(len(names) + 1)], minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(f"{title}: {right} of {total} right ({right / total:.2%})", fontsize=11)
    return figure


def draw_wrong_examples(wrong: Sequence[WrongExample], names: Sequence[str], title: str) -> "Figure":
    """Misclassified images with their true and their predicted class, and the probability of the latter.

    Args:
        wrong: for each example, at least one, the probability of the predicted class in [0, 1], the predicted class,
            the true class, and the image; in the order in which they are drawn.
        names: the name of each class.
        title: which split of which data it is.

    Shapes:
        each image (I, H, W)
    """
    from matplotlib.figure import Figure

    columns = min(8, len(wrong))
    rows = -(-len(wrong) // columns)
    figure = Figure(figsize=(max(1.5 * columns, 4.5), 1.95 * rows + 0.5), layout="constrained")
    figure.suptitle(f"{title}: most confidently wrong", fontsize=12)
    for axes in (grid := figure.subplots(rows, columns, squeeze=False)).flat:
        axes.set_axis_off()
    for axes, (probability, predicted, label, image) in zip(grid.flat, wrong, strict=False):  # the last may be empty
        axes.imshow(image.float().movedim(0, -1).squeeze(-1).numpy(), cmap="gray_r" if len(image) == 1 else None)
        axes.set_title(f"is {names[label]}\nread {names[predicted]} ({probability:.0%})", fontsize=9)
    return figure
