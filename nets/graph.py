"""Graph networks: graph convolutions and graph attention.

Letters: N nodes, E edges, I input features, D width, C classes, H heads.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nets.graph_layers import GATLayer, GCNLayer, neighborhoods, normalized_adjacency
from nets.sparse import Dropout, LastCall, SparseMatrix, SparsePattern

ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh}


class _GraphNetwork(nn.Module):
    """What the networks share: dropout of the features, and what is prepared once for a graph."""

    in_channels: int
    layers: nn.ModuleList

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self._sparse = LastCall(SparseMatrix.of)

    def features(self, x: Tensor) -> Tensor | SparseMatrix:
        """The features as a matrix to multiply, if they belong to this network.

        Shapes:
            x (N, I) -> (N, I)
        """
        if x.ndim != 2 or x.shape[1] != self.in_channels:
            raise ValueError(f"x must be (nodes, {self.in_channels} features), but it is {tuple(x.shape)}.")
        weight: Any = self.layers[0].weight
        return self._sparse(x) if x.layout == torch.sparse_csr else x.to(weight.dtype)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Nothing that torch.compile can do: it knows no sparse products."""
        raise ValueError(f"{type(self).__name__} cannot be compiled, since torch.compile knows no sparse products.")


class GCN(_GraphNetwork):
    r"""A graph convolutional network.

    "Semi-Supervised Classification with Graph Convolutional Networks" (Kipf and Welling, 2017),
    https://arxiv.org/abs/1609.02907:

        logits = Ã · Dropout(σ(Ã · Dropout(X) · W⁰ + b⁰)) · W¹ + b¹,    Ã = D̂^{−1/2} (A + I) D̂^{−1/2}

    with further hidden layers likewise. Dropout falls on the features too, as in the authors' code; of sparse features
    on the entries that they have.

    Args:
        in_channels: features I of a node, ≥ 1.
        hidden_channels: width of the hidden layer, or of each of several, ≥ 1.
        num_classes: classes C, ≥ 1.
        dropout: probability of dropping an input of a layer, in [0, 1).
        activation: σ, "relu" or "tanh".

    Shapes:
        x (N, I), dense or ``torch.sparse_csr``; edge_index (2, E), edge_weight (E,) or None -> logits (N, C)

    Raises:
        ValueError: when an argument is out of its range, or ``x`` has other features than ``in_channels``.

    Example:
        >>> edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])  # a path of three nodes
        >>> net = GCN(in_channels=5, hidden_channels=8, num_classes=2)
        >>> net(torch.rand(3, 5), edges).shape
        torch.Size([3, 2])
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int | list[int] = 16,
        num_classes: int = 7,
        dropout: float = 0.5,
        activation: str = "relu",
    ) -> None:
        super().__init__(dropout)
        hidden = [hidden_channels] if isinstance(hidden_channels, int) else list(hidden_channels)
        _check_sizes(in_channels=in_channels, hidden_channels=hidden, num_classes=num_classes)
        if activation not in ACTIVATIONS:
            raise ValueError(f'activation must be one of {", ".join(ACTIVATIONS)}, but it is "{activation}".')
        self.in_channels, self.num_classes, self.activation = in_channels, num_classes, ACTIVATIONS[activation]
        self.layers = nn.ModuleList(GCNLayer(*sizes) for sizes in pairwise([in_channels, *hidden, num_classes]))
        self._adjacency = LastCall(normalized_adjacency)

    def encode(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        """The last hidden layer, (N, D).

        Shapes:
            x (N, I), edge_index (2, E), edge_weight (E,) -> (N, D)
        """
        adjacency = self._adjacency(edge_index, x.shape[0], _at_least_float32(x), edge_weight)
        hidden: Any = self.features(x)
        for layer in self.layers[:-1]:
            hidden = self.activation(layer(self.dropout(hidden), adjacency))
        return hidden

    def forward(self, x: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
        hidden = self.encode(x, edge_index, edge_weight)
        adjacency = self._adjacency(edge_index, x.shape[0], _at_least_float32(x), edge_weight)
        return self.layers[-1](self.dropout(hidden), adjacency)


class GAT(_GraphNetwork):
    r"""A graph attention network: masked self-attention over the neighbours of each node and the node itself.

    "Graph Attention Networks" (Veličković et al., 2018), https://arxiv.org/abs/1710.10903:

        α_ij = softmax over j of LeakyReLU(a·[W h_i ‖ W h_j]),    h′_i = ELU(‖_heads Σ_j α_ij W h_j)

    with slope 0.2, the heads side by side in the first layer and averaged in the last; over ``neighborhoods``.

    Args:
        in_channels: features I of a node, ≥ 1.
        hidden_channels: width of each head of the first layer, ≥ 1.
        num_classes: classes C, ≥ 1.
        heads: heads H of the first layer, ≥ 1.
        dropout: probability of dropping an input of a layer or an attention weight, in [0, 1).
        out_heads: heads of the last layer, ≥ 1; the paper has 1 for Cora and CiteSeer, 8 for PubMed.

    Shapes:
        x (N, I), dense or ``torch.sparse_csr``; edge_index (2, E) -> logits (N, C), with ``return_weights`` also for
        each layer the edges of ``neighborhoods`` (2, E′), sorted by their targets, and α (E′, heads)

    Raises:
        ValueError: when an argument is out of its range, or ``x`` has other features than ``in_channels``.

    Example:
        >>> edges = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]])  # a path of three nodes
        >>> net = GAT(in_channels=5, hidden_channels=4, num_classes=2, heads=3)
        >>> logits, layers = net(torch.rand(3, 5), edges, return_weights=True)
        >>> logits.shape, [weights.shape for _, weights in layers]  # four edges and three loops
        (torch.Size([3, 2]), [torch.Size([7, 3]), torch.Size([7, 1])])
    """

    def __init__(
        self,
        in_channels: int,
        hidden_channels: int = 8,
        num_classes: int = 7,
        heads: int = 8,
        dropout: float = 0.6,
        out_heads: int = 1,
    ) -> None:
        super().__init__(dropout)
        sizes = {"in_channels": in_channels, "hidden_channels": hidden_channels, "num_classes": num_classes}
        _check_sizes(**sizes, heads=heads, out_heads=out_heads)
        self.in_channels, self.num_classes = in_channels, num_classes
        first = GATLayer(in_channels, hidden_channels, heads, concat=True, dropout=dropout)
        last = GATLayer(heads * hidden_channels, num_classes, out_heads, concat=False, dropout=dropout)
        self.layers = nn.ModuleList([first, last])
        self._edges = LastCall(neighborhoods)

    def encode(self, x: Tensor, edge_index: Tensor) -> Tensor:
        """The hidden layer, (N, H·D).

        Shapes:
            x (N, I), edge_index (2, E) -> (N, H·D)
        """
        return self._hidden(x, self._edges(edge_index, x.shape[0]))[0]

    def forward(
        self, x: Tensor, edge_index: Tensor, return_weights: bool = False
    ) -> Tensor | tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        edges = self._edges(edge_index, x.shape[0])
        hidden, first = self._hidden(x, edges)
        logits, last = self.layers[-1](self.dropout(hidden), edges)
        if not return_weights:
            return logits
        edge_index = torch.stack([edges.columns, edges.rows]).long()
        return logits, [(edge_index, weights.T) for weights in (first, last)]

    def _hidden(self, x: Tensor, edges: SparsePattern) -> tuple[Tensor, Tensor]:
        out, weights = self.layers[0](self.dropout(self.features(x)), edges)
        return F.elu(out), weights


def _at_least_float32(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _check_sizes(**sizes: int | Sequence[int]) -> None:
    for name, value in sizes.items():
        each = [value] if isinstance(value, int) else list(value)
        if not each or min(each) < 1:
            raise ValueError(f"{name} must be at least 1, but it is {value}.")
