"""What all recurrent layers and stacks share: their weights, their ways to be saved, and what they refuse."""

import pickle
from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from recurrent_twins import weighted_sum
from torch import Tensor, nn
from torch.testing import assert_close

from nets import GRU, LSTM, RNN, GRULayer, LSTMLayer, RNNLayer
from nets.recurrent import RecurrentNet

GATES = {RNNLayer: 1, LSTMLayer: 4, GRULayer: 3, RNN: 1, LSTM: 4, GRU: 3}

BUILDERS: dict[str, Callable[[], RecurrentNet]] = {
    "RNNLayer tanh": lambda: RNNLayer(2, 3),
    "RNNLayer relu": lambda: RNNLayer(4, 3, "relu"),
    "LSTMLayer": lambda: LSTMLayer(2, 3),
    "RNN": lambda: RNN(2, 3),
    "RNN of two": lambda: RNN(3, 4, 2),
    "RNN of two, relu": lambda: RNN(2, 3, 2, "relu"),
    "LSTM": lambda: LSTM(3, 2),
    "LSTM of two": lambda: LSTM(2, 3, 2),
    "GRULayer": lambda: GRULayer(2, 3),
    "GRU of three with a gain": lambda: GRU(4, 3, 3, 1.2),
    "RNNLayer identity": lambda: RNNLayer(3, 2, "identity"),
    "RNN of two, identity": lambda: RNN(2, 3, 2, "identity"),
}
paths = pytest.mark.parametrize("return_states", [False, True], ids=["fused", "unrolled"])


@pytest.fixture(autouse=True)
def same_weights_each_time() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize(
    "net",
    [RNN(40, 64, 2), LSTM(40, 64, 2), GRU(40, 64, 2), RNNLayer(40, 64), LSTMLayer(40, 64), GRULayer(40, 64)],
    ids=lambda net: type(net).__name__,
)
def test_all_weights_start_uniform_within_one_over_the_root_of_the_hidden_size(net: RecurrentNet) -> None:
    for layer in net.recurrent_layers:
        assert layer.recurrent_gain is None
        layer.reset_parameters()
        for name, parameter in layer.named_parameters():
            assert parameter.abs().max() <= 1 / 8, name  # 1/√64
            # 64 draws all miss the upper tenth of the range, or the lower, in 2 · 0.9^64 = 0.2 % of all seeds.
            assert parameter.max() > 0.8 / 8 and parameter.min() < -0.8 / 8, name
            assert parameter.std().item() == pytest.approx(1 / 8 / 3**0.5, rel=0.3), name
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    layer.reset_parameters()
    assert not any(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


@pytest.mark.parametrize("gain", [0.5, 1, 1.2])
@pytest.mark.parametrize(("kind", "gates"), GATES.items())
def test_with_a_gain_every_gate_starts_as_an_orthogonal_matrix_times_it(
    kind: type[RecurrentNet], gates: int, gain: float
) -> None:
    options = {"num_layers": 2} if kind in (RNN, LSTM, GRU) else {}
    net = kind(3, 5, recurrent_gain=gain, **options).double()
    for layer in net.recurrent_layers:
        layer.reset_parameters()
        assert layer.recurrent_gain == gain
        for weight, value in ((layer.weight_hh, gain), (layer.weight_ih, 1)):
            parts = weight.split(5)
            assert len(parts) == gates
            for part in parts:
                singular = torch.linalg.svdvals(part)
                assert_close(singular, torch.full_like(singular, value))
            assert not any(torch.equal(parts[0], part) for part in parts[1:])
        assert layer.bias.any() and layer.bias.abs().max() <= 5**-0.5


def test_layers_of_a_stack_are_named_by_number_and_only_the_lowest_reads_the_input() -> None:
    shapes = {name: tuple(value.shape) for name, value in LSTM(2, 3, 2).state_dict().items()}
    assert shapes == {
        "recurrent_layers.0.weight_ih": (12, 2),
        "recurrent_layers.0.weight_hh": (12, 3),
        "recurrent_layers.0.bias": (12,),
        "recurrent_layers.1.weight_ih": (12, 3),
        "recurrent_layers.1.weight_hh": (12, 3),
        "recurrent_layers.1.bias": (12,),
    }
    assert list(RNNLayer(2, 3).state_dict()) == ["weight_ih", "weight_hh", "bias"]
    assert {name: len(value) for name, value in GRU(2, 3).state_dict().items()} == {
        "recurrent_layers.0.weight_ih": 9,
        "recurrent_layers.0.weight_hh": 9,
        "recurrent_layers.0.bias": 9,
    }
    net = RNN(2, 3, 4, "relu", 0.5)
    assert (net.input_size, net.hidden_size, net.num_layers, len(net.recurrent_layers)) == (2, 3, 4, 4)
    assert {(layer.nonlinearity, layer.recurrent_gain) for layer in net.recurrent_layers} == {("relu", 0.5)}


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_a_state_dict_or_a_pickle_gives_the_same_network(build: Callable) -> None:
    net, other = build(), build()
    x = torch.randn(2, 3, net.input_size)
    assert not torch.equal(other(x)[0], net(x)[0])
    other.load_state_dict(net.state_dict())
    for copy in (other, pickle.loads(pickle.dumps(net)), deepcopy(net)):
        assert torch.equal(copy(x)[0], net(x)[0])


def former(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.replace("weight_ih", "weight_x").replace("weight_hh", "weight_h"): value for name, value in state.items()
    }


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_weights_are_loaded_by_their_former_names_too(build: Callable) -> None:
    net, other = nn.Sequential(build()), nn.Sequential(deepcopy(build()))
    saved = former(net.state_dict())
    assert not saved.keys() & {name for name, _ in net.named_parameters() if "bias" not in name}
    names = list(saved)
    other.load_state_dict(saved)
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in other.state_dict().items())
    assert list(saved) == names and list(other.state_dict()) == list(net.state_dict())
    del saved[names[1]]
    with pytest.raises(
        RuntimeError, match=rf"Missing key\(s\) in state_dict: \"{names[1].replace('weight_h', 'weight_hh')}\""
    ):
        other.load_state_dict(saved)


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@paths
def test_evaluation_and_no_grad_give_the_values_of_training(build: Callable, return_states: bool) -> None:
    net = build()
    x = torch.randn(2, 3, net.input_size, requires_grad=True)
    outputs = net(x, return_states=return_states)[0]
    evaluated = net.eval()(x, return_states=return_states)[0]
    assert torch.equal(evaluated, outputs)
    wrt = (*net.parameters(), x)
    assert_close(
        torch.autograd.grad(weighted_sum((evaluated,)), wrt), torch.autograd.grad(weighted_sum((outputs,)), wrt)
    )
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            without = net(x, return_states=return_states)[0]
        assert not without.requires_grad
        assert_close(without, outputs.detach(), rtol=0, atol=1e-6)  # torch may take another kernel where no gradient is


