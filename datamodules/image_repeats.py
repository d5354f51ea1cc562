"""The same image more than once among those to train on, and of two classes."""

from collections.abc import Sequence
from pathlib import Path

from datamodules.byte_images import ByteImages
from datamodules.listing import tell_once
from datamodules.split_overlap import fingerprints


def tell_repeats(paths: Sequence[Path], dataset: ByteImages, class_names: Sequence[str]) -> None:
    """Say how many training images are there more than once, and how many of them with another class each time.

    Args:
        paths: the file of each image.
        dataset: the images with their labels.
        class_names: the name of each class.
    """
    first: dict[int, int] = {}
    repeats, contradictions = [], []
    (labels,) = dataset.others
    for number, content in enumerate(fingerprints(dataset.contents()).tolist()):
        if (earlier := first.setdefault(content, number)) != number:
            repeats.append((earlier, number))
            if labels[earlier] != labels[number]:
                contradictions.append((earlier, number))
    if contradictions:
        pair = contradictions[0]
        names = " and ".join(f'{paths[number]} of "{class_names[int(labels[number])]}"' for number in pair)
        tell_once(
            f"{len(contradictions)} training images are those of another class once more (equal pixels), such as "
            f"{names}: take one of each pair away."
        )
    if others := len(repeats) - len(contradictions):
        pair = next(pair for pair in repeats if pair not in contradictions)
        tell_once(
            f"{others} training images are repeats of others of their class (equal pixels), such as "
            f"{paths[pair[1]]} of {paths[pair[0]].name}: they count double."
        )
