"""Whole graph networks: the papers' formulas, what is remembered of a graph, replicas, errors."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.testing import assert_close

from nets import GAT, GCN, call_replicas, normalized_adjacency, stack_replicas, take_replica
from nets.sparse import LastCall

NODES, FEATURES, CLASSES = 8, 6, 3
NETS = {
    "gcn": lambda **others: GCN(FEATURES, 4, CLASSES, **others),
    "deep gcn": lambda **others: GCN(FEATURES, [5, 2], CLASSES, activation="tanh", **others),
    "gat": lambda **others: GAT(FEATURES, 4, CLASSES, heads=2, **others),
}


@pytest.fixture(params=NETS.values(), ids=NETS)
def build(request: pytest.FixtureRequest) -> Any:
    return request.param


def edges(seed: int = 0) -> Tensor:
    return torch.randint(NODES, (2, 14), generator=torch.Generator().manual_seed(seed))


def features(seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(NODES, FEATURES, generator=generator, dtype=torch.float64).clamp(min=0)


def test_a_gcn_is_the_formula_of_the_paper() -> None:
    net, x = GCN(FEATURES, 4, CLASSES).double().eval(), features()
    first, last = net.layers
    adjacency = normalized_adjacency(edges(), NODES, torch.float64) @ torch.eye(NODES, dtype=torch.float64)
    hidden = torch.relu(adjacency @ x @ first.weight + first.bias)
    assert_close(net.encode(x, edges()), hidden)
    assert_close(net(x, edges()), adjacency @ hidden @ last.weight + last.bias)


def test_a_deep_gcn_has_a_layer_a_width() -> None:
    net = GCN(34, [16, 2], CLASSES, activation="tanh").eval()
    assert [tuple(layer.weight.shape) for layer in net.layers] == [(34, 16), (16, 2), (2, 3)]
    hidden = net.encode(torch.eye(34), torch.tensor([[0, 1], [1, 0]]))
    assert hidden.shape == (34, 2) and bool((hidden.abs() <= 1).all())


def test_a_gat_is_its_layers_with_an_elu_between() -> None:
    net, x = GAT(FEATURES, 4, CLASSES, heads=2, out_heads=3).double().eval(), features()
    logits, weights = net(x, edges(), return_weights=True)
    pattern = net._edges(the_edges := edges(), NODES)
    hidden = F.elu(net.layers[0](x, pattern)[0])
    assert_close(net.encode(x, the_edges), hidden)
    assert_close(logits, net.layers[1](hidden, pattern)[0])
    assert_close(net(x, the_edges), logits)
    assert [tuple(alpha.shape[1:]) for _, alpha in weights] == [(2,), (3,)]
    for (source, target), alpha in weights:
        assert source.dtype == torch.long and int((source == target).sum()) == NODES
        sums = torch.zeros(NODES, alpha.shape[1], dtype=torch.float64).index_add(0, target, alpha)
        assert_close(sums, torch.ones_like(sums))


def test_sparse_features_give_what_dense_ones_do(build: Any) -> None:
    net, x = build().double().eval(), features()
    dense, sparse = (net(one, edges()) for one in (x, x.to_sparse_csr()))
    assert_close(sparse, dense)
    parameters = list(net.parameters())
    assert_close(*(torch.autograd.grad(out.square().sum(), parameters) for out in (sparse, dense)))


def test_the_order_of_the_nodes_does_not_matter(build: Any) -> None:
    net, x, order = build().double().eval(), features(), torch.tensor([3, 1, 4, 0, 5, 7, 2, 6])
    place = order.argsort()
    assert_close(net(x[order], place[edges()]), net(x, edges())[order])


def test_another_graph_is_no_longer_the_one_remembered(build: Any) -> None:
    net, fresh = build().double().eval(), build().double().eval()
    fresh.load_state_dict(net.state_dict())
    net(features(), edges())
    assert_close(net(features(1), edges(1)), fresh(features(1), edges(1)))


def test_what_validation_prepares_in_inference_mode_serves_training(build: Any) -> None:
    net, x, edge_index = build().double(), features().to_sparse_csr(), edges()
    with torch.inference_mode():
        net.eval()(x, edge_index)
    net.train()(x, edge_index).sum().backward()
    assert net.layers[0].weight.grad is not None


def test_dropout_falls_on_features_and_hidden_layers(build: Any) -> None:
    net, x = build(dropout=0.5).double(), features()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.equal(net(x, edges()), net(x, edges()))
    assert torch.equal(net.eval()(x, the_edges := edges()), net(x, the_edges))


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_replicas_compute_what_each_computes_alone(build: Any, sparse: bool) -> None:
    x = features().to_sparse_csr() if sparse else features()
    stacked = stack_replicas(build(), 3, seed=7).double().eval()
    alone = [take_replica(stacked, number) for number in range(3)]
    out = call_replicas(stacked, x, edges())
    assert_close(out, torch.stack([net(x, edges()) for net in alone]))
    out.square().sum().backward()
    for number, net in enumerate(alone):
        wanted = torch.autograd.grad(net(x, edges()).square().sum(), list(net.parameters()))
        assert_close([parameter.grad[number] for parameter in stacked.parameters()], list(wanted))


def test_a_copy_remembers_nothing(build: Any) -> None:
    net = build().double().eval()
    logits = net(features().to_sparse_csr(), edges())
    for copied in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert all(memory.arguments is None for memory in vars(copied).values() if isinstance(memory, LastCall))
        assert_close(copied(features(), edges()), logits)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("mixed", [False, True], ids=["true", "mixed"])
def test_half_precision_trains(build: Any, mixed: bool, sparse: bool) -> None:
    net, x = build() if mixed else build().bfloat16(), features().float()
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
        loss = net(x.to_sparse_csr() if sparse else x, edges()).float().square().mean()
    loss.backward()
    assert all(bool(parameter.grad.isfinite().all()) for parameter in net.parameters())


def test_an_edge_that_is_changed_in_place_is_noticed(build: Any) -> None:
    net, x, edge_index = build().double().eval(), features(), edges()
    before = net(x, edge_index)
    edge_index[:, 0] = torch.tensor([0, 7])
    assert_close(net(x, edge_index), net(x, edge_index.clone()))
    assert not torch.equal(net(x, edge_index), before)


ERRORS = {
    r"edge_index names the node 9, but there are the nodes 0 to 7\.": lambda: GCN(6)(
        features().float(), torch.tensor([[0], [9]])
    ),
    r"edge_index names the node -1, but there are the nodes 0 to 7\.": lambda: GAT(6)(
        features().float(), torch.tensor([[-1], [3]])
    ),
    r"GCN cannot be compiled, since torch\.compile knows no sparse products\.": lambda: GCN(3).compile(),
    r"in_channels must be at least 1, but it is 0\.": lambda: GCN(0),
    r"hidden_channels must be at least 1, but it is \[4, 0\]\.": lambda: GCN(3, [4, 0]),
    r"hidden_channels must be at least 1, but it is \[\]\.": lambda: GCN(3, []),
    r'activation must be one of relu, tanh, but it is "gelu"\.': lambda: GCN(3, activation="gelu"),
    r"dropout must be in \[0, 1\), but it is 1\.0\.": lambda: GAT(3, dropout=1.0),
    r"heads must be at least 1, but it is 0\.": lambda: GAT(3, heads=0),
    r"x must be \(nodes, 3 features\), but it is \(8, 6\)\.": lambda: GCN(3)(features(), edges()),
    r"x must be \(nodes, 4 features\), but it is \(6,\)\.": lambda: GAT(4)(features()[0], torch.tensor([[0], [1]])),
}


@pytest.mark.parametrize(("message", "call"), ERRORS.items(), ids=list(ERRORS))
def test_mistakes_are_named(message: str, call: Any) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_every_module_with_parameters_can_be_initialised_anew(build: Any) -> None:
    net: nn.Module = build()
    before = {name: value.clone() for name, value in net.state_dict().items() if "bias" not in name}
    for layer in net.layers:
        layer.reset_parameters()
    assert all(not torch.equal(net.state_dict()[name], value) for name, value in before.items())
