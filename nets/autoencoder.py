"""Autoencoders: a mirrored pair of multilayer perceptrons, and one matrix used in both directions.

Letters: B batch, D inputs, K bottleneck (the width of the code).
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class Autoencoder(nn.Module):
    r"""Squeezes its input through a bottleneck and builds it up again.

    "Reducing the Dimensionality of Data with Neural Networks" (Hinton and Salakhutdinov, 2006),
    https://doi.org/10.1126/science.1127647.
    code = W_m σ(… σ(W_1 x + b_1) …) + b_m for m = len(hidden_dims); the decoder is the same with the widths in reverse.

    σ stands between the layers of the encoder, and between those of the decoder, with none after the last of either. So
    with one hidden size there is no non-linearity at all, whatever the activation: the network is W₂(W₁x + b₁) + b₂,
    the linear autoencoder that finds the principal subspace (``theory.linear_autoencoder_optimum``). A non-linear
    autoencoder needs two sizes or more.

    Args:
        input_dim: inputs D, ≥ 1.
        hidden_dims: widths of the encoder's layers, each ≥ 1; the last one is the bottleneck K.
        activation: class of the activation σ.
        bias: whether the layers have biases.

    Shapes:
        inputs (…, D) -> reconstruction (…, D)

    Raises:
        ValueError: when a width is below 1, there is none, or the inputs do not have ``input_dim`` columns.

    Example:
        >>> net = Autoencoder(input_dim=784, hidden_dims=[64, 8])
        >>> code = net.encode(torch.rand(5, 784))
        >>> code.shape, net.decode(code).shape
        (torch.Size([5, 8]), torch.Size([5, 784]))
    """

    def __init__(
        self,
        input_dim: int,
        hidden_dims: list[int],
        activation: type[nn.Module] = nn.ReLU,
        bias: bool = True,
    ) -> None:
        super().__init__()
        widths = [input_dim, *hidden_dims]
        if input_dim < 1:
            raise ValueError(f"input_dim must be at least 1, but it is {input_dim}.")
        if len(widths) < 2 or min(widths) < 1:
            raise ValueError(
                f"hidden_dims must be one width or more, each at least 1, the last of them the bottleneck, "
                f"but it is {list(hidden_dims)}."
            )
        self.input_dim, self.bottleneck = input_dim, widths[-1]
        self.encoder = _perceptron(widths, activation, bias)
        self.decoder = _perceptron(widths[::-1], activation, bias)

    def encode(self, inputs: Tensor) -> Tensor:
        """The code.

        Shapes:
            (…, D) -> (…, K)
        """
        _check_width(inputs, self.input_dim)
        return self.encoder(inputs)

    def decode(self, code: Tensor) -> Tensor:
        """What the decoder makes of a code.

        Shapes:
            (…, K) -> (…, D)
        """
        return self.decoder(code)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.decode(self.encode(inputs))


class TiedAutoencoder(nn.Module):
    r"""One matrix, used to encode and, transposed, to decode: the toy model of superposition.

    "Toy Models of Superposition" (Elhage et al., 2022), https://transformer-circuits.pub/2022/toy_model.
    code = Wx, reconstruction = ReLU(WᵀWx + b). Column w_i of W is the direction in which feature i is kept.

    Args:
        input_dim: features D, ≥ 1.
        bottleneck: dimensions K in which they are kept, ≥ 1.

    Shapes:
        inputs (…, D) -> reconstruction (…, D)

    Raises:
        ValueError: when a width is below 1, or the inputs do not have ``input_dim`` columns.

    Example:
        >>> net = TiedAutoencoder(input_dim=20, bottleneck=5)
        >>> net(torch.rand(8, 20)).shape
        torch.Size([8, 20])
    """

    def __init__(self, input_dim: int, bottleneck: int) -> None:
        super().__init__()
        if min(input_dim, bottleneck) < 1:
            raise ValueError(f"input_dim and bottleneck must be at least 1, but they are {input_dim} and {bottleneck}.")
        self.input_dim, self.bottleneck = input_dim, bottleneck
        self.weight = nn.Parameter(torch.empty(bottleneck, input_dim))
        self.bias = nn.Parameter(torch.empty(input_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the weights anew, so that the columns of W have unit length on average; the biases become 0."""
        nn.init.normal_(self.weight, std=self.bottleneck**-0.5)
        nn.init.zeros_(self.bias)

    def encode(self, inputs: Tensor) -> Tensor:
        """The code Wx.

        Shapes:
            (…, D) -> (…, K)
        """
        _check_width(inputs, self.input_dim)
        return inputs @ self.weight.mT

    def decode(self, code: Tensor) -> Tensor:
        """ReLU(Wᵀ code + b).

        Shapes:
            (…, K) -> (…, D)
        """
        return torch.relu(code @ self.weight + self.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.decode(self.encode(inputs))


def _perceptron(widths: Sequence[int], activation: type[nn.Module], bias: bool) -> nn.Sequential:
    """Linear layers of these widths, with the activation between them."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(widths):
        layers += [nn.Linear(fan_in, fan_out, bias=bias), activation()]
    return nn.Sequential(*layers[:-1])


def _check_width(inputs: Tensor, input_dim: int) -> None:
    if inputs.shape[-1] != input_dim:
        raise ValueError(
            f"the inputs must have input_dim={input_dim} columns, but they have the shape {tuple(inputs.shape)}: set "
            f"model.net.input_dim to what the data serve (and flatten=True where they are images)."
        )
