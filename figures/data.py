"""What a run learns from: examples of each class, the sizes of the splits and their balance.

Letters: I channels of an image, H height, W width, C classes.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

SPLITS = {"train": "#34456b", "val": "#f2a33a", "test": "#2a9d8f"}
MOST_CLASSES = 20  # that are shown; of more the first
VOID = 255
PANEL = 0.8  # width of an example in inches


def draw_data(preview: Mapping[str, Any], title: str = "") -> "Figure":
    """Examples to the left, and to the right how many samples, or pixels, of each class each split has.

    Args:
        preview: ``samples``, a list of dictionaries of an ``image``, the ``label`` that its row has and, for
            segmentation, a ``mask``; ``sizes``, the samples of each split; ``counts``, those of each class in each
            split; ``unit``, of what the counts are; ``class_names``.
        title: what the data are called.

    Shapes:
        image (I, H, W) in [0, 1], I 1 or 3; mask (H, W) of integers in [0, C), or 255 for void
    """
    from matplotlib.figure import Figure

    names, samples = list(preview["class_names"]), preview["samples"]
    has_masks = any("mask" in sample for sample in samples)
    rows = max(3, min(len(names), MOST_CLASSES))
    height = 1.1 + (0.45 * rows + 2.6 * PANEL if has_masks else PANEL * rows)
    figure = Figure(figsize=(9.5, height), layout="constrained")
    sizes = ", ".join(f"{split} {size:,}" for split, size in preview["sizes"].items())
    figure.suptitle(f"{title}: {sizes}" if title else sizes, fontsize=12)
    if has_masks:
        (above,), (below,) = figure.subfigures(2, 1, squeeze=False, height_ratios=[2.6 * PANEL, 0.45 * rows + 0.5])
        _draw_pairs(above, samples, len(names))
        _draw_counts(below.subplots(), preview, names[:MOST_CLASSES], coloured=True)
    else:
        ((left, right),) = figure.subfigures(1, 2, squeeze=False, width_ratios=[1, 1.1])
        _draw_examples(left, samples, names[:MOST_CLASSES])
        _draw_counts(right.subplots(), preview, names[:MOST_CLASSES])
    return figure


def _draw_examples(figure: "SubFigure", samples: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """A row a class."""
    by_class = {name: [sample["image"] for sample in samples if sample["label"] == name] for name in names}
    columns = max([1, *map(len, by_class.values())])
    grid = figure.subplots(max(1, len(names)), columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for row, (name, images) in zip(grid, by_class.items(), strict=False):
        row[0].text(-0.12, 0.5, name, transform=row[0].transAxes, ha="right", va="center", fontsize=9)
        for axes, image in zip(row, images, strict=False):
            _show(axes, image)


def _draw_pairs(figure: "SubFigure", samples: Sequence[Mapping[str, Any]], num_classes: int) -> None:
    """Images above, and their masks below."""
    colours = class_colours(num_classes)
    for axes, sample in zip(np.transpose(figure.subplots(2, len(samples), squeeze=False)), samples, strict=True):
        for ax in axes:
            ax.set_axis_off()
        _show(axes[0], sample["image"])
        mask = sample["mask"].long().numpy()
        void = mask == VOID
        pixels = colours[np.where(void, 0, mask)]
        pixels[void] = 0.85
        axes[1].imshow(pixels, interpolation="nearest")


def _draw_counts(axes: "Axes", preview: Mapping[str, Any], names: Sequence[str], coloured: bool = False) -> None:
    """A bar for each class and split, the classes from top to bottom."""
    counts, unit = preview["counts"], preview["unit"]
    height = 0.8 / max(1, len(counts))
    for place, (split, of_split) in enumerate(counts.items()):
        total = max(1, sum(of_split.values()))
        shares = [of_split.get(name, 0) / total for name in names]
        places = np.arange(len(names)) + (place - (len(counts) - 1) / 2) * height
        axes.barh(places, shares, height, color=SPLITS.get(split, "0.5"), label=split)
        for at, share, name in zip(places, shares, names, strict=True):
            text = f"{share:.1%}" if unit == "pixels" else f"{of_split.get(name, 0):,}"
            axes.text(share, at, f" {text}", va="center", fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=9)
    for tick, colour in zip(axes.get_yticklabels(), class_colours(len(names)) if coloured else (), strict=False):
        tick.set_bbox({"facecolor": colour, "edgecolor": "none", "pad": 1.5})
        tick.set_color("white" if np.mean(colour) < 0.5 else "black")
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.set_xlabel(f"share of the {unit} of a split")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(SPLITS), frameon=False)
    if (hidden := len(preview["class_names"]) - len(names)) > 0:
        axes.set_title(f"{hidden} more classes", fontsize=9, loc="right")


def class_colours(num_classes: int) -> np.ndarray:
    """Colours of classes (C, 3) in [0, 1], the first dark, which is often the background."""
    from matplotlib import colormaps

    first = np.array([[0.2, 0.27, 0.42]])
    others = colormaps["tab20"](np.arange(max(0, num_classes - 1)) % 20)[:, :3]
    return np.concatenate([first, np.roll(others, -2, axis=0)])[:num_classes]


def _show(axes: "Axes", image: Tensor) -> None:
    pixels = image.float().movedim(0, -1).squeeze(-1).numpy()
    axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="equal")
