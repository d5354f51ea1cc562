"""Gated recurrent units against torch's own, and against their equations written out gate by gate."""

import math
import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.testing import assert_close

from nets import GRU, GRULayer
from nets.recurrent import RecurrentNet
from nets.unroll import States

BUILDERS: dict[str, Callable[[], RecurrentNet]] = {
    "GRULayer": lambda: GRULayer(2, 3),
    "GRU": lambda: GRU(3, 2),
    "GRU of two": lambda: GRU(2, 3, 2),
    "GRU of three with a gain": lambda: GRU(4, 3, 3, 1.2),
}
LENGTHS = {"unsorted": [3, 5, 1, 4, 3], "descending": [5, 4, 4, 1], "equal": [4, 4], "of one step": [1, 1, 1]}
builders = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
paths = pytest.mark.parametrize("return_states", [False, True], ids=["fused", "unrolled"])
with_state = pytest.mark.parametrize("with_state", [False, True], ids=["from zero", "from a state"])


@pytest.fixture(autouse=True)
def same_weights_each_time() -> None:
    torch.manual_seed(0)


def state_shape(net: RecurrentNet, batch_size: int) -> tuple[int, ...]:
    layers = net.recurrent_layers
    return (len(layers), batch_size, layers[0].hidden_size)[layers[0] is net :]


def torch_twin(net: RecurrentNet) -> tuple[nn.GRU, list[Tensor]]:
    """torch's network of the same weights, the second bias 0, and its parameters in the order of ours."""
    layers = net.recurrent_layers
    options = {"num_layers": len(layers), "batch_first": True, "dtype": layers[0].bias.dtype}
    twin = nn.GRU(layers[0].input_size, layers[0].hidden_size, **options)
    ours = [value for layer in layers for value in (layer.weight_ih, layer.weight_hh, layer.bias)]
    names = [f"{name}_l{n}" for n in range(len(layers)) for name in ("weight_ih", "weight_hh", "bias_ih")]
    values = dict(zip(names, ours, strict=True))
    twin.load_state_dict({name: values.get(name, torch.zeros_like(part)) for name, part in twin.named_parameters()})
    return twin, [twin.get_parameter(name) for name in names]


def naive(net: RecurrentNet, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """The equations step by step and gate by gate: all h of the last layer, and the last h (L, B, H)."""
    last = []
    for layer, h in zip(net.recurrent_layers, state, strict=True):
        x_r, x_z, x_n = layer.weight_ih.split(layer.hidden_size)
        h_r, h_z, h_n = layer.weight_hh.split(layer.hidden_size)
        b_r, b_z, b_n = layer.bias.split(layer.hidden_size)
        outputs = []
        for x_t in x.unbind(1):
            r = 1 / (1 + (-(x_t @ x_r.T + h @ h_r.T + b_r)).exp())
            z = 1 / (1 + (-(x_t @ x_z.T + h @ h_z.T + b_z)).exp())
            n = (x_t @ x_n.T + b_n + r * (h @ h_n.T)).tanh()
            h = (1 - z) * n + z * h
            outputs.append(h)
        x = torch.stack(outputs, dim=1)
        last.append(h)
    return x, torch.stack(last)


def weighted_sum(values: tuple[Tensor, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return sum((value * torch.randn(value.shape, generator=generator, dtype=value.dtype)).sum() for value in values)


@paths
def test_a_layer_of_one_unit_has_the_values_by_hand(return_states: bool) -> None:
    layer = GRULayer(1, 1).double()
    with torch.no_grad():  # r = 1/4 and z = 3/4 at every step
        layer.weight_ih.copy_(torch.tensor([[0.0], [0.0], [2.0]]))
        layer.weight_hh.copy_(torch.tensor([[0.0], [0.0], [4.0]]))
        layer.bias.copy_(torch.tensor([-math.log(3), math.log(3), 0.1], dtype=torch.float64))
    x, state = torch.tensor([[[0.2], [-0.3]]], dtype=torch.float64), torch.tensor([[0.5]], dtype=torch.float64)
    outputs, last = layer(x, state, return_states=return_states)[:2]
    # tanh(0.4 + 0.1 + 1/4 · 4 · 0.5) / 4 + 3/4 · 0.5, then tanh(−0.6 + 0.1 + 0.5653985) / 4 + 3/4 · 0.5653985
    assert outputs.flatten().tolist() == pytest.approx([0.5653985389889412, 0.4403752698369161], abs=1e-15)
    assert torch.equal(last, outputs[:, -1])


@with_state
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-14)])
@builders
@paths
def test_values_and_gradients_are_those_of_torch(
    build: Callable, return_states: bool, dtype: torch.dtype, error: float, with_state: bool
) -> None:
    net = build().to(dtype)
    twin, parameters = torch_twin(net)
    x = torch.randn(4, 5, net.input_size, dtype=dtype, requires_grad=True)
    shape = state_shape(net, 4)
    state = torch.randn(shape, dtype=dtype, requires_grad=True) if with_state else None
    values = net(x, state, return_states=return_states)[:2]
    expected, expected_last = twin(x, state.view(-1, *shape[-2:]) if with_state else None)
    expected = (expected, expected_last.view(shape))
    assert_close(values, expected, rtol=error, atol=error)
    ours, theirs = (
        torch.autograd.grad(weighted_sum(each), (*of, x, *([state] if with_state else [])))
        for each, of in ((values, net.parameters()), (expected, parameters))
    )
    assert all(gradient.any() for gradient in ours)
    assert_close(ours, theirs, rtol=10 * error, atol=10 * error)


