"""Recurrent networks: Elman's and the LSTM, a layer of each and stacks of them.

Letters: B batch, T time, I input size, H hidden size, G blocks of H rows, L layers.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from nets.sequences import check_sequences
from nets.through_time import State, run_layers

NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda preactivation: preactivation,
}
KERNELS = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}


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
    ) -> tuple:
        """All hidden states of the last layer, the last state, and if asked for, the states of every step.

        Args:
            x: sequences, padded where they differ in length, or a PackedSequence; packed comes back packed.
            initial_state: h_0, or (h_0, c_0) of an LSTM, of the shape of the last state; zeros when None.
            lengths: steps of each sequence (B,), in 1 … T; None where ``x`` is packed or all have T. Outputs beyond
                them are 0, and the last state of a sequence is that of its own last step.
            return_states: also give the ``States`` of the layer, or a list of those of each layer. The layers are then
                unrolled step by step, which takes a small LSTM two to six times as long as torch's fused kernel.

        Raises:
            ValueError: when the input has another width, no steps, or a NaN in a step that counts, when the lengths are
                not in 1 … T, or the initial state has another shape.
        """
        layers = self.recurrent_layers
        check_sequences(x, layers[0].input_size)
        batch_size = int(x.batch_sizes[0]) if isinstance(x, PackedSequence) else len(x)
        shape = (batch_size, layers[0].hidden_size)
        shape = shape if layers[0] is self else (len(layers), *shape)
        state = self._check_state(x.data, initial_state, shape)
        state = tuple(part.view(len(layers), *shape[-2:]) for part in state)
        outputs, last, states = run_layers(layers, x, state, lengths, return_states)
        last = tuple(part.view(shape) for part in last)
        last = last if len(last) > 1 else last[0]
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
    """The weights of one layer: W^x, W^h and one bias b, each of G blocks of H rows."""

    block_names: tuple[str, ...]  # of the G blocks
    kernel: Callable | None  # torch's own loop over the steps, or None where torch has none

    def __init__(self, input_size: int, hidden_size: int, recurrent_gain: float | None) -> None:
        super().__init__()
        for name, value in {"input_size": input_size, "hidden_size": hidden_size}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, but it is {value}.")
        if recurrent_gain is not None and not recurrent_gain > 0:
            raise ValueError(f"recurrent_gain must be more than 0, or null in a file, but it is {recurrent_gain}.")
        self.input_size, self.hidden_size, self.recurrent_gain = input_size, hidden_size, recurrent_gain
        rows = len(self.block_names) * hidden_size
        self.weight_x = nn.Parameter(torch.empty(rows, input_size))
        self.weight_h = nn.Parameter(torch.empty(rows, hidden_size))
        self.bias = nn.Parameter(torch.empty(rows))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew: uniform in ±1/√H, or the blocks of W^h and W^x orthogonal where there is a gain."""
        bound = self.hidden_size**-0.5
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)
        if self.recurrent_gain is not None:
            for weight, gain in ((self.weight_h, self.recurrent_gain), (self.weight_x, 1.0)):
                for block in weight.data.chunk(len(self.block_names)):
                    nn.init.orthogonal_(block, gain)

    @property
    def recurrent_layers(self) -> Sequence["RecurrentLayer"]:
        return [self]


class RNNLayer(RecurrentLayer):
    r"""One layer of a simple recurrent network.

    "Finding Structure in Time" (Elman, 1990), https://doi.org/10.1207/s15516709cog1402_1.
    h_t = σ(W^h h_{t−1} + W^x x_t + b).

    Args:
        input_size: numbers a step I, ≥ 1.
        hidden_size: width H of the state, ≥ 1.
        nonlinearity: σ: "tanh", "relu" or "identity".
        recurrent_gain: W^h begins as a random orthogonal matrix times this number > 0, so that all its singular values
            are equal to it, and W^x as an orthogonal one; when None all weights begin uniform in ±1/√H.

    Shapes:
        x (B, T, I), h_0 (B, H) -> all h (B, T, H), last h (B, H)

    Raises:
        ValueError: when a size is below 1, the gain is not above 0, or the nonlinearity is unknown; see ``forward``.
    """

    block_names, state_names = ("hidden",), ("h_0",)

    def __init__(
        self, input_size: int, hidden_size: int, nonlinearity: str = "tanh", recurrent_gain: float | None = None
    ) -> None:
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f'nonlinearity must be "tanh", "relu" or "identity", but it is "{nonlinearity}".')
        super().__init__(input_size, hidden_size, recurrent_gain)
        self.nonlinearity, self.kernel = nonlinearity, KERNELS.get(nonlinearity)

    def step(self, projected: Tensor, state: State, weight_h: Tensor) -> State:
        """One step, from W^x x_t + b (B, H), (h_{t−1},) and the transpose of W^h."""
        return (NONLINEARITIES[self.nonlinearity](torch.addmm(projected, state[0], weight_h)),)


