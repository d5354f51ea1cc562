"""Simple recurrent networks against torch's own, and against their equations written out."""

from collections.abc import Callable

import pytest
import torch
from recurrent_twins import check_against_equations, check_against_torch, check_random_sizes
from torch import nn
from torch.testing import assert_close

from nets import RNN, RNNLayer
from nets.recurrent import RecurrentNet

BUILDERS: dict[str, Callable[[], RecurrentNet]] = {
    "RNNLayer tanh": lambda: RNNLayer(2, 3),
    "RNNLayer relu": lambda: RNNLayer(4, 3, "relu"),
    "RNN": lambda: RNN(2, 3),
    "RNN of two": lambda: RNN(3, 4, 2),
    "RNN of two, relu": lambda: RNN(2, 3, 2, "relu"),
}
LINEAR: dict[str, Callable[[], RecurrentNet]] = {
    "RNNLayer identity": lambda: RNNLayer(3, 2, "identity"),
    "RNN of two, identity": lambda: RNN(2, 3, 2, "identity"),
}
paths = pytest.mark.parametrize("return_states", [False, True], ids=["fused", "unrolled"])


@pytest.fixture(autouse=True)
def same_weights_each_time() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("with_state", [False, True], ids=["from zero", "from a state"])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@paths
def test_values_and_gradients_are_those_of_torch(
    build: Callable, return_states: bool, dtype: torch.dtype, error: float, with_state: bool
) -> None:
    check_against_torch(build(), return_states, dtype, error, with_state)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (3, 4)])
@pytest.mark.parametrize("build", (BUILDERS | LINEAR).values(), ids=BUILDERS | LINEAR)
@paths
def test_values_and_gradients_are_those_of_the_equations(
    build: Callable, return_states: bool, shape: tuple[int, int]
) -> None:
    check_against_equations(build(), return_states, shape)


def test_random_sizes_agree_with_the_equations() -> None:
    check_random_sizes(RNN)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@paths
def test_a_linear_layer_has_the_values_of_the_recurrence_by_hand(return_states: bool, dtype: torch.dtype) -> None:
    layer = RNNLayer(2, 3, "identity").to(dtype)
    assert sum(parameter.numel() for parameter in layer.parameters()) == 18  # 3·2 + 3·3 + 3
    for parameter in layer.parameters():
        nn.init.constant_(parameter, -0.1)
    first = [[0.1, 0.15], [0.2, 0.25], [0.3, 0.35], [0.4, 0.45]]
    second = [[-0.1, -1.5], [-0.2, -2.5], [-0.3, -3.5], [-0.4, -0.45]]
    outputs, last = layer(torch.tensor([first, second], dtype=dtype), return_states=return_states)[:2]
    # h_t = −0.1 (x_t1 + x_t2) − 0.3 h_{t−1} − 0.1, the same in all units
    by_hand = [[-0.125, -0.1075, -0.13275, -0.145175], [0.06, 0.152, 0.2344, -0.08532]]
    expected = torch.tensor(by_hand, dtype=dtype)[:, :, None].expand(2, 4, 3)
    assert_close(outputs, expected, rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-15)
    assert torch.equal(last, outputs[:, -1])


@pytest.mark.parametrize("kind", [RNNLayer, RNN])
@pytest.mark.parametrize("nonlinearity", ["sigmoid", "Tanh", ""])
def test_unknown_nonlinearities_are_refused(kind: type[RecurrentNet], nonlinearity: str) -> None:
    message = f'nonlinearity must be "tanh", "relu" or "identity", but it is "{nonlinearity}"'
    with pytest.raises(ValueError, match=message):
        kind(2, 3, nonlinearity=nonlinearity)
