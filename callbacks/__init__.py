"""Callbacks that observe a run: probes, baselines and figures, which leave its training as it is."""

from callbacks.attention_maps import AttentionMaps
from callbacks.attention_statistics import AttentionStatistics
from callbacks.classification_report import ClassificationReport
from callbacks.data_picture import DataPicture
from callbacks.distortion_curves import DistortionCurves
from callbacks.feature_baseline import FeatureBaseline
from callbacks.former_names import ClassReport, Mistakes
from callbacks.graph_attention import GraphAttention
from callbacks.learning_curves import LearningCurves
from callbacks.linear_probe import LinearProbe
from callbacks.misclassifications import Misclassifications
from callbacks.ngram_baseline import NgramBaseline
from callbacks.node_embeddings import NodeEmbeddings
from callbacks.pca_baseline import PCABaseline
from callbacks.principal_subspace import PrincipalSubspace
from callbacks.reconstructions import Reconstructions
from callbacks.relative_positions import RelativePositions
from callbacks.segmentation_maps import SegmentationMaps
from callbacks.superposition import Superposition
from callbacks.timestep_gradients import TimestepGradients

__all__ = [
    "AttentionMaps",
    "AttentionStatistics",
    "ClassReport",
    "ClassificationReport",
    "DataPicture",
    "DistortionCurves",
    "FeatureBaseline",
    "GraphAttention",
    "LearningCurves",
    "LinearProbe",
    "Misclassifications",
    "Mistakes",
    "NgramBaseline",
    "NodeEmbeddings",
    "PCABaseline",
    "PrincipalSubspace",
    "Reconstructions",
    "RelativePositions",
    "SegmentationMaps",
    "Superposition",
    "TimestepGradients",
]
