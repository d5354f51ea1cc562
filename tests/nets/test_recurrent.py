"""Recurrent networks against torch's own, and against their equations written out gate by gate."""

import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nets import LSTM, RNN, LSTMLayer, RNNLayer
from nets.recurrent import RecurrentNet

BUILDERS: dict[str, Callable[[], RecurrentNet]] = {
    "RNNLayer tanh": lambda: RNNLayer(2, 3),
    "RNNLayer relu": lambda: RNNLayer(4, 3, "relu"),
    "LSTMLayer": lambda: LSTMLayer(2, 3),
    "RNN": lambda: RNN(2, 3),
    "RNN of two": lambda: RNN(3, 4, 2),
    "RNN of two, relu": lambda: RNN(2, 3, 2, "relu"),
    "LSTM": lambda: LSTM(3, 2),
    "LSTM of two": lambda: LSTM(2, 3, 2),
}
LINEAR: dict[str, Callable[[], RecurrentNet]] = {
    "RNNLayer identity": lambda: RNNLayer(3, 2, "identity"),
    "RNN of two, identity": lambda: RNN(2, 3, 2, "identity"),
}
SCALARS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
    "relu": lambda x: x.clamp(min=0),
    "identity": lambda x: x,
}
paths = pytest.mark.parametrize("return_states", [False, True], ids=["fused", "unrolled"])


@pytest.fixture(autouse=True)
def same_weights_each_time() -> None:
    torch.manual_seed(0)


