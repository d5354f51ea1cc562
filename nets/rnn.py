"""The simple recurrent network of Elman: a layer, and a stack of them.

Letters: B batch, T time, I input size, H hidden size, L layers.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from nets.recurrent import RecurrentLayer, RecurrentStack
from nets.unroll import State

NONLINEARITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "identity": lambda preactivation: preactivation,
}
KERNELS = {"tanh": torch.rnn_tanh, "relu": torch.rnn_relu}


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

    Example:
        >>> outputs, last = RNNLayer(input_size=2, hidden_size=3)(torch.rand(4, 5, 2))
        >>> outputs.shape, torch.equal(outputs[:, -1], last)
        (torch.Size([4, 5, 3]), True)
    """

    gate_names, state_names = ("hidden",), ("h_0",)

    def __init__(
        self, input_size: int, hidden_size: int, nonlinearity: str = "tanh", recurrent_gain: float | None = None
    ) -> None:
        if nonlinearity not in NONLINEARITIES:
            raise ValueError(f'nonlinearity must be "tanh", "relu" or "identity", but it is "{nonlinearity}".')
        super().__init__(input_size, hidden_size, recurrent_gain)
        self.nonlinearity, self.kernel = nonlinearity, KERNELS.get(nonlinearity)

    def step(self, projected: Tensor, state: State, weight_hh: Tensor) -> State:
        """One step, from W^x x_t + b (B, H), (h_{t−1},) and the transpose of W^h.

        Shapes:
            projected (B, H), state of (B, H), weight_hh (H, H) -> next state of (B, H)
        """
        return (NONLINEARITIES[self.nonlinearity](torch.addmm(projected, state[0], weight_hh)),)


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

    Example:
        >>> net = RNN(input_size=2, hidden_size=3, num_layers=2)
        >>> outputs, last = net(torch.rand(4, 5, 2), lengths=[5, 3, 1, 4])
        >>> outputs.shape, last.shape
        (torch.Size([4, 5, 3]), torch.Size([2, 4, 3]))
    """

    layer_class = RNNLayer

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        recurrent_gain: float | None = None,
    ) -> None:
        self.nonlinearity = nonlinearity  # before the layers are built of it
        super().__init__(input_size, hidden_size, num_layers, recurrent_gain)

    def build_layer(self, input_size: int, hidden_size: int, recurrent_gain: float | None) -> RNNLayer:
        """A layer with the nonlinearity of the stack."""
        return RNNLayer(input_size, hidden_size, self.nonlinearity, recurrent_gain)
