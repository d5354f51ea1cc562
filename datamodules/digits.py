"""scikit-learn's handwritten digits: real, small, and always at hand."""

import torch
from torch import Tensor, nn

from datamodules.in_memory import InMemoryDataModule, check_images, split_indices


class DigitsDataModule(InMemoryDataModule):
    """1,797 handwritten digits of 8×8 pixels, shipped with scikit-learn.

    "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak, 1998), https://doi.org/10.24432/C50P49.
    A stratified fifth of them (360) is the test split, the same for every seed; the rest is split in training and
    validation by the seed.

    Args:
        flatten: serve rows of 64 pixels instead of images.
        val_fraction: share of the images outside the test split that validates, in (0, 1).
        batch_size: training samples in a batch, per process, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process, ≥ 1.
        augmentation: applied to the images of each training batch.
        seed: seed of the validation split and of the order of the training samples.

    Shapes:
        a batch: images (B, 1, 8, 8), or (B, 64) with ``flatten``, of values in [0, 1]; labels (B,) in 0 … 9

    Raises:
        ValueError: when an argument is out of its range.
    """

    num_classes, in_channels, image_size = 10, 1, 8
    class_names = tuple(str(digit) for digit in range(10))
    image_shape = (8, 8)

    def __init__(
        self,
        flatten: bool = False,
        val_fraction: float = 0.1,
        batch_size: int = 32,
        eval_batch_size: int = 512,
        augmentation: nn.Module | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed, augmentation)
        check_images(val_fraction, flatten, augmentation)
        self.flatten, self.val_fraction = flatten, val_fraction

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        data = load_digits()
        images = torch.from_numpy(data.images).float()[:, None] / 16  # (1797, 1, 8, 8)
        labels = torch.from_numpy(data.target).long()
        if self.flatten:
            images = images.flatten(1)
        rest, test = train_test_split(range(len(labels)), test_size=0.2, stratify=data.target, random_state=0)
        if not training:
            return {"test": (images[test], labels[test])}
        train, val = split_indices(len(rest), self.val_fraction, self.seed)
        images, labels = images[rest], labels[rest]
        return {"train": (images[train], labels[train]), "val": (images[val], labels[val])}