@pytest.mark.parametrize("name", ["input_size", "hidden_size"])
@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("value", [0, -1])
def test_sizes_below_one_are_refused(kind: type[RecurrentNet], name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, but it is {value}"):
        kind(**{"input_size": 2, "hidden_size": 3, name: value})


@pytest.mark.parametrize("kind", [RNN, LSTM, GRU])
@pytest.mark.parametrize("value", [0, -1])
def test_a_stack_without_layers_is_refused(kind: type[RecurrentNet], value: int) -> None:
    with pytest.raises(ValueError, match=f"num_layers must be at least 1, but it is {value}"):
        kind(2, 3, value)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("gain", [0, -0.5, float("nan")])
def test_gains_that_are_not_above_zero_are_refused(kind: type[RecurrentNet], gain: float) -> None:
    with pytest.raises(ValueError, match=f"recurrent_gain must be more than 0, or null in a file, but it is {gain}"):
        kind(2, 3, recurrent_gain=gain)


@pytest.mark.parametrize(
    ("net", "names", "shape"),
    [
        (RNNLayer(2, 3), "h_0", (4, 3)),
        (LSTMLayer(2, 3), "h_0 and c_0", (4, 3)),
        (RNN(2, 3, 2), "h_0", (2, 4, 3)),
        (LSTM(2, 3, 1), "h_0 and c_0", (1, 4, 3)),
        (GRULayer(2, 3), "h_0", (4, 3)),
        (GRU(2, 3, 2), "h_0", (2, 4, 3)),
    ],
    ids=["RNNLayer", "LSTMLayer", "RNN", "LSTM", "GRULayer", "GRU"],
)
def test_initial_states_of_another_shape_or_number_are_refused(net: RecurrentNet, names: str, shape: tuple) -> None:
    x, right = torch.zeros(4, 5, 2), torch.zeros(shape)
    count = len(net.state_names)
    wrong = [(torch.zeros(*shape[:-1], 2),) * count, (torch.zeros(*shape[:-2], 1, 3),) * count, (right[None],) * count]
    wrong += [(right,) * (3 - count), (right,) * 3, ()]
    if count == 2:
        wrong += [right, (right, right[..., :1])]
    expected = str(shape).replace("(", r"\(").replace(")", r"\)")
    for state in wrong:
        with pytest.raises(ValueError, match=f"initial_state must be {names} of the shape {expected}, but"):
            net(x, state)
    for state, shown in ((torch.zeros(7, 3), r"\(7, 3\)"), (["zeros"], "str"), ((), "empty")):
        with pytest.raises(ValueError, match=rf"of the shape {expected}, but it is {shown}\."):
            net(x, state)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 2), (1, 4, 5, 2), (2,), ()])
def test_inputs_of_another_width_or_number_of_dimensions_are_refused(kind: type[RecurrentNet], shape: tuple) -> None:
    shown = str(shape).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=rf"must be \(batch, time, 2\) .*, but it is a tensor of the shape {shown}"):
        kind(2, 3)(torch.zeros(shape))


@pytest.mark.parametrize("kind", GATES)
def test_inputs_without_steps_or_with_nan_are_refused(kind: type[RecurrentNet]) -> None:
    net, x = kind(2, 3), torch.zeros(4, 5, 2)
    with pytest.raises(ValueError, match=r"must have at least one step, but the input is a tensor of .* \(4, 0, 2\)"):
        net(x[:, :0])
    x[1, 3, 0] = x[2, 0, 1] = torch.nan
    with pytest.raises(ValueError, match=r"2 of them are NaN, the first at sample 1, step 3, column 0"):
        net(x)
