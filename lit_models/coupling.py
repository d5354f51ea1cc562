"""Whether replicas that share an optimizer are still the runs that each of them would be alone."""

from collections.abc import Callable
from typing import cast

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F

STEPS = 3  # what computes over several weights does so from its first steps on


def coupling_optimizer(optimizer: OptimizerCallable, parameters: list[nn.Parameter]) -> str | None:
    """The name of an optimizer that moves a replica otherwise than it would move it alone, or None for all others.

    It is tried on copies of the first two replicas, in double precision, with losses Σ log(1 + e^(g·w)), which have no
    minimum to arrive at, and whose g are random and ten times as large for the second. So it finds, without a list of
    names, what takes a norm over a whole matrix or over all weights (LBFGS, Adafactor, LARS), or reads a stack of
    vectors as a matrix (Muon). What cannot be tried alone is not judged.

    Args:
        optimizer: from parameters to an optimizer.
        parameters: those of R ≥ 2 stacked replicas, (R, …) each.
    """
    generator = torch.Generator().manual_seed(0)
    pairs = [
        nn.Parameter(parameter.detach()[:2].to("cpu", torch.float64, copy=True), requires_grad=parameter.requires_grad)
        for parameter in parameters
    ]
    noise = [[torch.randn(pair.shape, generator=generator, dtype=pair.dtype) for pair in pairs] for _ in range(STEPS)]
    for of_pair in (of_pair for of_step in noise for of_pair in of_step):
        of_pair[1] *= 10
    first = [nn.Parameter(pair.detach()[0].clone(), requires_grad=pair.requires_grad) for pair in pairs]
    start = [weight.detach().clone() for weight in first]
    with torch.random.fork_rng(devices=[]):
        try:
            name = _train(optimizer, first, [[of_pair[0] for of_pair in of_step] for of_step in noise])
        except Exception:  # whatever it is, the training will say it
            return None
        try:
            _train(optimizer, pairs, noise)
        except Exception:
            return name
    moves = [(one - was, pair[0] - was) for one, pair, was in zip(first, pairs, start, strict=True)]
    return None if all(torch.allclose(*move, rtol=1e-6, atol=1e-12) for move in moves) else name


def _train(optimizer: OptimizerCallable, weights: list[nn.Parameter], noise: list[list[Tensor]]) -> str:
    """Take a step for each of some losses; the name of the optimizer."""
    torch.default_generator.manual_seed(0)
    steps = optimizer(iter(weights))
    for of_step in noise:

        @torch.enable_grad()
        def closure(of_step: list[Tensor] = of_step) -> Tensor:
            steps.zero_grad()
            pairs = zip(weights, of_step, strict=True)
            loss = torch.stack([F.softplus(weight * factor).sum() for weight, factor in pairs]).sum()
            loss.backward()
            return loss

        steps.step(cast(Callable[[], float], closure))  # a tensor, which optimizers take for a number
    return type(steps).__name__
