"""How far two segmentations overlap: as scores of each class, and as a loss that has a gradient."""

import torch
from torch import Tensor
from torch.nn import functional as F

from lit_models.class_averages import class_scores
from nets.labels import check_labels


def overlap_scores(confusion: Tensor) -> dict[str, Tensor]:
    r"""The intersection over union and the Dice coefficient of each class, and the share of right pixels.

        IoU = TP / (TP + FP + FN),   Dice = 2 TP / (2 TP + FP + FN),   acc = Σ TP / Σ pixels

    A class that is neither in the truth nor in the prediction has no score: NaN, which ``mean_over_classes`` leaves
    out. See ``class_scores``, of which IoU and Dice, there F1, are two.

    Args:
        confusion: pixels by true class (rows) and predicted class (columns), as torchmetrics' ConfusionMatrix.

    Shapes:
        (C, C) -> "iou" (C,), "dice" (C,), "acc" ()
    """
    scores, pixels = class_scores(confusion), confusion.double()
    return {"iou": scores["iou"], "dice": scores["f1"], "acc": pixels.trace() / pixels.sum()}


def dice_loss(logits: Tensor, masks: Tensor, ignore_index: int = 255) -> Tensor:
    r"""One less the soft Dice coefficient, averaged over the classes that are in the truth.

    "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation" (Milletari et al., 2016),
    https://arxiv.org/abs/1606.04797, without the squares:

        loss = 1 − mean_c 2 Σ p_c y_c / (Σ p_c + Σ y_c),   p = softmax(logits), y the truth, sums over all pixels

    Args:
        logits: of each class at each pixel.
        masks: the class of each pixel; pixels of ``ignore_index`` take part in no sum.
        ignore_index: the label of void pixels.

    Shapes:
        logits (B, C, H, W), masks (B, H, W) -> ()
    """
    masks = check_labels(masks, name="masks")
    known = masks != ignore_index
    probabilities = logits.softmax(dim=1) * known[:, None]
    truth = F.one_hot(masks.where(known, 0), logits.shape[1]).movedim(-1, 1) * known[:, None]  # (B, C, H, W)
    intersection, true = (probabilities * truth).sum(dim=(0, 2, 3)), truth.sum(dim=(0, 2, 3))
    dice = 2 * intersection / (probabilities.sum(dim=(0, 2, 3)) + true).clamp(min=torch.finfo(logits.dtype).tiny)
    present = (true > 0).to(logits.dtype)
    return ((1 - dice) * present).sum() / present.sum().clamp(min=1)
