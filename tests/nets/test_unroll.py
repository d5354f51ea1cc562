"""Batches of sequences of many lengths against each sequence by itself, and gradients at every step."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence
from torch.testing import assert_close

from nets import LSTM, RNN, LSTMLayer, RNNLayer
from nets.recurrent import RecurrentNet
from nets.unroll import States, run_layers

BUILDERS: dict[str, Callable[[], RecurrentNet]] = {
    "RNNLayer": lambda: RNNLayer(2, 3),
    "RNNLayer identity": lambda: RNNLayer(2, 3, "identity"),
    "LSTMLayer": lambda: LSTMLayer(2, 3),
    "RNN of two": lambda: RNN(2, 3, 2),
    "RNN of two, relu": lambda: RNN(2, 3, 2, "relu"),
    "LSTM": lambda: LSTM(2, 3),
    "LSTM of two": lambda: LSTM(2, 3, 2),
}
WITH_CELLS = {name: BUILDERS[name] for name in ("RNNLayer", "LSTMLayer", "LSTM", "RNN of two", "LSTM of two")}
LENGTHS = {
    "unsorted": [3, 5, 1, 4, 3],
    "ascending": [1, 2, 4],
    "descending": [5, 4, 4, 1],
    "equal": [4, 4, 4],
    "of one step": [1, 1],
    "alone": [3],
}
FORMS = ["list", "tensor", "packed", "packed in order"]
paths = pytest.mark.parametrize("return_states", [False, True], ids=["fused", "unrolled"])
builders = pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
with_cells = pytest.mark.parametrize("build", WITH_CELLS.values(), ids=WITH_CELLS)


@pytest.fixture(autouse=True)
def same_weights_each_time() -> None:
    torch.manual_seed(0)


def as_tuple(state: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (state,) if isinstance(state, Tensor) else state


def weighted_sum(values: tuple[Tensor, ...]) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return sum((value * torch.randn(value.shape, generator=generator, dtype=value.dtype)).sum() for value in values)


def each_alone(net: RecurrentNet, x: Tensor, lengths: list[int], state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The outputs, 0 beyond the end, and the last states, of calls with one sequence of its own steps alone."""
    outputs, last = [], []
    for number, length in enumerate(lengths):
        own = [part[..., number : number + 1, :] for part in state]
        values, last_of_one = net(x[number : number + 1, :length], own)
        outputs.append(torch.cat([values[0], values.new_zeros(x.shape[1] - length, values.shape[2])]))
        last.append(as_tuple(last_of_one))
    return torch.stack(outputs), *(torch.cat(parts, dim=-2) for parts in zip(*last, strict=True))


def naive_layers(net: RecurrentNet, x: Tensor) -> list[tuple[Tensor, list[Tensor], list[Tensor]]]:
    """(outputs, hidden, cell) of each layer by torch's cells, each tensor keeping its gradient."""
    layers = []
    for layer in net.recurrent_layers:
        weights = (layer.weight_ih, layer.weight_hh, layer.bias, torch.zeros_like(layer.bias))
        h = c = x.new_zeros(len(x), layer.hidden_size)
        hidden, cell = [], []
        for x_t in x.unbind(1):
            if isinstance(layer, LSTMLayer):
                h, c = torch.lstm_cell(x_t, (h, c), *weights)
                cell.append(c)
            else:
                h = torch.rnn_tanh_cell(x_t, h, *weights)
            hidden.append(h)
        x = torch.stack(hidden, dim=1)
        for value in (x, *hidden, *cell):
            value.retain_grad()
        layers.append((x, hidden, cell))
    return layers


