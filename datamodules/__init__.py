"""One LightningDataModule per source of data."""

from datamodules.augmentation import RandomAffine
from datamodules.cifar10 import CIFAR10DataModule
from datamodules.digits import DigitsDataModule
from datamodules.digits_graph import DigitsGraphDataModule
from datamodules.gaussian import GaussianDataModule
from datamodules.graphs import GraphDataModule
from datamodules.image_folder import ImageFolderDataModule
from datamodules.karate_club import KarateClubDataModule
from datamodules.local_operator import LocalOperatorDataModule
from datamodules.membrane import MembraneDataModule
from datamodules.mnist import MNISTDataModule
from datamodules.own_pairs import ImagePairsDataModule
from datamodules.oxford_pet import OxfordPetDataModule
from datamodules.pair_augmentation import PairAugmentation
from datamodules.planetoid import PlanetoidDataModule
from datamodules.running_average import RunningAverageDataModule
from datamodules.series import SeriesDataModule
from datamodules.shapes import ShapesDataModule
from datamodules.sparse_features import SparseFeaturesDataModule
from datamodules.surnames import SurnamesDataModule
from datamodules.texts import TextsDataModule

__all__ = [
    "CIFAR10DataModule",
    "DigitsDataModule",
    "DigitsGraphDataModule",
    "GaussianDataModule",
    "GraphDataModule",
    "ImageFolderDataModule",
    "ImagePairsDataModule",
    "KarateClubDataModule",
    "LocalOperatorDataModule",
    "MNISTDataModule",
    "MembraneDataModule",
    "OxfordPetDataModule",
    "PairAugmentation",
    "PlanetoidDataModule",
    "RandomAffine",
    "RunningAverageDataModule",
    "SeriesDataModule",
    "ShapesDataModule",
    "SparseFeaturesDataModule",
    "SurnamesDataModule",
    "TextsDataModule",
]
