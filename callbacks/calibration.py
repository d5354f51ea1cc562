"""The calibration of a classifier: confidence and accuracy in bins, and their mean distance.

Letters: N samples.
"""

import torch
from torch import Tensor

BINS = 15


def calibration_bins(confidence: Tensor, right: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """In 15 equal bins (lower, upper] of the confidence: the samples, their mean confidence, and their accuracy.

    Shapes:
        confidence (N,) in [0, 1], right (N,) -> each (15,); confidence and accuracy are 0 in an empty bin
    """
    edges = torch.linspace(0, 1, BINS + 1, dtype=torch.float64)[1:-1]
    number = torch.bucketize(confidence.double(), edges)
    counts = torch.bincount(number, minlength=BINS).double()
    sums = [torch.bincount(number, values.double(), minlength=BINS) for values in (confidence, right)]
    return counts, sums[0] / counts.clamp(min=1), sums[1] / counts.clamp(min=1)


def expected_calibration_error(counts: Tensor, confidence: Tensor, accuracy: Tensor) -> float:
    """The mean of |accuracy − confidence| over the bins, weighted by their samples."""
    return float(((accuracy - confidence).abs() * counts).sum() / counts.sum())