class LSTMLayer(RecurrentLayer):
    r"""One layer of long short-term memory.

    "Learning to Forget: Continual Prediction with LSTM" (Gers et al., 2000),
    https://doi.org/10.1162/089976600300015015.
    i, f, o = sigmoid of W^x x_t + W^h h_{t−1} + b, each with its own weights; g = tanh of the same with its own;
    c_t = f ⊙ c_{t−1} + i ⊙ g, h_t = o ⊙ tanh(c_t).

    The weights of input gate i, forget gate f, candidate g and output gate o stand below one another in this order.

    Args:
        input_size: numbers a step I, ≥ 1.
        hidden_size: width H of the state, ≥ 1.
        recurrent_gain: each of the four blocks of W^h begins as a random orthogonal matrix times this number > 0, and
            each of W^x as an orthogonal one; when None all weights begin uniform in ±1/√H.

    Shapes:
        x (B, T, I), h_0 and c_0 (B, H) -> all h (B, T, H), (last h (B, H), last c (B, H))

    Raises:
        ValueError: when a size is below 1, or the gain is not above 0; and see ``forward``.
    """

    block_names = ("input", "forget", "candidate", "output")
    state_names, kernel = ("h_0", "c_0"), staticmethod(torch.lstm)

    def __init__(self, input_size: int, hidden_size: int, recurrent_gain: float | None = None) -> None:
        super().__init__(input_size, hidden_size, recurrent_gain)

    def step(self, projected: Tensor, state: State, weight_h: Tensor) -> State:
        """One step, from W^x x_t + b (B, 4H), (h_{t−1}, c_{t−1}) and the transpose of W^h."""
        hidden, cell = state
        i, f, g, o = torch.addmm(projected, hidden, weight_h).chunk(4, dim=1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(cell), cell


class RecurrentStack(RecurrentNet):
    """Layers of one kind, each on what the one below it gives."""

    def __init__(self, layer: Callable[[int], RecurrentLayer], input_size: int, hidden_size: int, num_layers: int):
        super().__init__()
        if num_layers < 1:
            raise ValueError(f"num_layers must be at least 1, but it is {num_layers}.")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.recurrent_layers = nn.ModuleList(layer(input_size if n == 0 else hidden_size) for n in range(num_layers))
        self.state_names = self.recurrent_layers[0].state_names


class RNN(RecurrentStack):
    """A stack of ``RNNLayer``, each on all the hidden states of the one below it.

    Args:
        input_size: numbers a step I, ≥ 1.
        hidden_size: width H of every layer, ≥ 1.
        num_layers: layers L, ≥ 1.
        nonlinearity: "tanh", "relu" or "identity".
        recurrent_gain: see ``RNNLayer``.

    Shapes:
        x (B, T, I), h_0 (L, B, H) -> all h of the last layer (B, T, H), the last h of every layer (L, B, H)

    Raises:
        ValueError: as ``RNNLayer``, and when there is no layer.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        recurrent_gain: float | None = None,
    ) -> None:
        def layer(width: int) -> RNNLayer:
            return RNNLayer(width, hidden_size, nonlinearity, recurrent_gain)

        super().__init__(layer, input_size, hidden_size, num_layers)


class LSTM(RecurrentStack):
    """A stack of ``LSTMLayer``, each on all the hidden states of the one below it.

    Args:
        input_size: numbers a step I, ≥ 1.
        hidden_size: width H of every layer, ≥ 1.
        num_layers: layers L, ≥ 1.
        recurrent_gain: see ``LSTMLayer``.

    Shapes:
        x (B, T, I), h_0 and c_0 (L, B, H) -> all h of the last layer (B, T, H), (last h, last c), each (L, B, H)

    Raises:
        ValueError: as ``LSTMLayer``, and when there is no layer.
    """

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, recurrent_gain: float | None = None
    ) -> None:
        def layer(width: int) -> LSTMLayer:
            return LSTMLayer(width, hidden_size, recurrent_gain)

        super().__init__(layer, input_size, hidden_size, num_layers)
