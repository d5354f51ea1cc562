"""Long short-term memory against torch's own, and against its equations written out gate by gate."""

from collections.abc import Callable

import pytest
import torch
from recurrent_twins import check_against_equations, check_against_torch, check_random_sizes

from nets import LSTM, LSTMLayer
from nets.recurrent import RecurrentNet

BUILDERS: dict[str, Callable[[], RecurrentNet]] = {
    "LSTMLayer": lambda: LSTMLayer(2, 3),
    "LSTM": lambda: LSTM(3, 2),
    "LSTM of two": lambda: LSTM(2, 3, 2),
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
@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@paths
def test_values_and_gradients_are_those_of_the_equations(
    build: Callable, return_states: bool, shape: tuple[int, int]
) -> None:
    check_against_equations(build(), return_states, shape)


def test_random_sizes_agree_with_the_equations() -> None:
    check_random_sizes(LSTM)