@builders
@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("form", FORMS)
@paths
def test_a_batch_gives_the_values_and_gradients_of_each_sequence_by_itself(
    build: Callable, lengths: list[int], form: str, return_states: bool
) -> None:
    net = build().double()
    lengths = sorted(lengths, reverse=True) if form == "packed in order" else lengths
    steps = max(lengths) if "packed" in form else max(lengths) + 2
    x = torch.randn(len(lengths), steps, 2, dtype=torch.float64).mul_(2).requires_grad_()
    shape = (len(net.recurrent_layers), len(lengths), 3)[net.recurrent_layers[0] is net :]
    state = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in net.state_names]
    if "packed" in form:
        batch = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=form != "packed")
        outputs, last = net(batch, state, return_states=return_states)[:2]
        assert isinstance(outputs, PackedSequence) and torch.equal(outputs.batch_sizes, batch.batch_sizes)
        for ours, theirs in zip(outputs[2:], batch[2:], strict=True):
            assert ours is theirs is None if form != "packed" else torch.equal(ours, theirs)
        outputs, ends = pad_packed_sequence(outputs, batch_first=True)
        assert ends.tolist() == lengths
    else:
        argument = lengths if form == "list" else torch.tensor(lengths)
        outputs, last = net(x, state, argument, return_states)[:2]
    values, expected = (outputs, *as_tuple(last)), each_alone(net, x, lengths, state)
    assert outputs.any() and not any(row[length:].any() for row, length in zip(outputs, lengths, strict=True))
    assert_close(values, expected, rtol=0, atol=1e-13)
    wrt = (*net.parameters(), x, *state)
    gradients, expected_gradients = (torch.autograd.grad(weighted_sum(each), wrt) for each in (values, expected))
    assert_close(gradients, expected_gradients, rtol=1e-12, atol=1e-12)


@builders
@paths
def test_full_lengths_change_nothing_and_what_is_beyond_the_end_is_not_read(
    build: Callable, return_states: bool
) -> None:
    net = build().double()
    x = torch.randn(3, 4, 2, dtype=torch.float64)
    outputs, last = net(x, return_states=return_states)[:2]
    with_lengths, last_with_lengths = net(x, lengths=[4, 4, 4], return_states=return_states)[:2]
    assert_close(with_lengths, outputs, rtol=0, atol=1e-15)
    assert_close(last_with_lengths, last, rtol=0, atol=1e-15)
    beyond = torch.tensor([[0, 0, 1, 1], [0, 0, 0, 0], [0, 1, 1, 1]], dtype=torch.bool)
    first, second = (
        net(x.masked_fill(beyond[:, :, None], value), lengths=[2, 4, 1], return_states=return_states)[0]
        for value in (0.0, torch.inf)
    )
    assert torch.equal(first, second)


@with_cells
def test_gradients_of_all_states_are_those_kept_by_a_plain_loop(build: Callable) -> None:
    net = build().double()
    x = torch.randn(4, 5, 2, dtype=torch.float64)
    outputs, last, states = net(x, return_states=True)
    assert isinstance(states, States if isinstance(net, RNNLayer | LSTMLayer) else list)
    states = [states] if isinstance(states, States) else states
    expected = naive_layers(net, x)
    assert len(states) == len(expected) and outputs is states[-1].outputs
    ends = [(layer[0][:, -1], *layer[2][-1:]) for layer in expected]
    expected_last = tuple(torch.stack(parts).view(as_tuple(last)[0].shape) for parts in zip(*ends, strict=True))
    loss = weighted_sum((outputs, *as_tuple(last)))
    weighted_sum((expected[-1][0], *expected_last)).backward()
    for layer, (direct, hidden, cell) in zip(states, expected, strict=True):
        assert isinstance(layer, States) and isinstance(layer.hidden, tuple) and isinstance(layer.cell, tuple)
        assert layer.outputs.shape == (4, 5, 3)
        assert (len(layer.hidden), len(layer.cell)) == (5, 5 if isinstance(net.recurrent_layers[0], LSTMLayer) else 0)
        ours, theirs = (layer.outputs, *layer.hidden, *layer.cell), (direct, *hidden, *cell)
        assert_close(ours, theirs, rtol=0, atol=1e-14)
        gradients = torch.autograd.grad(loss, ours, retain_graph=True)
        assert_close(gradients, tuple(value.grad for value in theirs), rtol=1e-12, atol=1e-13)
        through_time = torch.stack(gradients[1:6], dim=1) - gradients[0]
        assert through_time[:, :4].abs().amax((0, 2)).min() > 1e-3 and not through_time[:, 4].any()


