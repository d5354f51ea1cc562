"""Which optimizers move each replica as if it were alone."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from lit_models.coupling import coupling_optimizer
from nets import Autoencoder, stack_replicas

OPTIMIZERS = [
    name for name in dir(torch.optim) if isinstance(getattr(torch.optim, name), type) and name not in ("Optimizer",)
]


class GlobalNorm(torch.optim.SGD):
    """Steps of the length lr, whatever the gradient: what LARS and its kin do for each layer, for all at once."""

    def step(self, closure: Any = None) -> None:
        closure()
        weights = [weight for weight in self.param_groups[0]["params"] if weight.requires_grad]
        norm = torch.nn.utils.get_total_norm([weight.grad for weight in weights])
        with torch.no_grad():
            for weight in weights:
                weight.sub_(self.param_groups[0]["lr"] * weight.grad / norm)


def parameters() -> list[nn.Parameter]:
    """Matrices alone, since Muon takes nothing else; the second is frozen."""
    stacked = stack_replicas(Autoencoder(5, [3, 2], bias=False), 3, seed=0).double()
    weights = list(stacked.parameters())
    weights[1].requires_grad_(False)
    return weights


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_of_torchs_optimizers_those_that_compute_over_several_weights_are_found(name: str) -> None:
    weights = parameters()
    before, state = [weight.clone() for weight in weights], torch.get_rng_state()
    found = coupling_optimizer(partial(getattr(torch.optim, name), lr=0.01), weights)
    assert found == (name if name in ("LBFGS", "Adafactor", "Muon") else None)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(weight, was) and weight.grad is None for weight, was in zip(weights, before, strict=True))


COUPLING = {
    "a global norm": partial(GlobalNorm, lr=1e-4),
    "a line search": partial(torch.optim.LBFGS, line_search_fn="strong_wolfe"),
}
ALONE = {
    "fused": partial(torch.optim.AdamW, fused=True),
    "tiny": partial(torch.optim.SGD, lr=1e-9, momentum=0.9, nesterov=True),
}


@pytest.mark.parametrize("optimizer", COUPLING.values(), ids=COUPLING)
def test_another_optimizer_is_found_by_what_it_does(optimizer: Any) -> None:
    assert coupling_optimizer(optimizer, parameters()) == getattr(optimizer, "func", optimizer).__name__


@pytest.mark.parametrize("optimizer", ALONE.values(), ids=ALONE)
def test_options_do_not_couple(optimizer: Any) -> None:
    assert coupling_optimizer(optimizer, parameters()) is None


def test_what_fails_alone_too_is_left_to_the_training() -> None:
    assert coupling_optimizer(partial(torch.optim.SGD, lr=-1.0), parameters()) is None
