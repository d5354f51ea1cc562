"""One LightningDataModule per source of data."""

from datamodules.augmentation import RandomAffine
from datamodules.digits import DigitsDataModule
from datamodules.gaussian import GaussianDataModule
from datamodules.local_operator import LocalOperatorDataModule
from datamodules.mnist import MNISTDataModule
from datamodules.running_average import RunningAverageDataModule
from datamodules.sparse_features import SparseFeaturesDataModule
from datamodules.surnames import SurnamesDataModule

__all__ = [
    "DigitsDataModule",
    "GaussianDataModule",
    "LocalOperatorDataModule",
    "MNISTDataModule",
    "RandomAffine",
    "RunningAverageDataModule",
    "SparseFeaturesDataModule",
    "SurnamesDataModule",
]
