"""One graph convolution whose backward pass is written by hand, to read beside autograd's.

Letters: N nodes, I input features, D width.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _GraphConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, adjacency: Tensor, weight: Tensor) -> Tensor:
        averaged = adjacency @ x  # S X, (N, I)
        hidden = torch.tanh(averaged @ weight)  # (N, D)
        ctx.save_for_backward(averaged, adjacency, weight, hidden)
        return hidden

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *of_hidden: Tensor) -> tuple[Tensor, None, Tensor]:
        averaged, adjacency, weight, hidden = ctx.saved_tensors
        delta = of_hidden[0] * (1 - hidden.square())  # G ⊙ (1 − H²), (N, D)
        return adjacency.T @ delta @ weight.T, None, averaged.T @ delta


def graph_convolution(x: Tensor, adjacency: Tensor, weight: Tensor) -> Tensor:
    r"""H = tanh(S X W), with its backward pass written by hand.

    "Semi-Supervised Classification with Graph Convolutional Networks" (Kipf and Welling, 2017),
    https://arxiv.org/abs/1609.02907, on dense matrices. With G = ∂L/∂H and Δ = G ⊙ (1 − H²):

        ∂L/∂W = (S X)ᵀ Δ,    ∂L/∂X = Sᵀ Δ Wᵀ

    The graph is data: S has no gradient. ``nets.GCN`` has sparse graphs, biases and autograd's gradients.

    Args:
        x: features X.
        adjacency: S, such as D̂^{−1/2} (A + I) D̂^{−1/2}.
        weight: W.

    Shapes:
        x (N, I), adjacency (N, N), weight (I, D) -> (N, D)

    Raises:
        ValueError: when the three do not fit together.

    Example:
        >>> graph_convolution(torch.eye(2), torch.full((2, 2), 0.5), torch.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    shapes = [tuple(matrix.shape) for matrix in (x, adjacency, weight)]
    if any(len(shape) != 2 for shape in shapes) or shapes[1] != (len(x),) * 2 or x.shape[1] != len(weight):
        raise ValueError(
            f"x, adjacency and weight must be (N, I), (N, N) and (I, D), but their shapes are "
            f"{', '.join(map(str, shapes))}."
        )
    hidden: Tensor = _GraphConvolution.apply(x, adjacency, weight)
    return hidden
