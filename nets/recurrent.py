"""What recurrent networks share: how they are called, the weights of a layer, and stacks of layers.

The kinds: ``nets/rnn.py``, ``nets/lstm.py``, ``nets/gru.py``. The way through the steps: ``nets/unroll.py``.

Letters: B batch, T time, I input size, H hidden size, G gates of H rows, L layers.
"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from nets.sequences import check_sequences
from nets.unroll import State, run_layers

FORMER_NAMES = {"weight_x": "weight_ih", "weight_h": "weight_hh"}  # of the weights, in checkpoints


class RecurrentNet(nn.Module):
    """What one layer and a stack of layers share: how they are called.

    ``recurrent_layers`` are the layers, lowest first; ``state_names`` says what their state consists of.
    """

    recurrent_layers: Sequence["RecurrentLayer"]
    state_names: tuple[str, ...]

    def forward(
        self,
        x: Tensor | PackedSequence,
        initial_state: Tensor | State | None = None,
        lengths: Tensor | Sequence[int] | None = None,
        return_states: bool = False,
    ) -> tuple[Any, ...]:
        """All hidden states of the last layer, the last state, and if asked for, the states of every step.

        Args:
            x: sequences, padded where they differ in length, or a PackedSequence; packed comes back packed.
            initial_state: h_0, or (h_0, c_0) of an LSTM, of the shape of the last state; zeros when None.
            lengths: steps of each sequence (B,), in 1 … T; None where ``x`` is packed or all have T. Outputs beyond
                them are 0, and the last state of a sequence is that of its own last step.
            return_states: also give the ``States`` of the layer, or a list of those of each layer. The layers are then
                unrolled step by step, which takes a small LSTM two to six times as long as torch's fused kernel.

        Shapes:
            x (B, T, I), lengths (B,), initial_state (B, H) of a layer, (L, B, H) of a stack, two of it with c
            -> outputs (B, T, H), last state as the initial one

        Raises:
            ValueError: when the input has another width, no steps, or a NaN in a step that counts, when the lengths are
                not in 1 … T, or the initial state has another shape.
        """
        layers = self.recurrent_layers
        check_sequences(x, layers[0].input_size)
        batch_size = int(x.batch_sizes[0]) if isinstance(x, PackedSequence) else len(x)
        of_layer = (batch_size, layers[0].hidden_size)
        shape = of_layer if layers[0] is self else (len(layers), *of_layer)
        state = self._check_state(x.data, initial_state, shape)
        state = tuple(part.view(len(layers), *of_layer) for part in state)
        outputs, ends, states = run_layers(layers, x, state, lengths, return_states)
        ends = tuple(part.view(shape) for part in ends)
        last = ends if len(ends) > 1 else ends[0]
        return (outputs, last, states[0] if layers[0] is self else states) if return_states else (outputs, last)

    def _check_state(self, x: Tensor, state: Tensor | State | None, shape: tuple[int, ...]) -> State:
        """h_0, or (h_0, c_0), each of this shape."""
        if state is None:
            return (x.new_zeros(shape),) * len(self.state_names)
        state = (state,) if isinstance(state, Tensor) else tuple(state)
        shapes = [tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__ for part in state]
        if shapes != [shape] * len(self.state_names):
            raise ValueError(
                f"initial_state must be {' and '.join(self.state_names)} of the shape {shape}, but it is "
                f"{' and '.join(map(str, shapes)) or 'empty'}."
            )
        return state


class RecurrentLayer(RecurrentNet):
    """The weights of one layer: W^x, W^h and one bias b, each of G gates of H rows.

    Checkpoints in which the weights have their former names are loaded too.
    """

    gate_names: tuple[str, ...]  # from the first rows to the last
    kernel: Callable[..., Any] | None  # torch's own loop over the steps, or None where torch has none

    def __init__(self, input_size: int, hidden_size: int, recurrent_gain: float | None = None) -> None:
        super().__init__()
        for name, value in {"input_size": input_size, "hidden_size": hidden_size}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, but it is {value}.")
        if recurrent_gain is not None and not recurrent_gain > 0:
            raise ValueError(f"recurrent_gain must be more than 0, or null in a file, but it is {recurrent_gain}.")
        self.input_size, self.hidden_size, self.recurrent_gain = input_size, hidden_size, recurrent_gain
        rows = len(self.gate_names) * hidden_size
        self.weight_ih = nn.Parameter(torch.empty(rows, input_size))
        self.weight_hh = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias = nn.Parameter(torch.empty(rows))
        self.register_load_state_dict_pre_hook(_rename_weights)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: uniform in ±1/√H, or each gate of W^h and W^x orthogonal where there is a gain."""
        bound = self.hidden_size**-0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        if self.recurrent_gain is not None:
            for weight, gain in ((self.weight_hh, self.recurrent_gain), (self.weight_ih, 1.0)):
                for gate in weight.data.chunk(len(self.gate_names)):
                    nn.init.orthogonal_(gate, gain)

    @property
    def recurrent_layers(self) -> Sequence["RecurrentLayer"]:  # type: ignore[override]  # as an attribute it would hold itself
        return [self]

    def step(self, projected: Tensor, state: State, weight_hh: Tensor) -> State:
        """One step, from W^x x_t + b, the state before it and the transpose of W^h.

        Shapes:
            projected (B, GH), each of the state (B, H), weight_hh (H, GH) -> each of the next state (B, H)
        """
        raise NotImplementedError


class RecurrentStack(RecurrentNet):
    """Layers of one kind, each on what the one below it gives."""

    layer_class: type[RecurrentLayer]

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, recurrent_gain: float | None = None
    ) -> None:
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, but it is {num_layers}.")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        widths = [input_size, *[hidden_size] * (num_layers - 1)]
        layers = nn.ModuleList(self.build_layer(width, hidden_size, recurrent_gain) for width in widths)
        self.recurrent_layers = cast(Sequence[RecurrentLayer], layers)
        self.state_names = self.layer_class.state_names

    def build_layer(self, input_size: int, hidden_size: int, recurrent_gain: float | None) -> RecurrentLayer:
        """One layer of the stack, before its weights are trained."""
        return self.layer_class(input_size, hidden_size, recurrent_gain)


def _rename_weights(layer: nn.Module, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
    """Give the weights of an earlier version's checkpoint the names that they have now."""
    for former, name in FORMER_NAMES.items():
        if prefix + former in state_dict:
            state_dict[prefix + name] = state_dict.pop(prefix + former)
