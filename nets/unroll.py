"""Run recurrent layers over the steps of sequences: by torch's fused kernel, or unrolled step by step.

Letters: B batch, T time, I input size, H hidden size, G gates of H rows, L layers.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from nets.sequences import check_numbers, pack, repack

State = tuple[Tensor, ...]  # h, or h and c


class States(NamedTuple):
    """A layer's states at every step, kept in the autograd graph so that gradients with respect to each can be taken.

    Args:
        outputs: all h_t as one tensor (B, T, H), the one that the next layer and the loss read: the gradient with
            respect to it is what comes from there alone, that of ``hidden[t]`` also what comes back through time.
        hidden: h_1 … h_T, each (B, H); 0 beyond the end of a sequence.
        cell: c_1 … c_T of an LSTM, each (B, H), 0 beyond the end; empty in other layers.
    """

    outputs: Tensor
    hidden: tuple[Tensor, ...]
    cell: tuple[Tensor, ...] = ()


class StepLayer(Protocol):
    """What ``run_layers`` needs of a layer, such as a ``nets.recurrent.RecurrentLayer``."""

    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias: nn.Parameter
    kernel: Callable[..., Any] | None

    def step(self, projected: Tensor, state: State, weight_hh: Tensor) -> State:
        """One step, from W^x x_t + b (B, GH), the state before it and the transpose of W^h (H, GH).

        Shapes:
            projected (B, GH), each of the state (B, H), weight_hh (H, GH) -> each of the next state (B, H)
        """
        ...


def run_layers(
    layers: Sequence[StepLayer],
    x: Tensor | PackedSequence,
    state: State,
    lengths: Tensor | Sequence[int] | None,
    return_states: bool,
) -> tuple[Tensor | PackedSequence, State, list[States]]:
    """Run layers of one kind, each on what the one below it gives.

    Args:
        layers: the layers, lowest first.
        x: sequences, padded or packed.
        state: h_0, or (h_0, c_0), of every layer.
        lengths: steps of each sequence, in 1 … T; None where ``x`` is packed or all have T.
        return_states: go step by step, and give the states of every layer.

    Shapes:
        x (B, T, I) or packed, each of the state (L, B, H) -> all h of the last layer, (B, T, H) or packed as ``x`` is;
        the last state, each (L, B, H); the states, or an empty list

    Raises:
        ValueError: see ``pack`` and ``check_numbers``.
    """
    packed = pack(x, lengths)
    check_numbers(x if packed is None else packed)
    outputs: Tensor | PackedSequence
    states: list[States] = []
    if not return_states and _has_kernel(layers[0], x.data):
        # torch.compile cannot trace the LSTM's kernel; asked only then, since it takes a second to import.
        call = torch.compiler.disable(_call_kernel) if torch.compiler.is_compiling() else _call_kernel
        outputs, last = call(layers, x if packed is None else packed, state)
    elif packed is None:
        outputs, last, states = _unroll(layers, cast(Tensor, x), state, None)
    else:
        total_length = None if isinstance(x, PackedSequence) else x.shape[1]
        padded, steps = pad_packed_sequence(packed, batch_first=True, total_length=total_length)
        unrolled, last, states = _unroll(layers, padded, state, steps)
        outputs = repack(unrolled, steps, packed)
    if isinstance(outputs, PackedSequence) and not isinstance(x, PackedSequence):
        outputs, _ = pad_packed_sequence(outputs, batch_first=True, total_length=x.shape[1])
    return outputs, last, states


def _has_kernel(layer: StepLayer, x: Tensor) -> bool:
    """Whether torch has a kernel for a layer here.

    In mixed precision most CPUs have none for an LSTM, and torch stops there: the layers are unrolled.
    """
    return layer.kernel is not None and not (x.is_cpu and torch.is_autocast_enabled("cpu"))


def _call_kernel(
    layers: Sequence[StepLayer], x: Tensor | PackedSequence, state: State
) -> tuple[Tensor | PackedSequence, State]:
    """All layers in one call of torch's kernel, which wants a second bias: a constant 0."""
    weights = [
        weight
        for layer in layers
        for weight in (layer.weight_ih, layer.weight_hh, layer.bias, layer.bias.new_zeros(layer.bias.shape))
    ]
    kernel = cast(Callable[..., Any], layers[0].kernel)
    # With biases; no dropout; in training mode wherever gradients are, which some kernels insist on; one direction.
    options = (weights, True, len(layers), 0.0, torch.is_grad_enabled(), False)
    if not isinstance(x, PackedSequence):
        outputs, *last = kernel(x, _one_or_all(state), *options, True)
        return outputs, tuple(last)
    if x.sorted_indices is not None:
        state = tuple(part.index_select(1, x.sorted_indices) for part in state)
    data, *last = kernel(x.data, x.batch_sizes, _one_or_all(state), *options)
    if x.unsorted_indices is not None:
        last = [part.index_select(1, x.unsorted_indices) for part in last]
    return PackedSequence(data, x.batch_sizes, x.sorted_indices, x.unsorted_indices), tuple(last)


def _one_or_all(state: State) -> Tensor | State:
    return state[0] if len(state) == 1 else state


def _unroll(
    layers: Sequence[StepLayer], x: Tensor, state: State, lengths: Tensor | None
) -> tuple[Tensor, State, list[States]]:
    last, states = [], []
    for number, layer in enumerate(layers):
        x, last_of_layer, of_layer = _unroll_layer(layer, x, tuple(part[number] for part in state), lengths)
        last.append(last_of_layer)
        states.append(of_layer)
    return x, tuple(torch.stack(parts) for parts in zip(*last, strict=True)), states


def _unroll_layer(layer: StepLayer, x: Tensor, state: State, lengths: Tensor | None) -> tuple[Tensor, State, States]:
    projected = F.linear(x, layer.weight_ih, layer.bias).unbind(1)  # T of (B, GH): one product for all steps
    weight_hh = layer.weight_hh.mT
    steps: list[State] = []
    if lengths is not None:
        lengths = lengths.to(x.device)
        goes_on = (torch.arange(x.shape[1], device=x.device)[:, None] < lengths).unsqueeze(2)  # (T, B, 1)
    for step, preactivation in enumerate(projected):
        if lengths is not None:  # a step from zeros gives zeros
            preactivation, *before = (part.where(goes_on[step], part.new_zeros(())) for part in (preactivation, *state))
            state = tuple(before)
        state = layer.step(preactivation, state, weight_hh)
        steps.append(state)
    histories = list(zip(*steps, strict=True))  # all h, or all h and all c
    outputs = torch.stack(histories[0], dim=1)  # (B, T, H)
    ends = (slice(None), -1) if lengths is None else (torch.arange(len(x), device=x.device), lengths - 1)
    cells = [torch.stack(history, dim=1) for history in histories[1:]]
    return outputs, tuple(values[ends] for values in (outputs, *cells)), States(outputs, *histories)
