"""How many samples of each class a split has.

Letters: N samples, C classes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def count_labels(labels: Tensor, class_names: Sequence[str] | None, num_classes: int) -> dict[str, int]:
    """The number of samples of each class by its name, those without any as well.

    Args:
        labels: of integers in 0 … C − 1.
        class_names: the names of the classes; their numbers where there are none.
        num_classes: classes C.

    Shapes:
        labels (N,)
    """
    names = class_names or [str(number) for number in range(num_classes)]
    counts = torch.bincount(labels.cpu().long(), minlength=num_classes).tolist()
    return dict(zip(names, counts, strict=True))
