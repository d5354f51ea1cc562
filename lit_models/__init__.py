"""One LightningModule per task."""

from lit_models.autoencoder import LitAutoencoder
from lit_models.boundary import BoundaryFScore, boundary
from lit_models.image_classifier import LitImageClassifier
from lit_models.language_model import LitLanguageModel
from lit_models.node_classifier import LitNodeClassifier
from lit_models.overlap import dice_loss, overlap_scores
from lit_models.schedules import WarmupCosine
from lit_models.segmenter import LitSegmenter
from lit_models.sequence_classifier import LitSequenceClassifier
from lit_models.sequence_regressor import LitSequenceRegressor
from lit_models.task import LitTask

__all__ = [
    "BoundaryFScore",
    "LitAutoencoder",
    "LitImageClassifier",
    "LitLanguageModel",
    "LitNodeClassifier",
    "LitSegmenter",
    "LitSequenceClassifier",
    "LitSequenceRegressor",
    "LitTask",
    "WarmupCosine",
    "boundary",
    "dice_loss",
    "overlap_scores",
]
