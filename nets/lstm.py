"""Long short-term memory: a layer, and a stack of them.

Letters: B batch, T time, I input size, H hidden size, L layers.
"""

import torch
from torch import Tensor

from nets.recurrent import RecurrentLayer, RecurrentStack
from nets.unroll import State


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
        recurrent_gain: each of the four gates of W^h begins as a random orthogonal matrix times this number > 0, and
            each of W^x as an orthogonal one; when None all weights begin uniform in ±1/√H.

    Shapes:
        x (B, T, I), h_0 and c_0 (B, H) -> all h (B, T, H), (last h (B, H), last c (B, H))

    Raises:
        ValueError: when a size is below 1, or the gain is not above 0; and see ``forward``.

    Example:
        >>> outputs, (hidden, cell) = LSTMLayer(input_size=2, hidden_size=3)(torch.rand(4, 5, 2))
        >>> outputs.shape, hidden.shape, cell.shape
        (torch.Size([4, 5, 3]), torch.Size([4, 3]), torch.Size([4, 3]))
    """

    gate_names = ("input", "forget", "candidate", "output")
    state_names, kernel = ("h_0", "c_0"), staticmethod(torch.lstm)

    def step(self, projected: Tensor, state: State, weight_hh: Tensor) -> State:
        """One step, from W^x x_t + b (B, 4H), (h_{t−1}, c_{t−1}) and the transpose of W^h.

        Shapes:
            projected (B, 4H), state of two (B, H), weight_hh (H, 4H) -> next state of two (B, H)
        """
        hidden, cell = state
        i, f, g, o = torch.addmm(projected, hidden, weight_hh).chunk(4, dim=1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(cell), cell


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

    Example:
        >>> outputs, (hidden, cell) = LSTM(input_size=2, hidden_size=3, num_layers=2)(torch.rand(4, 5, 2))
        >>> outputs.shape, hidden.shape, cell.shape
        (torch.Size([4, 5, 3]), torch.Size([2, 4, 3]), torch.Size([2, 4, 3]))
    """

    layer_class = LSTMLayer
