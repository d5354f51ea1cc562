"""The gated recurrent unit: a layer, and a stack of them.

Letters: B batch, T time, I input size, H hidden size, L layers.
"""

import torch
from torch import Tensor

from nets.recurrent import RecurrentLayer, RecurrentStack
from nets.unroll import State


class GRULayer(RecurrentLayer):
    r"""One layer of gated recurrent units.

    "Learning Phrase Representations using RNN Encoder-Decoder" (Cho et al., 2014), https://arxiv.org/abs/1406.1078,
    with the reset gate behind the product, as in cuDNN and in ``torch.nn.GRU``.
    r, z = sigmoid of W^x x_t + W^h h_{t−1} + b, each with its own weights;
    n = tanh(W_n^x x_t + b_n + r ⊙ W_n^h h_{t−1}); h_t = (1 − z) ⊙ n + z ⊙ h_{t−1}.

    The weights of reset gate r, update gate z and candidate n stand below one another in this order.

    Args:
        input_size: numbers a step I, ≥ 1.
        hidden_size: width H of the state, ≥ 1.
        recurrent_gain: each of the three gates of W^h begins as a random orthogonal matrix times this number > 0, and
            each of W^x as an orthogonal one; when None all weights begin uniform in ±1/√H.

    Shapes:
        x (B, T, I), h_0 (B, H) -> all h (B, T, H), last h (B, H)

    Raises:
        ValueError: when a size is below 1, or the gain is not above 0; and see ``forward``.

    Example:
        >>> outputs, last, states = GRULayer(input_size=2, hidden_size=3)(torch.rand(4, 5, 2), return_states=True)
        >>> len(states.hidden), torch.equal(states.hidden[-1], last)
        (5, True)
    """

    gate_names = ("reset", "update", "candidate")
    state_names, kernel = ("h_0",), staticmethod(torch.gru)

    def step(self, projected: Tensor, state: State, weight_hh: Tensor) -> State:
        """One step, from W^x x_t + b (B, 3H), (h_{t−1},) and the transpose of W^h.

        Shapes:
            projected (B, 3H), state of (B, H), weight_hh (H, 3H) -> next state of (B, H)
        """
        (hidden,) = state
        r, z, n = projected.chunk(3, dim=1)
        r_hidden, z_hidden, n_hidden = (hidden @ weight_hh).chunk(3, dim=1)
        candidate = torch.tanh(n + torch.sigmoid(r + r_hidden) * n_hidden)
        return (candidate + torch.sigmoid(z + z_hidden) * (hidden - candidate),)


class GRU(RecurrentStack):
    """A stack of ``GRULayer``, each on all the hidden states of the one below it.

    Args:
        input_size: numbers a step I, ≥ 1.
        hidden_size: width H of every layer, ≥ 1.
        num_layers: layers L, ≥ 1.
        recurrent_gain: see ``GRULayer``.

    Shapes:
        x (B, T, I), h_0 (L, B, H) -> all h of the last layer (B, T, H), the last h of every layer (L, B, H)

    Raises:
        ValueError: as ``GRULayer``, and when there is no layer.

    Example:
        >>> outputs, last = GRU(input_size=2, hidden_size=3, num_layers=2)(torch.rand(4, 5, 2))
        >>> outputs.shape, last.shape
        (torch.Size([4, 5, 3]), torch.Size([2, 4, 3]))
    """

    layer_class = GRULayer