def random_state(net: RecurrentNet, batch_size: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """h_0, or (h_0, c_0), in the shape that the net takes."""
    layers = net.recurrent_layers
    shape = (batch_size, layers[0].hidden_size)
    shape = shape if layers[0] is net else (len(layers), *shape)
    return tuple(torch.randn(shape, dtype=dtype, requires_grad=True) for _ in net.state_names)


def torch_twin(net: RecurrentNet) -> tuple[nn.RNNBase, list[Tensor]]:
    """torch's network of the same weights, the second bias 0, and its parameters in the order of ours."""
    layers, first = net.recurrent_layers, net.recurrent_layers[0]
    options = {"num_layers": len(layers), "batch_first": True, "dtype": first.bias.dtype}
    kind = nn.LSTM if isinstance(first, LSTMLayer) else nn.RNN
    options |= {} if kind is nn.LSTM else {"nonlinearity": first.nonlinearity}
    twin = kind(first.input_size, first.hidden_size, **options)
    parameters = [
        getattr(twin, f"{name}_l{n}") for n in range(len(layers)) for name in ("weight_ih", "weight_hh", "bias_ih")
    ]
    with torch.no_grad():
        for theirs, ours in zip(parameters, net.parameters(), strict=True):
            theirs.copy_(ours)
        for n in range(len(layers)):
            getattr(twin, f"bias_hh_l{n}").zero_()
    return twin, parameters


def naive(net: RecurrentNet, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The equations step by step and gate by gate: all h of the last layer, and the last states (L, B, H)."""
    last = []
    for number, layer in enumerate(net.recurrent_layers):
        h, c = state[0][number], state[-1][number]
        outputs = []
        for x_t in x.unbind(1):
            z = [
                x_t @ w_x.T + h @ w_h.T + b
                for w_x, w_h, b in zip(
                    *(weight.split(layer.hidden_size) for weight in (layer.weight_ih, layer.weight_hh, layer.bias)),
                    strict=True,
                )
            ]
            if isinstance(layer, LSTMLayer):
                i, f, o = (1 / (1 + (-z[gate]).exp()) for gate in (0, 1, 3))
                c = f * c + i * SCALARS["tanh"](z[2])
                h = o * SCALARS["tanh"](c)
            else:
                h = SCALARS[layer.nonlinearity](z[0])
            outputs.append(h)
        x = torch.stack(outputs, dim=1)
        last.append((h, c)[: len(net.state_names)])
    return x, tuple(torch.stack(parts) for parts in zip(*last, strict=True))


def as_tuple(state: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (state,) if isinstance(state, Tensor) else state


def weighted_sum(values: tuple[Tensor, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return sum((value * torch.randn(value.shape, generator=generator, dtype=value.dtype)).sum() for value in values)


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


@pytest.mark.parametrize("with_state", [False, True], ids=["from zero", "from a state"])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
@paths
def test_values_and_gradients_are_those_of_torch(
    build: Callable, return_states: bool, dtype: torch.dtype, error: float, with_state: bool
) -> None:
    net = build().to(dtype)
    twin, parameters = torch_twin(net)
    x = torch.randn(4, 5, net.input_size, dtype=dtype, requires_grad=True)
    state = random_state(net, 4, dtype) if with_state else ()
    argument = (state if len(state) == 2 else state[0]) if with_state else None
    outputs, last = net(x, argument, return_states=return_states)[:2]
    theirs = tuple(part.view(-1, 4, part.shape[-1]) for part in state)
    expected, expected_last = twin(x, (theirs if len(theirs) == 2 else theirs[0]) if with_state else None)

    assert type(last) is type(expected_last)
    values = (outputs, *as_tuple(last))
    expected = (expected, *(part.view(values[1].shape) for part in as_tuple(expected_last)))
    assert_close(values, expected, rtol=error, atol=error)
    gradients = torch.autograd.grad(weighted_sum(values), (*net.parameters(), x, *state))
    assert all(gradient.any() for gradient in gradients)
    assert_close(
        gradients, torch.autograd.grad(weighted_sum(expected), (*parameters, x, *state)), rtol=error, atol=error
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (3, 4)])
@pytest.mark.parametrize("build", (BUILDERS | LINEAR).values(), ids=BUILDERS | LINEAR)
@paths
def test_values_and_gradients_are_those_of_the_equations(
    build: Callable, return_states: bool, shape: tuple[int, int]
) -> None:
    net = build().double()
    x = torch.randn(*shape, net.input_size, dtype=torch.float64, requires_grad=True)
    state = random_state(net, len(x), torch.float64)
    outputs, last = net(x, list(state), return_states=return_states)[:2]
    values = (outputs, *as_tuple(last))
    hidden_size = net.recurrent_layers[0].hidden_size
    expected, expected_last = naive(net, x, tuple(part.view(-1, len(x), hidden_size) for part in state))
    expected = (expected, *(part.view(state[0].shape) for part in expected_last))
    assert outputs.shape == (*shape, hidden_size)
    assert_close(values, expected, rtol=0, atol=1e-13)
    wrt = (*net.parameters(), x, *state)
    gradients, expected_gradients = (torch.autograd.grad(weighted_sum(each), wrt) for each in (values, expected))
    assert_close(gradients, expected_gradients, rtol=1e-12, atol=1e-12)


def test_random_sizes_agree_with_the_equations() -> None:
    for _ in range(20):
        batch, time, width, hidden, layers = torch.randint(1, 6, (5,)).tolist()
        for net in (RNN(width, hidden, layers), LSTM(width, hidden, layers)):
            net.double()
            x = torch.randn(batch, time, width, dtype=torch.float64)
            zeros = (x.new_zeros(layers, batch, hidden),) * len(net.state_names)
            expected, expected_last = naive(net, x, zeros)
            for return_states in (False, True):
                outputs, last = net(x, return_states=return_states)[:2]
                assert_close(outputs, expected, rtol=0, atol=1e-14)
                assert_close(as_tuple(last), expected_last, rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    "net", [RNN(40, 64, 2), LSTM(40, 64, 2), RNNLayer(40, 64), LSTMLayer(40, 64)], ids=lambda net: type(net).__name__
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
@pytest.mark.parametrize(
    ("kind", "blocks"),
    [(RNNLayer, 1), (LSTMLayer, 4), (RNN, 1), (LSTM, 4)],
    ids=["RNNLayer", "LSTMLayer", "RNN", "LSTM"],
)
def test_with_a_gain_every_block_starts_as_an_orthogonal_matrix_times_it(
    kind: type[RecurrentNet], blocks: int, gain: float
) -> None:
    options = {"num_layers": 2} if kind in (RNN, LSTM) else {}
    net = kind(3, 5, recurrent_gain=gain, **options).double()
    for layer in net.recurrent_layers:
        layer.reset_parameters()
        assert layer.recurrent_gain == gain
        for weight, value in ((layer.weight_hh, gain), (layer.weight_ih, 1)):
            parts = weight.split(5)
            assert len(parts) == blocks
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
    net = RNN(2, 3, 4, "relu", 0.5)
    assert (net.input_size, net.hidden_size, net.num_layers, len(net.recurrent_layers)) == (2, 3, 4, 4)
    assert {(layer.nonlinearity, layer.recurrent_gain) for layer in net.recurrent_layers} == {("relu", 0.5)}


@pytest.mark.parametrize("build", (BUILDERS | LINEAR).values(), ids=BUILDERS | LINEAR)
def test_a_state_dict_or_a_pickle_gives_the_same_network(build: Callable) -> None:
    net, other = build(), build()
    x = torch.randn(2, 3, net.input_size)
    assert not torch.equal(other(x)[0], net(x)[0])
    other.load_state_dict(net.state_dict())
    for copy in (other, pickle.loads(pickle.dumps(net))):
        assert torch.equal(copy(x)[0], net(x)[0])


@pytest.mark.parametrize("build", (BUILDERS | LINEAR).values(), ids=BUILDERS | LINEAR)
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
@pytest.mark.parametrize("kind", [RNNLayer, LSTMLayer, RNN, LSTM])
@pytest.mark.parametrize("value", [0, -1])
def test_sizes_below_one_are_refused(kind: type[RecurrentNet], name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{name} must be at least 1, but it is {value}"):
        kind(**{"input_size": 2, "hidden_size": 3, name: value})


@pytest.mark.parametrize("kind", [RNN, LSTM])
@pytest.mark.parametrize("value", [0, -1])
def test_a_stack_without_layers_is_refused(kind: type[RecurrentNet], value: int) -> None:
    with pytest.raises(ValueError, match=f"num_layers must be at least 1, but it is {value}"):
        kind(2, 3, value)


@pytest.mark.parametrize("kind", [RNNLayer, LSTMLayer, RNN, LSTM])
@pytest.mark.parametrize("gain", [0, -0.5, float("nan")])
def test_gains_that_are_not_above_zero_are_refused(kind: type[RecurrentNet], gain: float) -> None:
    with pytest.raises(ValueError, match=f"recurrent_gain must be more than 0, or null in a file, but it is {gain}"):
        kind(2, 3, recurrent_gain=gain)


@pytest.mark.parametrize("kind", [RNNLayer, RNN])
@pytest.mark.parametrize("nonlinearity", ["sigmoid", "Tanh", ""])
def test_unknown_nonlinearities_are_refused(kind: type[RecurrentNet], nonlinearity: str) -> None:
    message = f'nonlinearity must be "tanh", "relu" or "identity", but it is "{nonlinearity}"'
    with pytest.raises(ValueError, match=message):
        kind(2, 3, nonlinearity=nonlinearity)


@pytest.mark.parametrize(
    ("net", "names", "shape"),
    [
        (RNNLayer(2, 3), "h_0", (4, 3)),
        (LSTMLayer(2, 3), "h_0 and c_0", (4, 3)),
        (RNN(2, 3, 2), "h_0", (2, 4, 3)),
        (LSTM(2, 3, 1), "h_0 and c_0", (1, 4, 3)),
    ],
    ids=["RNNLayer", "LSTMLayer", "RNN", "LSTM"],
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


@pytest.mark.parametrize("kind", [RNNLayer, LSTMLayer, RNN, LSTM])
@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 2), (1, 4, 5, 2), (2,), ()])
def test_inputs_of_another_width_or_number_of_dimensions_are_refused(kind: type[RecurrentNet], shape: tuple) -> None:
    shown = str(shape).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(ValueError, match=rf"must be \(batch, time, 2\) .*, but it is a tensor of the shape {shown}"):
        kind(2, 3)(torch.zeros(shape))


@pytest.mark.parametrize("kind", [RNNLayer, LSTMLayer, RNN, LSTM])
def test_inputs_without_steps_or_with_nan_are_refused(kind: type[RecurrentNet]) -> None:
    net, x = kind(2, 3), torch.zeros(4, 5, 2)
    with pytest.raises(ValueError, match=r"must have at least one step, but the input is a tensor of .* \(4, 0, 2\)"):
        net(x[:, :0])
    x[1, 3, 0] = x[2, 0, 1] = torch.nan
    with pytest.raises(ValueError, match=r"2 of them are NaN, the first at sample 1, step 3, column 0"):
        net(x)