@with_cells
@pytest.mark.parametrize("packed", [False, True], ids=["padded", "packed"])
def test_states_and_their_gradients_end_with_each_sequence(build: Callable, packed: bool) -> None:
    net, lengths, steps = build().double(), [3, 5, 1, 3], 5 if packed else 7
    x = torch.randn(4, steps, 2, dtype=torch.float64)
    if packed:
        batch = pack_padded_sequence(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
        outputs, _, states = net(batch, return_states=True)
        outputs, _ = pad_packed_sequence(outputs, batch_first=True)
    else:
        outputs, _, states = net(x, lengths=lengths, return_states=True)
    states = [states] if isinstance(states, States) else states
    weights = torch.randn(outputs.shape, dtype=torch.float64)
    loss = (outputs * weights).sum()
    gradients = [torch.autograd.grad(loss, (s.outputs, *s.hidden, *s.cell), retain_graph=True) for s in states]
    for row, length in enumerate(lengths):
        alone = naive_layers(net, x[row : row + 1, :length])
        (alone[-1][0] * weights[row, :length]).sum().backward()
        for layer, gradient, (direct, *kept) in zip(states, gradients, alone, strict=True):
            assert_close(layer.outputs[row, :length], direct[0])
            assert_close(gradient[0][row, :length], direct.grad[0])
            assert not gradient[0][row, length:].any() and not layer.outputs[row, length:].any()
            histories = (layer.hidden, layer.cell) if layer.cell else (layer.hidden,)
            for values, grads, own in zip(
                histories, (gradient[1 : 1 + steps], gradient[1 + steps :]), kept, strict=False
            ):
                assert len(values) == len(grads) == steps == layer.outputs.shape[1]
                assert_close([value[row] for value in values[:length]], [value[0] for value in own])
                assert_close([value[row] for value in grads[:length]], [value.grad[0] for value in own])
                assert not any(value[row].any() for value in (*values[length:], *grads[length:]))


@pytest.mark.parametrize("gain", [0.9, 1.0, 1.1])
def test_a_gradient_through_an_orthogonal_linear_layer_shrinks_by_the_gain_at_each_step(gain: float) -> None:
    layer = RNNLayer(2, 6, "identity").double()
    layer.recurrent_gain = gain
    layer.reset_parameters()
    outputs, _, states = layer(torch.randn(3, 31, 2, dtype=torch.float64), return_states=True)
    loss = outputs[:, -1].square().sum()
    norms = torch.stack(torch.autograd.grad(loss, states.hidden, retain_graph=True)).norm(dim=2)  # (T, B)
    decay = torch.tensor([gain ** (30 - step) for step in range(31)], dtype=torch.float64)
    assert_close(norms, decay[:, None] * 2 * outputs[:, -1].norm(dim=1), rtol=1e-12, atol=0)
    assert gain != 0.9 or decay[0].item() == pytest.approx(0.042391, abs=5e-7)
    direct = torch.autograd.grad(loss, states.outputs)[0]
    assert torch.equal(direct[:, -1], 2 * outputs[:, -1]) and not direct[:, :-1].any()


def refuse(*_: object) -> None:
    raise AssertionError("a loop over the steps")


@pytest.mark.parametrize("lengths", [None, [2, 4, 3]], ids=["full", "lengths"])
@builders
def test_a_loop_is_made_only_for_states_or_where_torch_has_no_kernel(
    build: Callable, lengths: list[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    net, x = build(), torch.randn(3, 4, 2)
    for layer in net.recurrent_layers:
        monkeypatch.setattr(layer, "step", refuse)
    if getattr(net, "nonlinearity", None) == "identity":
        with pytest.raises(AssertionError, match="a loop over the steps"):
            net(x, lengths=lengths)
    else:
        assert len(net(x, lengths=lengths)) == 2
    with pytest.raises(AssertionError, match="a loop over the steps"):
        net(x, lengths=lengths, return_states=True)


@pytest.mark.parametrize("lengths", [None, [2, 4, 3]], ids=["full", "lengths"])
@builders
def test_both_ways_run_and_agree_in_mixed_precision(build: Callable, lengths: list[int] | None) -> None:
    net, x = build(), torch.randn(3, 4, 2)
    exact = net(x, lengths=lengths)
    with torch.autocast("cpu", torch.bfloat16):
        fused, unrolled = (net(x, lengths=lengths, return_states=return_states) for return_states in (False, True))
    for ours, theirs, near in zip(*((run[0], *as_tuple(run[1])) for run in (fused, unrolled, exact)), strict=True):
        assert ours.dtype == theirs.dtype
        assert_close(ours, theirs, rtol=2**-7, atol=2**-7)  # a step of bfloat16 near 1
        assert_close(ours.float(), near, rtol=0.05, atol=0.05)
        assert not torch.equal(ours.float(), near)
    gradients = [torch.autograd.grad(run[0].float().sum(), tuple(net.parameters())) for run in (fused, exact)]
    assert_close(*gradients, rtol=0.1, atol=0.1)


@builders
@paths
@pytest.mark.parametrize("batch_size", [0, 1])
def test_batches_of_no_sequence_or_one_keep_their_shapes(build: Callable, return_states: bool, batch_size: int) -> None:
    net = build()
    outputs, last, *rest = net(torch.randn(batch_size, 4, 2), return_states=return_states)
    assert outputs.shape == (batch_size, 4, 3)
    layers = (len(net.recurrent_layers),)[net.recurrent_layers[0] is net :]
    assert [part.shape for part in as_tuple(last)] == [(*layers, batch_size, 3)] * len(net.state_names)
    assert len(rest) == return_states
    weighted_sum((outputs,)).backward()
    assert all(parameter.grad.any() == (batch_size > 0) for parameter in net.parameters())


def test_running_layers_gives_the_state_of_each_and_no_states_unless_asked_for() -> None:
    layers = [RNNLayer(2, 3), RNNLayer(3, 3)]
    x, state = torch.randn(4, 5, 2), (torch.randn(2, 4, 3),)
    outputs, last, states = run_layers(layers, x, state, None, False)
    assert (outputs.shape, last[0].shape, len(last), states) == ((4, 5, 3), (2, 4, 3), 1, [])
    lower, last_of_lower = layers[0](x, state[0][0])
    upper, last_of_upper = layers[1](lower, state[0][1])
    assert_close(outputs, upper)
    assert_close(last[0], torch.stack([last_of_lower, last_of_upper]))
    _, _, states = run_layers(layers, x, state, None, True)
    assert_close([layer.outputs for layer in states], [lower, upper])


@paths
@pytest.mark.parametrize("build", [BUILDERS["RNN of two"], BUILDERS["LSTM"]])
def test_nan_in_the_padding_is_no_part_of_the_batch(build: Callable[[], RecurrentNet], return_states: bool) -> None:
    net, x = build(), torch.randn(2, 4, 2)
    x[1, 2:] = torch.nan
    outputs, *_ = net(x, lengths=[4, 2], return_states=return_states)
    assert_close(outputs, net(x.nan_to_num(5.0), lengths=[4, 2])[0])
    with pytest.raises(ValueError, match="2 of them are NaN, the first at sample 1, step 2, column 0"):
        net(x, lengths=[4, 3], return_states=return_states)
