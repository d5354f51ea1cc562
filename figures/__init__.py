"""Figures of results: tensors and numbers in, a matplotlib ``Figure`` out; no Lightning, no run folder."""

from figures.attention import draw_attention, draw_rollout
from figures.attention_entropy import draw_attention_entropy
from figures.attention_statistics import draw_attention_statistics, statistics_of
from figures.confusion import draw_confusion_matrix, draw_wrong_examples
from figures.data import draw_data
from figures.distortion_curves import distortion_curves_of, draw_distortion_curves
from figures.gradient_norms import (
    draw_gradient_norms,
    draw_gradients_over_training,
    draw_timestep_gradients,
    gradients_of,
)
from figures.learning_curves import draw_learning_curves, draw_repeats
from figures.neighborhood import draw_neighborhood
from figures.node_embeddings import class_colors, draw_node_embeddings, limits_of
from figures.principal_subspace import draw_principal_subspace
from figures.reconstructions import draw_codes, draw_reconstruction_grid, draw_reconstructions
from figures.relative_positions import draw_relative_positions
from figures.reliability import draw_reliability
from figures.search_tree import HANDOUT_TREE, HANDOUT_WORDS, draw_search_tree, step_of_tree
from figures.segmentation import draw_segmentation_maps
from figures.superposition import draw_superposition

__all__ = [
    "HANDOUT_TREE",
    "HANDOUT_WORDS",
    "class_colors",
    "distortion_curves_of",
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
    "gradients_of",
    "limits_of",
    "statistics_of",
    "step_of_tree",
]
