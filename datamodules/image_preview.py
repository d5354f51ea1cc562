"""What a picture of a data set of images shows: examples of each class, the sizes of the splits and their balance.

Letters: N images, I channels, H height, W width, C classes.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

EXAMPLES = 4  # of a class


def preview_images(data: Any) -> dict[str, Any]:
    """Examples of the training images, and what the splits that are loaded hold.

    Nothing is drawn at random, and no sample is served, so that the order and the augmentation of training stay as
    they are.

    Args:
        data: a datamodule with ``datasets``, ``class_names``, ``in_channels`` and ``image_size``.

    Returns:
        ``samples``: a list of dictionaries of an ``image`` (I, H, W) in [0, 1], a ``label``, the name of its class, and
        a ``mask`` (H, W) where there is one; ``sizes``: the samples of each split; ``counts``: for each split how many
        samples, or pixels, each class has; ``unit``: of what the counts are, "images" or "pixels"; ``class_names``
    """
    names = list(data.class_names or ())
    splits = {split: dataset for split, dataset in data.datasets.items() if len(getattr(dataset, "tensors", ())) > 1}
    targets = {split: dataset.tensors[-1] for split, dataset in splits.items()}
    counts = {split: count_classes(of_split, names) for split, of_split in targets.items()}
    has_masks = any(target.ndim > 0 for target in targets["train"][:1])
    choose = _with_masks if has_masks else _of_classes
    return {
        "samples": choose(splits["train"], targets["train"], names, (data.in_channels, data.image_size)),
        "sizes": {split: len(of_split) for split, of_split in targets.items()},
        "counts": counts,
        "unit": "pixels" if has_masks else "images",
        "class_names": names,
    }


def count_classes(targets: Tensor | Sequence[Tensor], class_names: Sequence[str]) -> dict[str, int]:
    """How many labels, or pixels of masks, each class has; void ones are left out.

    Shapes:
        labels (N,), or masks (N, H, W), or N of (H, W)
    """
    counts = torch.zeros(256, dtype=torch.long)
    for part in [targets] if isinstance(targets, Tensor) else targets:
        of_part = torch.bincount(part.flatten().long(), minlength=256)
        counts += of_part[:256]
    return {name: int(counts[number]) for number, name in enumerate(class_names)}


def _of_classes(
    dataset: Any, labels: Tensor, class_names: Sequence[str], form: tuple[int, int]
) -> list[dict[str, Any]]:
    """The first examples of each class."""
    channels, side = form
    return [
        {"image": dataset[index][0].reshape(channels, -1, side), "label": name}
        for number, name in enumerate(class_names)
        for index in (labels == number).nonzero()[:EXAMPLES, 0].tolist()
    ]


def _with_masks(
    dataset: Any, masks: Sequence[Tensor], class_names: Sequence[str], form: tuple[int, int]
) -> list[dict[str, Any]]:
    """For each class the image that has most of it, the first class last, and others up to the number of examples."""
    images = dataset.tensors[0]
    shares = torch.stack([torch.bincount(mask.flatten().long(), minlength=256)[:256] / mask.numel() for mask in masks])
    best = shares[:, : len(class_names)].argmax(dim=0).tolist()
    spread = [number * len(masks) // EXAMPLES for number in range(EXAMPLES)]
    most = max(EXAMPLES, min(len(class_names), 2 * EXAMPLES))
    chosen = list(dict.fromkeys([*best[1:], *best[:1], *spread]))[:most]
    return [
        {
            "image": images[index] / 255 if images[index].dtype == torch.uint8 else images[index],
            "mask": masks[index],
            "label": "",
        }
        for index in chosen
    ]
