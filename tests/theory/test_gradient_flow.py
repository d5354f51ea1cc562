"""Gradients of recurrences against autograd, and their bounds against the gradients themselves."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import theory
from nets import RNNLayer

ROUNDING = 1 + 1e-12  # what is below a bound, or on it, may round to just above it
NONLINEARITIES = {  # and their largest slopes
    "sigmoid": (torch.sigmoid, 0.25),
    "tanh": (torch.tanh, 1.0),
    "relu": (torch.relu, 1.0),
    "identity": (torch.clone, 1.0),
}


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def jacobians(nonlinearity: str, weights: Tensor, x: Tensor, steps: int) -> Tensor:
    """Largest singular value of the Jacobian of each recurrence x_{t+1} = σ(W x_t) after some steps."""

    def recur(weight: Tensor, state: Tensor) -> Tensor:
        for _ in range(steps):
            state = NONLINEARITIES[nonlinearity][0](weight @ state)
        return state.clone()

    jacobian = torch.func.vmap(torch.func.jacrev(recur, argnums=1))(weights, x)
    return torch.linalg.matrix_norm(jacobian, ord=2)


@pytest.mark.parametrize("steps", [0, 1, 5])
@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0])
@pytest.mark.parametrize("nonlinearity", NONLINEARITIES)
def test_jacobian_of_a_recurrence_is_under_its_bound(nonlinearity: str, scale: float, steps: int) -> None:
    weights, x = scale * randn(30, 4, 4), randn(30, 4, seed=1)
    bound = theory.jacobian_bound(torch.linalg.matrix_norm(weights, 2), NONLINEARITIES[nonlinearity][1], steps)
    assert bound.shape == (30,)
    assert (jacobians(nonlinearity, weights, x, steps) <= bound * ROUNDING).all()


@pytest.mark.parametrize("nonlinearity", ["sigmoid", "tanh", "identity"])
def test_jacobian_bound_is_reached_by_one_step_from_zero(nonlinearity: str) -> None:
    weights = randn(30, 4, 4)
    bound = theory.jacobian_bound(torch.linalg.matrix_norm(weights, 2), NONLINEARITIES[nonlinearity][1], 1)
    assert_close(jacobians(nonlinearity, weights, torch.zeros(30, 4, dtype=torch.float64), 1), bound)


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_jacobian_of_sigmoids_shrinks_by_sixteen_a_step(n: int) -> None:
    assert theory.jacobian_bound(0.25, 0.25, n - 1) == (1 / 16) ** (n - 1)
    assert theory.jacobian_bound(0.25, 0.25, 40) == pytest.approx(2.0**-160, rel=1e-12)  # below all of float32
    weights = randn(30, 4, 4)
    weights /= 4 * torch.linalg.matrix_norm(weights, 2)[:, None, None]
    assert (jacobians("sigmoid", weights, randn(30, 4, seed=1), n - 1) <= (1 / 16) ** (n - 1) * ROUNDING).all()


def test_jacobian_bound_broadcasts() -> None:
    found = theory.jacobian_bound(torch.tensor([[0.0], [0.5], [6.0]]), 0.5, torch.arange(3))
    assert found.tolist() == [[1, 0, 0], [1, 0.25, 0.0625], [1, 3, 9]]


def gradients(layer: RNNLayer, loss: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """What reaches each hidden state from the loss alone, and its gradient, each (B, T, H)."""
    all_h, _, states = layer(randn(3, 7, layer.input_size, seed=1), return_states=True)
    direct, *whole = torch.autograd.grad(loss(all_h), (states.outputs, *states.hidden))
    return direct, torch.stack(whole, dim=1)


def rnn_layer(hidden_size: int, nonlinearity: str, gain: float) -> RNNLayer:
    """W^h = gain·orthogonal."""
    layer = RNNLayer(2, hidden_size, nonlinearity).double()
    layer.weight_hh.data = gain * torch.linalg.qr(randn(hidden_size, hidden_size, seed=4)).Q
    layer.weight_ih.data, layer.bias.data = randn(hidden_size, 2, seed=5), randn(hidden_size, seed=6)
    return layer


@pytest.mark.parametrize("orthogonal", [True, False])
@pytest.mark.parametrize("gain", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("read", [slice(None), slice(-1, None), slice(2, 3)])
@pytest.mark.parametrize("nonlinearity", ["tanh", "relu", "identity"])
def test_gradient_of_a_recurrent_layer_is_under_its_bound(
    nonlinearity: str, read: slice, gain: float, orthogonal: bool
) -> None:
    layer = rnn_layer(4, nonlinearity, gain)
    if not orthogonal:
        layer.weight_hh.data = gain * randn(4, 4, seed=2)
    direct, whole = gradients(layer, lambda all_h: (all_h - randn(3, 7, 4, seed=3))[:, read].square().sum())
    sigma_max = torch.linalg.matrix_norm(layer.weight_hh.detach(), 2)
    for norms in (lambda values: values[1].norm(dim=1), lambda values: values.norm(dim=(0, 2))):  # one row, all rows
        bound = theory.gradient_bound(norms(direct), sigma_max, 1.0)
        assert bound.shape == (7,) and bound.max() > 0
        assert (norms(whole) <= bound * ROUNDING).all()


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_gradient_of_a_linear_layer_is_its_bound_and_vanishes_at_its_rate(gain: float) -> None:
    direct, whole = gradients(rnn_layer(4, "identity", gain), lambda all_h: all_h[:, -1].square().sum())
    for row in range(3):
        norms, last = whole[row].norm(dim=1), direct[row, -1].norm()
        assert_close(norms, theory.gradient_bound(direct[row].norm(dim=1), gain, 1.0))
        assert_close(norms, gain ** torch.arange(6, -1, -1, dtype=torch.float64) * last)
        assert theory.vanishing_rate(norms).item() == pytest.approx(-math.log(gain), abs=1e-12)


@pytest.mark.parametrize("gain", [0.5, 1.0, 1.5])
def test_gradient_of_one_linear_unit_is_its_bound_where_all_steps_pull_one_way(gain: float) -> None:
    layer = rnn_layer(1, "identity", gain)
    layer.weight_hh.data.abs_()
    pull = randn(7, seed=3).abs()
    _, whole = gradients(layer, lambda all_h: (pull[:, None] * all_h).sum())
    for lipschitz in (1.0, 0.25):  # a smaller slope is as good as a smaller weight
        assert_close(whole[0, :, 0], theory.gradient_bound(pull, gain / lipschitz, lipschitz))


def test_gradient_bound_has_the_precision_of_the_norms() -> None:
    for sigma_max in (2.0, torch.tensor(2.0, dtype=torch.float64), torch.tensor(2)):
        found = theory.gradient_bound(torch.tensor([0.0, 1.0, 3.0]), sigma_max, 1.0)
        assert found.dtype == torch.float32 and found.tolist() == [14, 7, 3]


@pytest.mark.parametrize("steps", [2, 10, 31])
@pytest.mark.parametrize("c", [0.5, 0.9, 1.0, 1.5])
def test_vanishing_rate_is_minus_the_logarithm_of_the_factor(c: float, steps: int) -> None:
    norms = 3.7 * c ** torch.arange(steps - 1, -1, -1, dtype=torch.float64)
    assert theory.vanishing_rate(norms).item() == pytest.approx(-math.log(c), abs=1e-12)
    assert theory.vanishing_rate(norms.float()).item() == pytest.approx(-math.log(c), abs=1e-6)


def test_vanishing_rate_leaves_zeros_out() -> None:
    norms = randn(12).exp()
    norms[[0, 3, 4, 11]] = 0
    above = norms.nonzero()[:, 0].numpy()
    slope = np.polyfit(above, norms.log().numpy()[above], 1)[0]  # of all 12 steps it would be infinite
    assert theory.vanishing_rate(norms).item() == pytest.approx(slope, rel=1e-12)


@pytest.mark.parametrize(
    ("dtype", "smallest", "tolerance"),
    [(torch.float32, 1e-37, 1e-6), (torch.float32, 1e-60, 1e-2), (torch.float64, 1e-300, 1e-12)],
)
def test_vanishing_rate_of_tiny_norms(dtype: torch.dtype, smallest: float, tolerance: float) -> None:
    # In single precision 1e-60 is 0, and what is below 1e-38 has but a few digits.
    norms = torch.logspace(math.log10(smallest), 0, 31, dtype=torch.float64).to(dtype)
    assert theory.vanishing_rate(norms).item() == pytest.approx(-math.log(smallest) / 30, rel=tolerance)


def test_gradient_bound_of_a_gradient_that_explodes_is_no_nan() -> None:
    bound = theory.gradient_bound(torch.eye(200)[-1], 2.0, 1.0)
    assert bound[-100:].tolist() == [2.0**steps for steps in range(99, -1, -1)] and not bound.isnan().any()


@pytest.mark.parametrize("norms", [[], [0.0], [2.0], [0.0, 3.0, 0.0], [1.0, math.nan, 2.0], [math.inf, 1.0, 2.0]])
def test_vanishing_rate_takes_two_finite_norms(norms: list[float]) -> None:
    assert theory.vanishing_rate(torch.tensor(norms)).isnan()


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (theory.jacobian_bound, (-0.5, 1.0, 2), "^sigma_max must not be negative, but it is -0.5"),
        (theory.jacobian_bound, (torch.tensor([0.5, -2.0]), 1.0, 2), "^sigma_max must not be negative, .* -2.0"),
        (theory.jacobian_bound, (0.5, -1.0, 2), "^lipschitz must not be negative, but it is -1.0"),
        (theory.jacobian_bound, (0.5, 1.0, torch.tensor([3, -2])), "^steps must not be negative, but it is -2"),
        (theory.gradient_bound, (torch.tensor([1.0, -3.0]), 0.5, 1.0), "direct_norms must not be negative, .* -3.0"),
        (theory.gradient_bound, (torch.ones(2), -0.5, 1.0), "sigma_max must not be negative, but it is -0.5"),
        (theory.gradient_bound, (torch.ones(2), 0.5, -1.0), "lipschitz must not be negative, but it is -1.0"),
        (theory.vanishing_rate, (torch.tensor([1.0, -3.0]),), r"norms must be .* ≥ 0 a step, .* \[1.0, -3.0\]"),
        (theory.vanishing_rate, (torch.ones(1, 2),), r"norms must be one number .* \[\[1.0, 1.0\]\]"),
    ],
)
def test_misfits_are_refused(function: Callable, arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(*arguments)
