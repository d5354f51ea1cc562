"""The inputs of an autoencoder beside its reconstructions, and its codes in a plane.

Letters: N samples, D inputs, K bottleneck.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_reconstructions(rows: Mapping[str, Tensor], image_shape: Sequence[int] | None, title: str) -> "Figure":
    """Originals, corrupted inputs and reconstructions: rows of images, or reconstructed over original values.

    Args:
        rows: samples by the name of their row: "original", "reconstruction", and maybe "corrupted".
        image_shape: height and width of an image, whose pixels are in [0, 1]; when None, the samples are vectors, of
            which up to four are drawn.
        title: which split of which data it is.

    Shapes:
        each row (N, D), with D = height · width for images
    """
    from matplotlib.figure import Figure

    count = len(rows["original"])
    if image_shape is None:
        columns = min(count, 4)
        figure = Figure(figsize=(3.0 * columns, 3.3), layout="constrained")
        for number, axes in enumerate(figure.subplots(1, columns, sharex=True, sharey=True, squeeze=False).flat):
            original = rows["original"][number]
            axes.plot(*[[original.min().item(), original.max().item()]] * 2, color="0.6", linewidth=1)
            for name, style in (("corrupted", "x"), ("reconstruction", "o")):
                if name in rows:
                    axes.plot(
                        original.numpy(), rows[name][number].numpy(), style, markersize=3.5, alpha=0.7, label=name
                    )
            axes.set_xlabel("original")
            axes.set_title(f"sample {number + 1}", fontsize=9)
        figure.axes[0].legend(fontsize=8)
    else:
        figure = Figure(figsize=(0.9 * count + 0.6, 0.95 * len(rows) + 0.4), layout="constrained")
        grid = figure.subplots(len(rows), count, squeeze=False)
        for line, (name, row) in zip(grid, rows.items(), strict=True):
            for axes, image in zip(line, row, strict=True):
                axes.imshow(image.view(*image_shape).numpy(), cmap="gray_r", vmin=0, vmax=1)
                axes.set_xticks([])
                axes.set_yticks([])
            line[0].set_ylabel(name, fontsize=9)
    figure.suptitle(f"{title}: originals and reconstructions", fontsize=11)
    return figure


def draw_reconstruction_grid(blocks: Mapping[str, Mapping[str, Tensor]], image_shape: Sequence[int]) -> "Figure":
    """The reconstructions of the same images by several networks: a block for each training, a line for each network.

    Args:
        blocks: for each block's title, images with pixels in [0, 1] by the name of their line; the same lines in each
            block, except "corrupted", which only some blocks have.
        image_shape: height and width of an image.

    Shapes:
        each line (N, D), with D = height · width
    """
    from matplotlib.figure import Figure

    lines = list(dict.fromkeys(name for rows in blocks.values() for name in rows))
    lines.sort(key=lambda name: name not in ("original", "corrupted"))
    count = len(next(iter(next(iter(blocks.values())).values())))
    figure = Figure(figsize=(len(blocks) * (0.62 * count + 0.1) + 1.2, 0.64 * len(lines) + 0.5))
    grid = figure.subplots(len(lines), len(blocks), squeeze=False, gridspec_kw={"wspace": 0.03, "hspace": 0.04})
    for column, (title, rows) in enumerate(blocks.items()):
        for line, name in enumerate(lines):
            axes = grid[line, column]
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_frame_on(False)
            if name in rows:
                strip = torch.cat([image.view(*image_shape) for image in rows[name]], dim=1)
                axes.imshow(strip.numpy(), cmap="gray_r", vmin=0, vmax=1)
            if column == 0:
                axes.set_ylabel(name, fontsize=9, rotation=0, ha="right", va="center")
        grid[0, column].set_title(title, fontsize=11)
    return figure


def draw_codes(codes: Tensor, labels: Tensor | None, names: Sequence[str] | None, title: str) -> "Figure":
    """The first two principal components of codes, coloured by class.

    Args:
        codes: the codes, K ≥ 2.
        labels: the class of each code, a number from 0 on; None for data without classes.
        names: the names of the classes; their numbers when None.
        title: which split of which data it is.

    Shapes:
        codes (N, K), labels (N,)
    """
    from matplotlib.figure import Figure

    centred = codes - codes.mean(dim=0)
    _, scales, directions = torch.linalg.svd(centred, full_matrices=False)
    points = centred @ directions[:2].T
    share = (scales[:2].square().sum() / scales.square().sum().clamp(min=1e-12)).item()
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.subplots()
    groups = {None: points} if labels is None else {n: points[labels.cpu() == n] for n in labels.unique().tolist()}
    for number, (label, of_class) in enumerate(groups.items()):
        name = None if label is None else names[label] if names else str(label)
        x, y = of_class.T.numpy()
        axes.scatter(x, y, 8, alpha=0.6, linewidths=0, color=f"C{number % 10}", label=name)
    if labels is not None:
        axes.legend(markerscale=2.5, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.set_xlabel("first principal component of the code")
    axes.set_ylabel("second")
    axes.set_title(f"{title}: codes of {codes.shape[1]} numbers, {share:.0%} of their variance shown", fontsize=11)
    axes.grid(alpha=0.3)
    return figure
