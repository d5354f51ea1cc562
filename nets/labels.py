"""Labels of classes: integers from 0 on, checked so that none is rounded or ignored without a message.

Letters: B samples, C classes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

NO_LABEL = torch.iinfo(torch.long).min  # PyTorch's cross-entropy leaves out −100 unless it is given another number


def check_labels(
    labels: Tensor, num_classes: int | None = None, name: str = "labels", ndim: int | None = None
) -> Tensor:
    """The labels of classes as int64; of whole numbers of any type, or of booleans, which stand for 0 and 1.

    The values are checked if ``num_classes`` is given, for which the CPU has to wait for a GPU.

    Args:
        labels: the labels.
        num_classes: number of classes C, ≥ 1; None leaves the values alone.
        name: what the labels are called.
        ndim: dimensions that they must have; None for any.

    Shapes:
        labels (...) -> (...) of int64

    Raises:
        ValueError: when they are no whole numbers, have other dimensions, or are not in [0, C).
    """
    if labels.is_floating_point() or labels.is_complex():
        remedy = "take argmax over the classes of probabilities, and long() of what are whole numbers"
        if name == "masks":
            remedy = "read them with torchvision's pil_to_tensor, where to_tensor divides by 255"
        raise ValueError(f"{name} must be whole numbers, the numbers of classes, but are {labels.dtype}: {remedy}.")
    if ndim is not None and labels.ndim != ndim:
        raise ValueError(
            f"{name} must have {ndim} dimension{'s' * (ndim > 1)}, one class each, but have the shape "
            f"{tuple(labels.shape)}: take argmax(dim=1) of one-hot labels, and squeeze(1) of a column."
        )
    labels = labels.long()
    if num_classes is not None and labels.numel():
        least, most = (int(value) for value in labels.aminmax())
        if least < 0 or most >= num_classes:
            remedy = "subtract 1, if they begin at 1" if least > 0 else "correct them"
            raise ValueError(
                f"{name} must be from 0 to {num_classes - 1}, the {num_classes} classes, but hold "
                f"{least if least < 0 else most}: {remedy}, or set num_classes to what the data has."
            )
    return labels


def cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float = 0.0, reduction: str = "mean") -> Tensor:
    """``torch.nn.functional.cross_entropy`` of which no label is left out: one that is no class is named.

    Shapes:
        logits (B, C, …), labels (B, …) -> (), or (B, …) with ``reduction="none"``

    Raises:
        ValueError: when a label is not in [0, C), on a CPU; on a GPU the process ends.
    """
    try:
        return F.cross_entropy(
            logits, labels, ignore_index=NO_LABEL, label_smoothing=label_smoothing, reduction=reduction
        )
    except IndexError:
        check_labels(labels, logits.shape[1])
        raise
