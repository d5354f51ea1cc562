"""The mean of a value of each replica."""

import torch
from torch.testing import assert_close

from lit_models.replica_mean import ReplicaMean


def test_it_is_the_mean_over_samples_of_batches_of_unequal_size() -> None:
    metric = ReplicaMean(2)
    metric.update(torch.tensor([1.0, 4.0]), 3)
    metric.update(torch.tensor([5.0, 0.0]), 1)
    assert_close(metric.compute(), torch.tensor([2.0, 3.0]))
    metric.reset()
    metric.update(torch.tensor([7.0, 8.0]), 2)
    assert_close(metric.compute(), torch.tensor([7.0, 8.0]))
