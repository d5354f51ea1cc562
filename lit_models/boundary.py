"""How well the outlines of a segmentation are met.

Letters: B batch, H height, W width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics import Metric

from nets.labels import check_labels


def boundary(masks: Tensor, ignore_index: int = 255) -> Tensor:
    """The pixels whose class differs from that of their right or lower neighbour.

    Of the two pixels of such a pair the upper or left one alone counts, so that an outline is one pixel thick. A pair
    with a void pixel is no boundary.

    Args:
        masks: the class of each pixel, of any integer type.
        ignore_index: the label of void pixels.

    Shapes:
        masks (B, H, W) -> (B, H, W) of bool
    """
    masks = check_labels(masks, name="masks")  # as int64: a label of −100 would equal the 156 of a byte
    known, outline = masks != ignore_index, torch.zeros_like(masks, dtype=torch.bool)
    outline[:, :, :-1] |= (masks[:, :, :-1] != masks[:, :, 1:]) & known[:, :, :-1] & known[:, :, 1:]
    outline[:, :-1] |= (masks[:, :-1] != masks[:, 1:]) & known[:, :-1] & known[:, 1:]
    return outline


class BoundaryFScore(Metric):
    r"""The F-score of predicted boundaries, of which a few pixels' distance is forgiven.

    "What is a good evaluation measure for semantic segmentation?" (Csurka et al., 2013),
    https://doi.org/10.5244/C.27.32, and "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation"
    (Perazzi et al., 2016), https://doi.org/10.1109/CVPR.2016.85: F = 2PR / (P + R), where the precision P is the share
    of the predicted boundary pixels that have a true one within the tolerance, and the recall R the share of the true
    ones that have a predicted one. The distance is that of a king on a chessboard, max(\|Δx\|, \|Δy\|). The pixels of
    all images are counted together, exactly so over processes and over batches of unequal size; Csurka et al. take the
    mean over images.

    What is void in the truth is void in the prediction too: where the classes are parted by a band of void, there is
    no boundary to be met. Without any boundary, predicted or true, the score is 1.

    Args:
        tolerance: distance in pixels that is forgiven, ≥ 0.
        ignore_index: the label of void pixels in the truth.

    Shapes:
        update with predicted (B, H, W), masks (B, H, W), both of integers -> compute ()

    Raises:
        ValueError: when ``tolerance`` is below 0, or the prediction is no class a pixel of the masks.
    """

    is_differentiable, higher_is_better, full_state_update = False, True, False
    found: Tensor
    total: Tensor

    def __init__(self, tolerance: int = 2, ignore_index: int = 255) -> None:
        super().__init__()
        if tolerance < 0:
            raise ValueError(f"tolerance must be at least 0 pixels, but it is {tolerance}.")
        self.tolerance, self.ignore_index = tolerance, ignore_index
        # Predicted boundary pixels, then true ones: how many have one of the other kind near, and how many there are.
        self.add_state("found", torch.zeros(2, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("total", torch.zeros(2, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, masks: Tensor) -> None:
        floating = predicted.is_floating_point() or masks.is_floating_point()
        if predicted.ndim != 3 or predicted.shape != masks.shape or floating:
            raise ValueError(
                f"predicted and masks must be integers of one shape (B, H, W), but predicted is {predicted.dtype} "
                f"{tuple(predicted.shape)} and masks are {masks.dtype} {tuple(masks.shape)}: pass logits.argmax(dim=1)."
            )
        void = masks.long() == self.ignore_index
        outlines = torch.stack([boundary(labels.long().masked_fill(void, -1), -1) for labels in (predicted, masks)])
        near = F.max_pool2d(outlines.float(), 2 * self.tolerance + 1, stride=1, padding=self.tolerance) > 0
        self.found = self.found + (outlines & near.flip(0)).sum(dim=(1, 2, 3))
        self.total = self.total + outlines.sum(dim=(1, 2, 3))

    def compute(self) -> Tensor:
        precision, recall = self.found.float() / self.total.clamp(min=1)
        score = 2 * precision * recall / (precision + recall).clamp(min=1e-12)
        return torch.where(self.total.sum() == 0, 1.0, score)
