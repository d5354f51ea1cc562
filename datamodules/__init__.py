"""One LightningDataModule per source of data."""

from datamodules.augmentation import RandomAffine
from datamodules.digits import DigitsDataModule
from datamodules.local_operator import LocalOperatorDataModule
from datamodules.mnist import MNISTDataModule

__all__ = ["DigitsDataModule", "LocalOperatorDataModule", "MNISTDataModule", "RandomAffine"]
