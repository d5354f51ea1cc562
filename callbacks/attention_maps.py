"""Pictures of what a vision transformer attends to."""

from typing import TYPE_CHECKING

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from callbacks.observing import check_datasets, undisturbed
from callbacks.split_pictures import SplitPictures, check_at_least
from lab.figures import save_figure
from lab.titles import data_name, joined
from nets import attention_rollout

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class AttentionMaps(SplitPictures):
    """Draws the attention of every layer and head over an example image, and the rollout through all layers.

    Works for a network with ``forward(images, return_weights=True) -> (logits, weights)`` and
    ``attention_to_patches(weights)``, and a datamodule with ``datasets``. Draws ``attention_<split>`` and
    ``attention_rollout_<split>`` when training and testing end, and in between when asked to.

    Args:
        index: which image of the validation split (the test split in ``test``), ≥ 0.
        num_examples: how many images, from ``index`` on, the rollout shows, ≥ 1.
        every_n_epochs: also draw after every so many epochs, ≥ 1; None draws at the end alone.

    Raises:
        ValueError: when an argument is out of its range, or the network cannot return its weights.
    """

    def __init__(self, index: int = 0, num_examples: int = 6, every_n_epochs: int | None = None) -> None:
        super().__init__(every_n_epochs)
        check_at_least(0, index=index)
        check_at_least(1, num_examples=num_examples)
        self.index, self.num_examples = index, num_examples

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not hasattr(pl_module.net, "attention_to_patches"):
            raise ValueError(
                f"AttentionMaps needs a network with attention_to_patches, such as nets.VisionTransformer, but the "
                f"network is {type(pl_module.net).__name__}: take AttentionMaps out of trainer.callbacks."
            )
        check_datasets(self, trainer)

    def draw(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        dataset, net = trainer.datamodule.datasets[split], pl_module.net
        first = min(self.index, len(dataset) - 1)
        chosen = range(first, min(first + self.num_examples, len(dataset)))
        images, labels = (tensor.to(pl_module.device) for tensor in dataset.__getitems__(list(chosen)))
        with undisturbed(net):
            logits, weights = net(images.to(next(net.parameters()).dtype), return_weights=True)
            maps = torch.stack([net.attention_to_patches(layer) for layer in weights], dim=1)  # (B, L, H, S/P, S/P)
            rollout = net.attention_to_patches(attention_rollout(weights))  # (B, S/P, S/P)
        images, maps, rollout = images.cpu().float(), maps.cpu().float(), rollout.cpu().float()
        names = getattr(trainer.datamodule, "class_names", None) or [str(n) for n in range(logits.shape[-1])]
        titles = [
            f"label {names[label]}, read as {names[read]}"
            for label, read in zip(labels.tolist(), logits.argmax(dim=-1).tolist(), strict=True)
        ]
        title = f"{joined(data_name(trainer), split)}: {titles[0]}"
        save_figure(draw_attention(images[0], maps[0], title), f"attention_{split}", trainer)
        save_figure(draw_rollout(images, rollout, titles), f"attention_rollout_{split}", trainer)


def draw_attention(image: Tensor, maps: Tensor, title: str) -> "Figure":
    """The attention of every layer (rows) and head (columns) over an image.

    Args:
        image: the image.
        maps: how much the read-out attends to each patch.
        title: what the image is.

    Shapes:
        image (I, S, S), maps (L, H, P, P)
    """
    from matplotlib.figure import Figure

    num_layers, num_heads = maps.shape[:2]
    side = 1.15
    figure = Figure(figsize=(side * (num_heads + 1.6) + 0.8, side * num_layers + 1.0), layout="constrained")
    picture, grid = figure.subfigures(1, 2, width_ratios=[1.6, num_heads + 0.6])
    axes = picture.subplots()
    _show(axes, image)
    axes.set_title("image", fontsize=10)
    figure.suptitle(f"Attention to each patch — {title}", fontsize=12)
    for layer, row in enumerate(grid.subplots(num_layers, num_heads, squeeze=False)):
        for head, axes in enumerate(row):
            shown = _overlay(axes, image, maps[layer, head], (0.0, float(maps.max())))
            if layer == 0:
                axes.set_title(f"head {head + 1}", fontsize=9)
            if head == 0:
                axes.set_ylabel(f"layer {layer + 1}", fontsize=9)
    bar = grid.colorbar(shown, ax=grid.axes, shrink=0.8, pad=0.02)
    bar.set_label("attention weight", fontsize=9)
    return figure


def draw_rollout(images: Tensor, rollout: Tensor, titles: list[str]) -> "Figure":
    """Images (top) and the attention rollout over each (bottom).

    Shapes:
        images (B, I, S, S), rollout (B, P, P), one title an image
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2.0 * len(images) + 0.9, 4.9), layout="constrained")
    figure.suptitle("Attention rollout: where the read-out looks, through all layers", fontsize=12)
    rows = figure.subplots(2, len(images), squeeze=False)
    for index, (above, below) in enumerate(rows.T):
        _show(above, images[index])
        above.set_title(titles[index].replace(", ", "\n"), fontsize=10)
        shown = _overlay(below, images[index], rollout[index], (float(rollout.min()), float(rollout.max())))
    bar = figure.colorbar(shown, ax=rows[1].tolist(), shrink=0.9, pad=0.02)
    bar.set_label("attention weight", fontsize=9)
    return figure


def _show(axes: "Axes", image: Tensor) -> None:
    axes.imshow(image.movedim(0, -1).squeeze(-1).numpy(), cmap="gray_r" if len(image) == 1 else None)
    axes.set_xticks([])
    axes.set_yticks([])


def _overlay(axes: "Axes", image: Tensor, patches: Tensor, limits: tuple[float, float]):
    """Attention as colour, the image as ink over it."""
    height, width = image.shape[-2:]
    extent = (-0.5, width - 0.5, height - 0.5, -0.5)
    shown = axes.imshow(patches.numpy(), cmap="viridis", vmin=limits[0], vmax=limits[1], extent=extent)
    ink = image.mean(dim=0)
    axes.imshow(torch.ones_like(ink).numpy(), cmap="gray", vmin=0, vmax=1, alpha=(0.4 * ink.clamp(0, 1)).numpy())
    axes.set_xticks([])
    axes.set_yticks([])
    return shown
