"""Gated recurrent units against torch's own, and against their equations written out gate by gate."""

import math
import pickle
from collections.abc import Callable

import pytest
import torch
from recurrent_twins import check_against_equations, check_against_torch, check_random_sizes, torch_twin, weighted_sum
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
    check_against_torch(build(), return_states, dtype, error, with_state)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (3, 4)])
@builders
@paths
def test_values_and_gradients_are_those_of_the_equations(
    build: Callable, return_states: bool, shape: tuple[int, int]
) -> None:
    check_against_equations(build(), return_states, shape)


def test_random_sizes_agree_with_the_equations() -> None:
    check_random_sizes(GRU)


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


def test_lengths_beyond_the_steps_are_refused() -> None:
    for net in (GRULayer(2, 3), GRU(2, 3, 2)):
        with pytest.raises(ValueError, match=r"lengths must be in 1 … 5, .* one is 6"):
            net(torch.zeros(4, 5, 2), lengths=[1, 5, 6, 2])
