"""Networks and images for the tests of convolutional networks."""

from collections.abc import Callable

import torch
from torch import Tensor, nn


def randomized(make: Callable[[], nn.Module]) -> nn.Module:
    """A network in float64 whose normalisation is random, so that nothing of it is 0 or 1; the same in every call."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = make()
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                for value in (module.weight, module.bias, module.running_mean, module.running_var):
                    nn.init.uniform_(value, 0.2, 1.0)
    return net.double()


def random_images(*shape: int) -> Tensor:
    """Standard normal numbers in float64, the same in every call."""
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