@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@builders
@paths
def test_sequences_of_many_lengths_have_the_values_and_gradients_of_torch(
    build: Callable, lengths: list[int], packed: bool, return_states: bool
) -> None:
    net = build().double()
    twin, parameters = torch_twin(net)
    steps = max(lengths) + (0 if packed else 2)
    x = torch.randn(len(lengths), steps, net.input_size, dtype=torch.float64, requires_grad=True)
    state = torch.randn(state_shape(net, len(lengths)), dtype=torch.float64, requires_grad=True)
    batch = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    expected, expected_last = twin(batch, state.view(-1, *state.shape[-2:]))
    expected, _ = pad_packed_sequence(expected, batch_first=True, total_length=steps)
    if packed:
        outputs, last = net(batch, state, return_states=return_states)[:2]
        assert isinstance(outputs, PackedSequence) and torch.equal(outputs.batch_sizes, batch.batch_sizes)
        outputs, _ = pad_packed_sequence(outputs, batch_first=True)
    else:
        outputs, last = net(x, state, lengths, return_states)[:2]
    values, expected = (outputs, last), (expected, expected_last.view(state.shape))
    assert_close(values, expected, rtol=0, atol=1e-13)
    ours = torch.autograd.grad(weighted_sum(values), (*net.parameters(), x, state), retain_graph=True)
    assert_close(ours, torch.autograd.grad(weighted_sum(expected), (*parameters, x, state)), rtol=1e-12, atol=1e-12)


@paths
def test_random_sizes_agree_with_the_equations(return_states: bool) -> None:
    for _ in range(20):
        batch, time, width, hidden, layers = torch.randint(1, 6, (5,)).tolist()
        net = GRU(width, hidden, layers).double()
        x = torch.randn(batch, time, width, dtype=torch.float64)
        state = torch.randn(layers, batch, hidden, dtype=torch.float64)
        values = net(x, state, return_states=return_states)[:2]
        assert_close(values, naive(net, x, state), rtol=0, atol=1e-14)
        assert values[0].shape == (batch, time, hidden) and values[1].shape == (layers, batch, hidden)


@builders
def test_gradients_with_respect_to_the_states_come_back_through_time(build: Callable) -> None:
    net = build().double()
    outputs, last, states = net(torch.randn(4, 5, net.input_size, dtype=torch.float64), return_states=True)
    states = [states] if isinstance(states, States) else states
    assert len(states) == len(net.recurrent_layers) and outputs is states[-1].outputs
    assert_close(last.view(-1, *last.shape[-2:]), torch.stack([layer.hidden[-1] for layer in states]), rtol=0, atol=0)
    for layer in states:
        assert layer.cell == () and len(layer.hidden) == 5
        assert torch.equal(torch.stack(layer.hidden, dim=1), layer.outputs)
    *gradients, direct = torch.autograd.grad(outputs[:, -1].sum(), (*states[-1].hidden, states[-1].outputs))
    assert torch.equal(gradients[-1], torch.ones_like(gradients[-1]))
    assert not direct[:, :-1].any() and all(gradient.abs().max() > 1e-4 for gradient in gradients)


