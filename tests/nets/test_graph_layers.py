"""Layers of graph networks against the dense formula and PyG's convolutions, in value and gradient."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close
from torch_geometric.nn import GATConv, GCNConv

from nets.graph_layers import GATLayer, GCNLayer, edge_softmax, neighborhoods, normalized_adjacency
from nets.sparse import SparseMatrix

NODES, FEATURES, WIDTH, HEADS = 9, 5, 4, 3


def random_graph(seed: int) -> Tensor:
    """Edges in one direction, some of them twice, two self-loops on one node, and a node without edges."""
    edges = torch.randint(NODES - 1, (2, 20), generator=torch.Generator().manual_seed(seed))
    return torch.cat([edges, edges[:, :4], torch.tensor([[3, 3], [3, 3]])], dim=1)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def counts(edge_index: Tensor) -> Tensor:
    """How many edges lead from each node (columns) into each (rows); on the diagonal 1."""
    adjacency = torch.zeros(NODES, NODES, dtype=torch.float64)
    for source, target in edge_index.T.tolist():
        adjacency[target, source] += source != target
    return adjacency + torch.eye(NODES, dtype=torch.float64)


def randomized(layer: nn.Module) -> nn.Module:
    with torch.no_grad():
        for number, parameter in enumerate(layer.double().parameters()):
            parameter.copy_(normal(*parameter.shape, seed=number + 10))
    return layer


def gradients(out: Tensor, *wrt: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad((out * normal(*out.shape, seed=5)).sum(), wrt)


def dense_attention(layer: GATLayer, x: Tensor, edge_index: Tensor) -> Tensor:
    """The formula written out: every pair has a score, which counts as often as the pair has an edge."""
    heads = []
    for h in range(HEADS):
        hidden = x @ layer.weight.unflatten(1, (HEADS, WIDTH))[:, h]
        scores = F.leaky_relu((hidden @ layer.att_target[h])[:, None] + hidden @ layer.att_source[h], 0.2)
        weights = counts(edge_index) * scores.exp()
        heads.append(weights / weights.sum(dim=1, keepdim=True) @ hidden)
    out = torch.cat(heads, dim=1) if layer.concat else sum(heads) / HEADS
    return out + layer.bias


@pytest.mark.parametrize("seed", range(3))
def test_the_normalized_adjacency_is_the_formula(seed: int) -> None:
    adjacency = counts(random_graph(seed))
    scale = adjacency.sum(dim=1).rsqrt()
    built = normalized_adjacency(random_graph(seed), NODES, torch.float64) @ torch.eye(NODES, dtype=torch.float64)
    assert_close(built, scale[:, None] * adjacency * scale)


def test_the_karate_club_has_the_known_second_eigenvalue() -> None:
    import networkx

    edges = torch.tensor(list(networkx.karate_club_graph().edges)).T
    both = torch.cat([edges, edges.flip(0)], dim=1)
    dense = normalized_adjacency(both, 34, torch.float64) @ torch.eye(34, dtype=torch.float64)
    assert_close(dense, dense.T)
    eigenvalues = torch.linalg.eigvalsh(dense)
    assert eigenvalues[-1].item() == pytest.approx(1.0, abs=1e-12)
    assert eigenvalues[-2].item() == pytest.approx(0.896142, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sparse", [False, True], ids=["dense features", "sparse features"])
def test_a_graph_convolution_is_the_dense_formula_and_pygs(seed: int, sparse: bool) -> None:
    edge_index, x = random_graph(seed), normal(NODES, FEATURES).clamp(min=0)
    layer = randomized(GCNLayer(FEATURES, WIDTH))
    peer = GCNConv(FEATURES, WIDTH).double()
    peer.lin.weight.data, peer.bias.data = layer.weight.data.T.clone(), layer.bias.data.clone()
    adjacency = normalized_adjacency(edge_index, NODES, torch.float64)
    out = layer(SparseMatrix.of(x.to_sparse_csr()) if sparse else x, adjacency)
    scale = counts(edge_index).sum(dim=1).rsqrt()
    formula = (scale[:, None] * counts(edge_index) * scale) @ x @ layer.weight + layer.bias
    assert_close(out, formula)
    assert_close(gradients(out, layer.weight, layer.bias), gradients(formula, layer.weight, layer.bias))
    assert_close(out, peer(x, edge_index))
    of_peer = gradients(peer(x, edge_index), peer.lin.weight, peer.bias)
    assert_close(gradients(layer(x, adjacency), layer.weight, layer.bias), (of_peer[0].T, of_peer[1]))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("concat", [True, False], ids=["concatenated", "averaged"])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense features", "sparse features"])
def test_graph_attention_is_the_dense_formula_and_pygs(seed: int, concat: bool, sparse: bool) -> None:
    edge_index, x = random_graph(seed), normal(NODES, FEATURES).clamp(min=0)
    layer = randomized(GATLayer(FEATURES, WIDTH, HEADS, concat, dropout=0.0))
    parameters = (layer.weight, layer.att_source, layer.att_target, layer.bias)
    peer = GATConv(FEATURES, WIDTH, HEADS, concat).double()
    peer.lin.weight.data, peer.bias.data = layer.weight.data.T.clone(), layer.bias.data.clone()
    peer.att_src.data, peer.att_dst.data = layer.att_source.data[None].clone(), layer.att_target.data[None].clone()
    out, _ = layer(SparseMatrix.of(x.to_sparse_csr()) if sparse else x, neighborhoods(edge_index, NODES))
    assert_close(out, formula := dense_attention(layer, x, edge_index))
    assert_close(got := gradients(out, *parameters), gradients(formula, *parameters))
    assert_close(out, of_peer := peer(x, edge_index))
    weight, source, target, bias = gradients(of_peer, peer.lin.weight, peer.att_src, peer.att_dst, peer.bias)
    assert_close(got, (weight.T, source[0], target[0], bias))


def test_attention_sums_to_one_over_the_edges_into_a_node_even_of_large_scores() -> None:
    edges = neighborhoods(random_graph(0), NODES)
    scores = 1000 * normal(HEADS, len(edges.columns))
    weights = edge_softmax(scores, edges)
    sums = torch.zeros(HEADS, NODES, dtype=torch.float64).index_add(1, edges.rows, weights)
    assert_close(sums, torch.ones_like(sums))


def test_a_node_without_edges_hears_itself_alone() -> None:
    edges = neighborhoods(torch.tensor([[0], [1]]), 3)
    layer, x = randomized(GATLayer(FEATURES, WIDTH, HEADS, concat=True, dropout=0.0)), normal(3, FEATURES)
    out, weights = layer(x, edges)
    assert_close(out[2], x[2] @ layer.weight + layer.bias)
    assert_close(weights[:, edges.rows == 2], torch.ones(HEADS, 1, dtype=torch.float64))


def test_dropped_attention_weights_are_scaled_but_given_back_whole() -> None:
    layer = randomized(GATLayer(FEATURES, WIDTH, HEADS, concat=True, dropout=0.5))
    edges, x = neighborhoods(random_graph(0), NODES), normal(NODES, FEATURES)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        outs = torch.stack([layer(x, edges)[0] for _ in range(4000)])
    whole, weights = layer.eval()(x, edges)
    assert not torch.equal(outs[0], outs[1]) and torch.equal(weights, layer.train()(x, edges)[1])
    assert (outs.mean(dim=0) - whole).abs().max() < 5 * (outs.std(dim=0) / 4000**0.5).max()


def test_weighted_adjacency_is_that_of_pyg_and_of_ones_the_unweighted_one() -> None:
    from torch_geometric.nn.conv.gcn_conv import gcn_norm

    edges = torch.tensor([[0, 1, 2, 3, 0, 2], [1, 2, 3, 0, 2, 2]])
    weights = torch.tensor([0.5, 2.0, 0.0, 1.5, 3.0, 1.0])
    index, values = gcn_norm(edges, weights, 5)
    expected = torch.zeros(5, 5).index_put((index[1], index[0]), values, accumulate=True)
    assert_close(normalized_adjacency(edges, 5, edge_weight=weights) @ torch.eye(5), expected)
    ones = normalized_adjacency(edges, 5, edge_weight=torch.ones(6)) @ torch.eye(5)
    assert_close(ones, normalized_adjacency(edges, 5) @ torch.eye(5))
