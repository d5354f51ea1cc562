"""What every observer needs: to look at a network without leaving a trace in its training."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer
from torch import nn


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients inside; outside, the modes and the random generators are as they were."""
    modes = {child: child.training for child in module.modules()}
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(), torch.no_grad():
        module.eval()
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
            for child, training in modes.items():
                child.training = training


def gather(trainer: Trainer, value: Any) -> list[Any]:
    """What each process holds, in the order of their ranks."""
    if trainer.world_size == 1:
        return [value]
    gathered: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(gathered, value)
    return gathered
