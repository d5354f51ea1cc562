"""A tiny task of segmentation: masks drawn at random, and a network that predicts each of their classes."""

from functools import partial

import torch
from torch import Tensor

from datamodules.in_memory import InMemoryDataModule
from lit_models import LitSegmenter
from nets import UNet

VOID = 255


class TinyMasks(InMemoryDataModule):
    """Images of 12×12 pixels with random masks: 10 to train, 7 to validate, 5 to test, so that 4 is no divisor."""

    num_classes = 3
    class_names = ("ground", "disc", "ring")

    def __init__(self, void: float = 0.0, batch_size: int = 4, eval_batch_size: int = 4) -> None:
        super().__init__(batch_size, eval_batch_size)
        self.void = void

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        lengths = {"train": 10, "val": 7} if training else {"test": 5}
        return {split: self._draw(length) for split, length in lengths.items()}

    def _draw(self, length: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(length)
        images = torch.rand(length, 1, 12, 12, generator=generator)
        masks = torch.randint(3, (length, 12, 12), generator=generator, dtype=torch.uint8)
        # The later an image, the more of it is void.
        share = 2 * self.void * torch.arange(length)[:, None, None] / length
        return images, masks.masked_fill(torch.rand(masks.shape, generator=generator) < share, VOID)


def tiny_unet(**sizes: int) -> UNet:
    """A network that predicts each of its classes somewhere."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        net = UNet(**{"in_channels": 1, "num_classes": 3, "base_channels": 4, "depth": 1, **sizes})
        for _ in range(30):  # the running means come to those of such images
            logits = net(torch.rand(16, 1, 12, 12))
        net.output.weight *= 5
        net.output.bias -= 5 * (logits.mean(dim=(0, 2, 3)) - net.output.bias) + net.output.bias
        return net


def task_of(lr: float = 0.01, **arguments: object) -> LitSegmenter:
    net = arguments.pop("net", None) or tiny_unet()
    return LitSegmenter(net, **{"num_classes": 3, "optimizer": partial(torch.optim.SGD, lr=lr), **arguments})
