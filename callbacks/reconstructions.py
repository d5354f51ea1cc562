"""What an autoencoder makes of its inputs, and how its code lays out the classes.

Letters: B batch, D inputs, K bottleneck, R replicas.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from callbacks.observing import check_datasets, undisturbed
from callbacks.split_pictures import SplitPictures, check_at_least
from lab.figures import save_figure
from lab.titles import data_name, joined, replicas_of
from nets.labels import check_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCATTERED = 2000  # more points than these hide each other


class Reconstructions(SplitPictures):
    """Draws originals, what training shows of them, and reconstructions; and the code's first two principal components.

    Works for a task such as ``LitAutoencoder`` that has ``corrupt``, ``corruption`` and ``replicas``; the first replica
    is drawn. Where the data are corrupted in training, the reconstructions are those of the corrupted inputs. Draws
    ``reconstructions_<split>`` and ``codes_<split>`` of the validation split when training ends, and after every so
    many epochs if wanted; of the test split when testing ends.

    Args:
        num_examples: how many samples are shown, the first of the split, ≥ 1.
        every_n_epochs: draw also after every so many epochs, ≥ 1; only at the end when None.

    Raises:
        ValueError: when an argument is out of its range, or the task reconstructs nothing.
    """

    def __init__(self, num_examples: int = 10, every_n_epochs: int | None = None) -> None:
        super().__init__(every_n_epochs)
        check_at_least(1, num_examples=num_examples)
        self.num_examples = num_examples

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not all(hasattr(pl_module, name) for name in ("encode", "corrupt", "replicas")):
            raise ValueError(
                f"Reconstructions needs a task such as lit_models.LitAutoencoder, but the task is "
                f"{type(pl_module).__name__}: take Reconstructions out of trainer.callbacks."
            )
        check_datasets(self, trainer)

    def draw(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        inputs, *labels = (tensor[:SCATTERED] for tensor in trainer.datamodule.datasets[split].tensors)
        parameter = next(pl_module.net.parameters())
        with undisturbed(pl_module):
            rows, codes = reconstruct(pl_module, inputs.to(parameter.device, parameter.dtype), self.num_examples)
        shape = getattr(trainer.datamodule, "image_shape", None)
        shown = replicas_of(pl_module, "first")
        title = joined(data_name(trainer), split, shown)
        save_figure(draw_reconstructions(rows, shape, title), f"reconstructions_{split}", trainer, shown)
        if codes.shape[1] >= 2:
            names = getattr(trainer.datamodule, "class_names", None)
            has_classes = bool(labels) and labels[0].ndim == 1 and not labels[0].is_floating_point()
            classes = check_labels(labels[0], len(names) if names else None) if has_classes else None
            save_figure(draw_codes(codes, classes, names, title), f"codes_{split}", trainer, shown)


def reconstruct(pl_module: LightningModule, inputs: Tensor, num_examples: int) -> tuple[dict[str, Tensor], Tensor]:
    """The rows of the picture by their names, and the code of all inputs, both of the first replica.

    Shapes:
        inputs (B, D) -> rows (num_examples, D) each, code (B, K)
    """
    net, examples = pl_module.replicas()[0], inputs[:num_examples]
    rows = {"original": examples}
    shown = examples
    if pl_module.corruption is not None:
        pl_module.corruption.train()  # the caller restores the mode
        corrupted = pl_module.corrupt(examples, 0)
        shown = rows["corrupted"] = corrupted if corrupted.ndim == examples.ndim else corrupted[0]
    rows["reconstruction"] = net(shown)
    return {name: row.cpu().float() for name, row in rows.items()}, net.encode(inputs).cpu().float()


def draw_reconstructions(rows: Mapping[str, Tensor], image_shape: Sequence[int] | None, title: str) -> "Figure":
    """Images, one row a kind; or, without an image shape, each input of a sample over the original one.

    Args:
        rows: samples (N, D) by the name of their row.
        image_shape: height and width of an image, or None.
        title: which split it is.
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
    figure.suptitle(f"{title}: originals and what the network makes of them", fontsize=11)
    return figure


def draw_reconstruction_grid(blocks: Mapping[str, Mapping[str, Tensor]], image_shape: Sequence[int]) -> "Figure":
    """What several networks make of the same images: a block a kind of training, a line a network.

    Args:
        blocks: for each block's title, images (N, D) by the name of their line; the same lines but for the corrupted
            images, which only some blocks have.
        image_shape: height and width of an image.
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
    """The first two principal components of the code, coloured by class.

    Args:
        codes: (B, K), K ≥ 2.
        labels: the class of each code (B,), or None.
        names: the names of the classes; their numbers when None.
        title: which split it is.
    """
    from matplotlib.figure import Figure

    centred = codes - codes.mean(dim=0)
    _, scales, directions = torch.linalg.svd(centred, full_matrices=False)
    points = centred @ directions[:2].T
    share = (scales[:2].square().sum() / scales.square().sum().clamp(min=1e-12)).item()
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    axes = figure.subplots()
    classes = [None] if labels is None else labels.unique().tolist()
    for number, label in enumerate(classes):
        of_class = points if label is None else points[labels.cpu() == label]
        name = None if label is None else names[label] if names else str(label)
        axes.scatter(*of_class.T.numpy(), s=8, alpha=0.6, linewidths=0, color=f"C{number % 10}", label=name)
    if labels is not None:
        axes.legend(markerscale=2.5, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes.set_xlabel("first principal component of the code")
    axes.set_ylabel("second")
    axes.set_title(f"{title}: codes of {codes.shape[1]} numbers, {share:.0%} of their variance shown", fontsize=11)
    axes.grid(alpha=0.3)
    return figure
