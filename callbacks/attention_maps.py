"""The attention of a vision transformer over example images."""

import torch
from lightning.pytorch import LightningModule, Trainer

from callbacks.observing import check_datasets, undisturbed
from callbacks.split_pictures import SplitPictures, check_at_least
from figures import draw_attention, draw_rollout
from lab.figures import save_figure
from lab.titles import data_name, joined
from nets import attention_rollout


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
