"""Chains of scalar units against autograd: their ends, their edges, their nodes, and the bound on their slope."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import theory

NONLINEARITIES = {"relu": torch.relu, "tanh": torch.tanh}


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def run_chain(w: Tensor, u: Tensor) -> list[Tensor]:
    """h_0 … h_T."""
    hidden = [torch.zeros_like(w)]
    for u_t in u:
        hidden.append(w * (u_t + hidden[-1]))
    return hidden


@pytest.mark.parametrize("steps", [1, 2, 9])
@pytest.mark.parametrize("weight", [0.7, -1.3, 0.0])
def test_gradient_of_a_scalar_chain_is_that_of_a_loop(weight: float, steps: int) -> None:
    w, u = torch.tensor(weight, dtype=torch.float64, requires_grad=True), randn(steps).requires_grad_()
    y = run_chain(w, u)[-1]
    dy_dw, dy_du = torch.autograd.grad(y, (w, u))
    found = theory.scalar_chain_gradient(weight, u.detach())
    assert_close((found.y, found.dy_dw), (y.detach(), dy_dw))
    to_the_end = torch.stack([found.dh_dh[t + 1 :].prod() for t in range(steps)])  # ∂y/∂h_t
    assert_close((found.dh_dw * to_the_end).sum(), dy_dw)
    assert_close(found.dh_du * to_the_end, dy_du)
    of_tensor = theory.scalar_chain_gradient(w, u)
    assert_close(torch.autograd.grad(of_tensor.y, w)[0], of_tensor.dy_dw.detach())


@pytest.mark.parametrize("weight", [0.7, -1.3, 0.0])
def test_nodes_of_a_scalar_chain_and_what_each_edge_contributes(weight: float) -> None:
    """Each step has a weight of its own, so that autograd tells apart what comes along which edge."""
    weights, u = torch.full((5,), weight, dtype=torch.float64).requires_grad_(), randn(5)
    sums, states = [], [torch.zeros((), dtype=torch.float64, requires_grad=True)]
    for w_t, u_t in zip(weights, u, strict=True):
        sums.append(u_t + states[-1])
        states.append(w_t * sums[-1])
    found = theory.scalar_chain_gradient(weight, u)
    assert_close(found.states, torch.stack(states[1:]).detach())
    assert_close(found.dh_dw, torch.stack(sums).detach())
    assert_close(found.terms, torch.autograd.grad(states[-1], weights, retain_graph=True)[0])
    assert_close(found.terms.sum(), found.dy_dw)
    assert_close(found.dy_dsums, torch.stack(torch.autograd.grad(states[-1], sums, retain_graph=True)))
    assert_close(found.dy_dstates, torch.stack(torch.autograd.grad(states[-1], states[1:])))


@pytest.mark.parametrize("weight", [0.7, -1.3, 0.0])
def test_edges_of_a_scalar_chain_are_local_derivatives(weight: float) -> None:
    w, u = torch.tensor(weight, dtype=torch.float64), randn(6)
    edges = []
    for ends in zip(w.expand(6), u, run_chain(w, u)[:-1], strict=True):
        w_t, u_t, before = (end.clone().requires_grad_() for end in ends)
        edges.append(torch.stack(torch.autograd.grad(w_t * (u_t + before), (w_t, u_t, before))))
    found = theory.scalar_chain_gradient(weight, u)
    assert_close(torch.stack([found.dh_dw, found.dh_du, found.dh_dh]), torch.stack(edges, dim=1))


def test_scalar_chain_of_three_ones() -> None:
    found = theory.scalar_chain_gradient(2.0, torch.ones(3))  # h = 2, 6, 14; w³ + w² + w has the slope 12 + 4 + 1
    assert [part.tolist() for part in found[:5]] == [14, 17, [1, 3, 7], [2, 2, 2], [2, 2, 2]]
    assert [part.tolist() for part in found[5:]] == [[2, 6, 14], [4, 2, 1], [8, 4, 2], [4, 6, 7]]
    assert {part.dtype for part in found} == {torch.float32}


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_slope_of_a_deep_chain_is_at_most_the_product_of_its_weights(nonlinearity: str) -> None:
    weights, x = 2 * randn(20, 50, 6), randn(20, 50, seed=1).requires_grad_()
    hidden, active = x, torch.ones(20, 50, dtype=torch.bool)
    for weight in weights[..., :-1].unbind(-1):
        hidden = NONLINEARITIES[nonlinearity](weight * hidden)
        active &= hidden > 0
    (slopes,) = torch.autograd.grad((weights[..., -1] * hidden).sum(), x)
    bound = theory.scalar_chain_bound(weights)
    assert bound.shape == (20, 50)
    assert 10 < active.sum() < 500
    if nonlinearity == "relu":
        assert_close(slopes.abs(), bound * active)
    else:
        assert (slopes.abs() < bound).all()


def test_slope_of_a_deep_chain_of_tanh_at_zero_is_the_product_of_its_weights() -> None:
    def chain(x: Tensor) -> Tensor:
        for weight in (1.5, -0.2, 3.0):
            x = torch.tanh(weight * x)
        return x

    slope = torch.func.grad(chain)(torch.tensor(0.0))
    assert_close(theory.scalar_chain_bound(torch.tensor([1.5, -0.2, 3.0])), -slope)


@pytest.mark.parametrize(
    ("w", "u", "message"),
    [
        (torch.ones(2), torch.ones(3), r"their shapes are \(2,\) and \(3,\)"),
        (0.5, torch.ones(1, 3), r"u one number a step, .* are \(\) and \(1, 3\)"),
        (0.5, torch.ones(0), r"w must be a number .* are \(\) and \(0,\)"),
    ],
)
def test_misfits_are_refused(w: Tensor | float, u: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        theory.scalar_chain_gradient(w, u)
