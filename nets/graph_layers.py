"""The layers of graph networks, and how they see a graph.

Letters: N nodes, E edges, I input features, D width, H heads.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nets.sparse import Dropout, SparseMatrix, SparsePattern

NEGATIVE_SLOPE = 0.2  # of the LeakyReLU in "Graph Attention Networks"


def neighborhoods(edge_index: Tensor, num_nodes: int) -> SparsePattern:
    """Which nodes each node hears: a row a node, the sources of the edges into it and, once, the node itself.

    Self-loops of the graph are dropped, since every node gets one; an edge that is given twice stands there twice.

    Shapes:
        edge_index (2, E) -> a pattern (N, N)

    Raises:
        ValueError: when an edge names a node that is not there.
    """
    if edge_index.numel() and (edge_index.min() < 0 or edge_index.max() >= num_nodes):
        wrong = edge_index.max() if edge_index.max() >= num_nodes else edge_index.min()
        raise ValueError(f"edge_index names the node {wrong}, but there are the nodes 0 to {num_nodes - 1}.")
    nodes = torch.arange(num_nodes, device=edge_index.device).expand(2, -1)
    source, target = torch.cat([edge_index[:, edge_index[0] != edge_index[1]], nodes], dim=1)
    return SparsePattern.of_entries(target, source, (num_nodes, num_nodes))[0]


def normalized_adjacency(
    edge_index: Tensor, num_nodes: int, dtype: torch.dtype = torch.float32, edge_weight: Tensor | None = None
) -> SparseMatrix:
    r"""Ã = D̂^{−1/2} (A + I) D̂^{−1/2}, whose row i collects the edges into node i.

    "Semi-Supervised Classification with Graph Convolutional Networks" (Kipf and Welling, 2017),
    https://arxiv.org/abs/1609.02907. A counts the edges j → i of different nodes, or sums their weights, and D̂ is the
    diagonal of the row sums of A + I. The weight of a self-loop is 1, whatever the graph says of it.

    Args:
        edge_index: sources and targets of the edges.
        num_nodes: nodes N.
        dtype: of the entries.
        edge_weight: the weight of each edge, ≥ 0; 1 when None.

    Shapes:
        edge_index (2, E), edge_weight (E,) -> a sparse matrix (N, N)

    Example:
        >>> edges = torch.tensor([[0, 1], [1, 0]])
        >>> normalized_adjacency(edges, num_nodes=2) @ torch.tensor([[1.0], [3.0]])
        tensor([[2.0000],
                [2.0000]])
    """
    if edge_weight is not None:
        return _normalized_weights(edge_index, num_nodes, edge_weight.to(dtype))
    pattern = neighborhoods(edge_index, num_nodes)
    scale = pattern.row_starts.diff().to(dtype).rsqrt()
    return SparseMatrix(scale[pattern.rows] * scale[pattern.columns], pattern)


def _normalized_weights(edge_index: Tensor, num_nodes: int, edge_weight: Tensor) -> SparseMatrix:
    joins = edge_index[0] != edge_index[1]
    nodes = torch.arange(num_nodes, device=edge_index.device).expand(2, -1)
    source, target = torch.cat([edge_index[:, joins], nodes], dim=1)
    weights = torch.cat([edge_weight[joins], edge_weight.new_ones(num_nodes)])
    scale = edge_weight.new_zeros(num_nodes).index_add_(0, target, weights).rsqrt()
    pattern, order = SparsePattern.of_entries(target, source, (num_nodes, num_nodes))
    return SparseMatrix((scale[target] * weights * scale[source])[order], pattern)


def edge_softmax(scores: Tensor, edges: SparsePattern) -> Tensor:
    """The softmax of scores over the edges into each node.

    Shapes:
        scores (H, E) -> (H, E)
    """
    target, nodes = edges.rows, (len(scores), edges.shape[0])
    highest = scores.new_full(nodes, -torch.inf).scatter_reduce(1, target.expand_as(scores), scores.detach(), "amax")
    exponentials = (scores - highest.index_select(1, target)).exp()
    return exponentials / scores.new_zeros(nodes).index_add(1, target, exponentials).index_select(1, target)


class GCNLayer(nn.Module):
    """H′ = Ã H W + b, with Glorot's uniform initialisation of W.

    Args:
        in_channels: features of a node.
        out_channels: features of a node in the output.

    Shapes:
        x (N, I), adjacency (N, N) -> (N, D)
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(in_channels, out_channels))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor | SparseMatrix, adjacency: SparseMatrix) -> Tensor:
        return adjacency @ (x @ self.weight) + self.bias


class GATLayer(nn.Module):
    """h′_i = Σ_j α_ij W h_j + b over the edges j → i, with α_ij = softmax_j LeakyReLU(a_s·W h_j + a_t·W h_i) per head.

    Args:
        in_channels: features of a node.
        out_channels: features of a node in each head.
        heads: heads H.
        concat: put the heads side by side, (N, H·D), instead of averaging them, (N, D).
        dropout: probability of dropping an attention weight.

    Shapes:
        x (N, I), edges with E entries -> (N, H·D) or (N, D), and α (H, E)
    """

    def __init__(self, in_channels: int, out_channels: int, heads: int, concat: bool, dropout: float) -> None:
        super().__init__()
        self.heads, self.concat, self.dropout = heads, concat, Dropout(dropout)
        self.weight = nn.Parameter(torch.empty(in_channels, heads * out_channels))
        self.att_source = nn.Parameter(torch.empty(heads, out_channels))
        self.att_target = nn.Parameter(torch.empty(heads, out_channels))
        self.bias = nn.Parameter(torch.empty(heads * out_channels if concat else out_channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for matrix in (self.weight, self.att_source, self.att_target):
            nn.init.xavier_uniform_(matrix)
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor | SparseMatrix, edges: SparsePattern) -> tuple[Tensor, Tensor]:
        hidden = (x @ self.weight).unflatten(-1, (self.heads, -1)).movedim(-2, 0)  # (H, N, D)
        of_source, of_target = (
            (hidden @ att[..., None]).squeeze(-1) for att in (self.att_source, self.att_target)
        )  # (H, N)
        scores = of_source.index_select(1, edges.columns) + of_target.index_select(1, edges.rows)
        weights = edge_softmax(F.leaky_relu(scores, NEGATIVE_SLOPE), edges)  # (H, E)
        out = SparseMatrix(self.dropout(weights), edges) @ hidden  # (H, N, D)
        return (out.movedim(0, -2).flatten(-2) if self.concat else out.mean(dim=0)) + self.bias, weights
