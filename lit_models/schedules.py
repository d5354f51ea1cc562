"""Learning-rate schedules that torch does not ship."""

import math

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


class WarmupCosine(LambdaLR):
    r"""A linear warm-up, then half a cosine down to zero, over the whole run.

    "SGDR: Stochastic Gradient Descent with Warm Restarts" (Loshchilov and Hutter, 2017),
    https://arxiv.org/abs/1608.03983, without restarts.
    With W warm-up steps of T: factor(t) = (t+1)/(W+1) for t < W, else (1 + cos(π (t−W)/(T−W)))/2, and 0 beyond T.

    The length of the run is no part of its saved state: a run resumed with another ``max_epochs`` follows the
    curve of the new length.

    Args:
        optimizer: the optimizer, whose learning rates are the peaks of the curve.
        total_steps: steps T of the run, ≥ 1; a task fills it in when None.
        warmup_fraction: share W/T of the steps that warm up, in [0, 1).

    Raises:
        ValueError: when an argument is out of its range.
    """

    def __init__(self, optimizer: Optimizer, total_steps: int | None = None, warmup_fraction: float = 0.05) -> None:
        length = check_total_steps(total_steps)
        if not 0 <= warmup_fraction < 1:
            raise ValueError(f"warmup_fraction must be in [0, 1), but it is {warmup_fraction}.")
        warmup = round(warmup_fraction * length)

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            return (1 + math.cos(math.pi * min(1.0, (step - warmup) / (length - warmup)))) / 2

        super().__init__(optimizer, factor)


def check_total_steps(total_steps: float | None) -> float:
    """The length of a schedule; raise ValueError unless it is a number of steps."""
    if not total_steps or not 1 <= total_steps < math.inf:
        raise ValueError(
            f"total_steps must be a number of steps ≥ 1, but it is {total_steps}: "
            f"give it, or set trainer.max_epochs or trainer.max_steps so that the task knows it."
        )
    return total_steps
