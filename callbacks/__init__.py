"""What watches a run: pictures and probes that leave training as it is."""

from callbacks.attention_maps import AttentionMaps, draw_attention, draw_rollout
from callbacks.attention_statistics import AttentionStatistics, draw_attention_statistics, measure_attention
from callbacks.class_report import ClassReport, class_scores, draw_reliability
from callbacks.data_picture import DataPicture, draw_data
from callbacks.distortion_curves import DistortionCurves, distortion_curves, draw_distortion_curves
from callbacks.feature_baseline import FeatureBaseline, score_features
from callbacks.gradient_figures import (
    draw_gradient_norms,
    draw_gradients_over_training,
    draw_timestep_gradients,
    gradients_of,
)
from callbacks.graph_attention import GraphAttention, attention_entropy, draw_attention_entropy
from callbacks.learning_curves import LearningCurves, draw_learning_curves, draw_repeats
from callbacks.linear_probe import LinearProbe, fit_linear_classifier
from callbacks.mistakes import Mistakes, draw_confusion_matrix, draw_wrong_examples
from callbacks.neighborhood_drawing import draw_neighborhood
from callbacks.ngram_baseline import NgramBaseline, score_ngrams
from callbacks.node_drawing import draw_node_embeddings
from callbacks.node_embeddings import NodeEmbeddings
from callbacks.pca_baseline import PCABaseline
from callbacks.principal_subspace import PrincipalSubspace, draw_principal_subspace
from callbacks.reconstructions import (
    Reconstructions,
    draw_codes,
    draw_reconstruction_grid,
    draw_reconstructions,
    reconstruct,
)
from callbacks.relative_positions import RelativePositions, draw_relative_positions
from callbacks.search_tree import HANDOUT_TREE, HANDOUT_WORDS, draw_search_tree, step_of_tree
from callbacks.segmentation_maps import SegmentationMaps, draw_segmentation_maps
from callbacks.superposition import Superposition, draw_superposition, kept_features
from callbacks.timestep_gradients import TimestepGradients, measure_timestep_gradients

__all__ = [
    "HANDOUT_TREE",
    "HANDOUT_WORDS",
    "AttentionMaps",
    "AttentionStatistics",
    "ClassReport",
    "DataPicture",
    "DistortionCurves",
    "FeatureBaseline",
    "GraphAttention",
    "LearningCurves",
    "LinearProbe",
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
    "attention_entropy",
    "class_scores",
    "distortion_curves",
    "draw_attention",
    "draw_attention_entropy",
    "draw_attention_statistics",
    "draw_codes",
    "draw_confusion_matrix",
    "draw_data",
    "draw_distortion_curves",
    "draw_gradient_norms",
    "draw_gradients_over_training",
    "draw_learning_curves",
    "draw_neighborhood",
    "draw_node_embeddings",
    "draw_principal_subspace",
    "draw_reconstruction_grid",
    "draw_reconstructions",
    "draw_relative_positions",
    "draw_reliability",
    "draw_repeats",
    "draw_rollout",
    "draw_search_tree",
    "draw_segmentation_maps",
    "draw_superposition",
    "draw_timestep_gradients",
    "draw_wrong_examples",
    "fit_linear_classifier",
    "gradients_of",
    "kept_features",
    "measure_attention",
    "measure_timestep_gradients",
    "reconstruct",
    "score_features",
    "score_ngrams",
    "step_of_tree",
]
