"""What watches a run: pictures and probes that leave training as it is."""

from callbacks.attention_maps import AttentionMaps, draw_attention, draw_rollout
from callbacks.learning_curves import LearningCurves, draw_learning_curves
from callbacks.mistakes import Mistakes, draw_confusion_matrix, draw_wrong_examples

__all__ = [
    "AttentionMaps",
    "LearningCurves",
    "Mistakes",
    "draw_attention",
    "draw_confusion_matrix",
    "draw_learning_curves",
    "draw_rollout",
    "draw_wrong_examples",
]
