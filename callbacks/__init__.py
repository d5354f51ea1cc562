"""What watches a run: pictures and probes that leave training as it is."""

from callbacks.attention_maps import AttentionMaps, draw_attention, draw_rollout
from callbacks.attention_statistics import AttentionStatistics, draw_attention_statistics, measure_attention
from callbacks.learning_curves import LearningCurves, draw_learning_curves
from callbacks.mistakes import Mistakes, draw_confusion_matrix, draw_wrong_examples
from callbacks.relative_positions import RelativePositions, draw_relative_positions

__all__ = [
    "AttentionMaps",
    "AttentionStatistics",
    "LearningCurves",
    "Mistakes",
    "RelativePositions",
    "draw_attention",
    "draw_attention_statistics",
    "draw_confusion_matrix",
    "draw_learning_curves",
    "draw_relative_positions",
    "draw_rollout",
    "draw_wrong_examples",
    "measure_attention",
]
