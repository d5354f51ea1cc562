"""Recurrent networks by other means: torch's own of the same weights, and the equations written out gate by gate."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nets import GRULayer, LSTMLayer
from nets.recurrent import RecurrentLayer, RecurrentNet

SCALARS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
    "relu": lambda x: x.clamp(min=0),
    "identity": lambda x: x,
}


def sigmoid(x: Tensor) -> Tensor:
    return 1 / (1 + (-x).exp())


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
    kind = {LSTMLayer: nn.LSTM, GRULayer: nn.GRU}.get(type(first), nn.RNN)
    options |= {"nonlinearity": first.nonlinearity} if kind is nn.RNN else {}
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


def naive_step(layer: RecurrentLayer, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    """h and c after one step; c stays as it is where the layer has none."""
    from_x = [x @ weight.T + b for weight, b in zip(*parts(layer, "weight_ih", "bias"), strict=True)]
    from_h = [h @ weight.T for (weight,) in zip(*parts(layer, "weight_hh"), strict=True)]
    if isinstance(layer, GRULayer):
        r, z = (sigmoid(from_x[gate] + from_h[gate]) for gate in (0, 1))
        return (1 - z) * SCALARS["tanh"](from_x[2] + r * from_h[2]) + z * h, c
    if isinstance(layer, LSTMLayer):
        i, f, o = (sigmoid(from_x[gate] + from_h[gate]) for gate in (0, 1, 3))
        c = f * c + i * SCALARS["tanh"](from_x[2] + from_h[2])
        return o * SCALARS["tanh"](c), c
    return SCALARS[layer.nonlinearity](from_x[0] + from_h[0]), c


def parts(layer: RecurrentLayer, *names: str) -> list[tuple[Tensor, ...]]:
    return [getattr(layer, name).split(layer.hidden_size) for name in names]


def naive(net: RecurrentNet, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The equations step by step: all h of the last layer, and the last states (L, B, H)."""
    last = []
    for number, layer in enumerate(net.recurrent_layers):
        h, c = state[0][number], state[-1][number]
        outputs = []
        for x_t in x.unbind(1):
            h, c = naive_step(layer, x_t, h, c)
            outputs.append(h)
        x = torch.stack(outputs, dim=1)
        last.append((h, c)[: len(net.state_names)])
    return x, tuple(torch.stack(layers) for layers in zip(*last, strict=True))


def as_tuple(state: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (state,) if isinstance(state, Tensor) else state


def weighted_sum(values: tuple[Tensor, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return sum((value * torch.randn(value.shape, generator=generator, dtype=value.dtype)).sum() for value in values)


def check_against_torch(
    net: RecurrentNet, return_states: bool, dtype: torch.dtype, error: float, with_state: bool
) -> None:
    """Values, last state and the gradients of all weights, inputs and states are those of torch's network."""
    net.to(dtype)
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
    expected_gradients = torch.autograd.grad(weighted_sum(expected), (*parameters, x, *state))
    assert_close(gradients, expected_gradients, rtol=error, atol=error)


def check_against_equations(net: RecurrentNet, return_states: bool, shape: tuple[int, int]) -> None:
    """Values, last state and all gradients are those of the equations, for ``shape`` = sequences and steps."""
    net.double()
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


def check_random_sizes(kind: type[RecurrentNet]) -> None:
    """Twenty stacks of random sizes agree with the equations on both ways through them."""
    for _ in range(20):
        batch, time, width, hidden, layers = torch.randint(1, 6, (5,)).tolist()
        net = kind(width, hidden, layers).double()
        x, state = torch.randn(batch, time, width, dtype=torch.float64), random_state(net, batch, torch.float64)
        expected = naive(net, x, state)
        for return_states in (False, True):
            outputs, last = net(x, state, return_states=return_states)[:2]
            assert_close((outputs, as_tuple(last)), expected, rtol=0, atol=1e-14)