@builders
def test_only_when_states_are_asked_for_are_the_layers_unrolled(
    build: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, calls = build(), []
    for layer in net.recurrent_layers:
        step = layer.step
        monkeypatch.setattr(layer, "step", lambda *parts, step=step: calls.append(1) or step(*parts))
    net(torch.randn(3, 4, net.input_size))
    assert not calls
    net(torch.randn(3, 4, net.input_size), return_states=True)
    assert len(calls) == 4 * len(net.recurrent_layers)


@builders
def test_both_ways_run_and_agree_in_mixed_precision(build: Callable) -> None:
    net = build()
    x = torch.randn(3, 4, net.input_size)
    with torch.autocast("cpu", torch.bfloat16):
        fused, unrolled = (net(x, lengths=[2, 4, 3], return_states=each)[:2] for each in (False, True))
    assert_close(fused, unrolled, rtol=2**-7, atol=2**-7)
    assert_close(fused[0].float(), net(x, lengths=[2, 4, 3])[0], rtol=0.05, atol=0.05)


@pytest.mark.parametrize("gain", [0.5, 1, 1.2])
@pytest.mark.parametrize("net", [GRULayer(3, 5), GRU(3, 5, 2)], ids=["GRULayer", "GRU"])
def test_with_a_gain_every_block_starts_as_an_orthogonal_matrix_times_it(net: RecurrentNet, gain: float) -> None:
    layers = {"num_layers": 2} if isinstance(net, GRU) else {}
    for layer in type(net)(3, 5, recurrent_gain=gain, **layers).recurrent_layers:
        assert layer.recurrent_gain == gain
        for weight, value in ((layer.weight_hh, gain), (layer.weight_ih, 1)):
            assert len(weight) == 15
            for block in weight.split(5):
                singular = torch.linalg.svdvals(block)
                assert_close(singular, torch.full_like(singular, value))
    assert all(layer.recurrent_gain is None for layer in net.recurrent_layers)
    assert torch.linalg.svdvals(net.recurrent_layers[0].weight_hh[:5]).std() > 0.01


def test_all_weights_start_uniform_within_one_over_the_root_of_the_hidden_size() -> None:
    for parameter in GRU(40, 64, 2).parameters():
        assert parameter.abs().max() <= 1 / 8 and parameter.std().item() == pytest.approx(1 / 8 / 3**0.5, rel=0.3)


def test_layers_are_named_by_number_and_only_the_lowest_reads_the_input() -> None:
    net = GRU(2, 3, 2)
    assert [(name, tuple(value.shape)) for name, value in net.state_dict().items()] == [
        ("recurrent_layers.0.weight_ih", (9, 2)),
        ("recurrent_layers.0.weight_hh", (9, 3)),
        ("recurrent_layers.0.bias", (9,)),
        ("recurrent_layers.1.weight_ih", (9, 3)),
        ("recurrent_layers.1.weight_hh", (9, 3)),
        ("recurrent_layers.1.bias", (9,)),
    ]
    assert (net.input_size, net.hidden_size, net.num_layers, net.state_names) == (2, 3, 2, ("h_0",))
    assert GRU(2, 3).num_layers == 1 and GRULayer.gate_names == ("reset", "update", "candidate")
    x = torch.randn(2, 3, 2)
    assert torch.equal(pickle.loads(pickle.dumps(net))(x)[0], net(x)[0])


@pytest.mark.parametrize("kind", [GRULayer, GRU])
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": 0}, "input_size must be at least 1, but it is 0"),
        ({"hidden_size": -1}, "hidden_size must be at least 1, but it is -1"),
        ({"recurrent_gain": 0.0}, "recurrent_gain must be more than 0, or null in a file, but it is 0"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_sizes_and_gains_out_of_range_are_refused(kind: type[RecurrentNet], arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**{"input_size": 2, "hidden_size": 3, **arguments})


def test_a_stack_without_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="num_layers must be at least 1, but it is 0"):
        GRU(2, 3, 0)


@pytest.mark.parametrize(("net", "shape"), [(GRULayer(2, 3), (4, 3)), (GRU(2, 3, 2), (2, 4, 3))], ids=["one", "two"])
def test_inputs_and_initial_states_of_another_form_are_refused(net: RecurrentNet, shape: tuple[int, ...]) -> None:
    x, right = torch.zeros(4, 5, 2), torch.zeros(shape)
    for state in (right[..., :2], right[None], (right, right), (), right[..., :1, :]):
        with pytest.raises(ValueError, match=rf"initial_state must be h_0 of the shape \({str(shape)[1:-1]}\), but"):
            net(x, state)
    with pytest.raises(ValueError, match=r"must be \(batch, time, 2\) .* a tensor of the shape \(4, 5, 3\)"):
        net(torch.zeros(4, 5, 3))
    with pytest.raises(ValueError, match="at least one step"):
        net(x[:, :0])
    with pytest.raises(ValueError, match=r"lengths must be in 1 … 5, .* one is 6"):
        net(x, lengths=[1, 5, 6, 2])
    with pytest.raises(ValueError, match="20 of them are NaN"):
        net(x.index_fill(2, torch.tensor([1]), torch.nan))
