"""The reliability diagram of a classifier: accuracy over confidence.

Letters: M bins.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_reliability(
    counts: Tensor, confidence: Tensor, accuracy: Tensor, title: str, error: float | None = None
) -> "Figure":
    """Accuracy over confidence in equal bins of the confidence (top), and the number of samples in each bin (bottom).

    A calibrated classifier is as accurate as it is confident, so that its bars reach the diagonal. "On Calibration of
    Modern Neural Networks" (Guo et al., 2017), https://arxiv.org/abs/1706.04599.

    Args:
        counts: samples in each bin.
        confidence: their mean confidence, in [0, 1].
        accuracy: their accuracy, in [0, 1].
        title: what was tested; the expected calibration error is added.
        error: the expected calibration error, in [0, 1]; when None, Σ counts · |accuracy − confidence| / Σ counts.

    Shapes:
        counts, confidence and accuracy (M,)
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    if error is None:
        error = float(((accuracy - confidence).abs() * counts).sum() / counts.sum())
    filled, centres, width = counts > 0, (torch.arange(len(counts)) + 0.5) / len(counts), 1 / len(counts)
    above.bar(centres[filled].numpy(), accuracy[filled].numpy(), 0.9 * width, color="C0", label="accuracy")
    above.plot(confidence[filled].numpy(), accuracy[filled].numpy(), "ko", markersize=3, label="at the mean confidence")
    above.plot([0, 1], [0, 1], "k--", linewidth=1, label="perfect calibration")
    above.set_title(f"{title}: expected calibration error {error:.3f}", fontsize=11)
    above.set_ylabel("accuracy")
    above.set_xlim(0, 1)
    above.set_ylim(0, 1)
    above.legend(fontsize=9)
    below.bar(centres.numpy(), counts.numpy(), 0.9 * width, color="C7")
    below.set_xlabel("confidence: probability of the predicted class")
    below.set_ylabel("samples")
    return figure
