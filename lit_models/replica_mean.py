"""A metric of each of many replicas."""

import torch
from torch import Tensor
from torchmetrics import Metric


class ReplicaMean(Metric):
    """The mean of a value of each replica, exact over processes and over batches of unequal size.

    Args:
        num_replicas: replicas R.

    Shapes:
        update with (R,) -> compute (R,)
    """

    total: Tensor
    count: Tensor

    def __init__(self, num_replicas: int) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(num_replicas), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, values: Tensor, num_samples: int) -> None:
        self.total = self.total + values.detach().float() * num_samples
        self.count = self.count + num_samples

    def compute(self) -> Tensor:
        return self.total / self.count
