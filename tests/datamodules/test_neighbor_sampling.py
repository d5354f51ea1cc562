"""The sampler of neighbours, against a slow twin, by its statistics, and in PyG's loader."""

import pickle
from collections import Counter

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.loader import NodeLoader
from torch_geometric.sampler import EdgeSamplerInput, NodeSamplerInput, SamplerOutput
from torch_geometric.utils import k_hop_subgraph

from datamodules.neighbor_sampling import UniformNeighborSampler

NUM_NODES = 30


def random_edges(seed: int, num_edges: int = 120) -> Tensor:
    """Edges among the first 25 of 30 nodes, some of them parallel, some of them self-loops."""
    edges = torch.randint(25, (2, num_edges), generator=torch.Generator().manual_seed(seed))
    edges[:, :10] = edges[:, 10:20]
    edges[1, 20:25] = edges[0, 20:25]
    return edges


def sample(sampler: UniformNeighborSampler, *nodes: int) -> SamplerOutput:
    return sampler.sample_from_nodes(NodeSamplerInput(input_id=None, node=torch.tensor(nodes, dtype=torch.long)))


def drawn_edges(out: SamplerOutput) -> list[int]:
    return out.edge.tolist()


def check_against_twin(
    edge_index: Tensor, num_neighbors: tuple[int, ...], out: SamplerOutput, seeds: list[int]
) -> None:
    """Walk hop by hop over plain lists, and hold each hop's edges against all that it might have drawn."""
    reached, frontier, edges = list(seeds), list(seeds), drawn_edges(out)
    assert len(edges) == len(set(edges))
    assert out.num_sampled_nodes[0] == len(seeds)
    for hop, number in enumerate(num_neighbors):
        drawn, edges = edges[: out.num_sampled_edges[hop]], edges[out.num_sampled_edges[hop] :]
        by_target = Counter(int(edge_index[1, edge]) for edge in drawn)
        for node in frontier:
            degree = int((edge_index[1] == node).sum())
            assert by_target.pop(node, 0) == (degree if number == -1 else min(degree, number))
        assert not by_target  # no edges into other nodes
        frontier = sorted({int(edge_index[0, edge]) for edge in drawn} - set(reached))
        reached += frontier
        assert out.num_sampled_nodes[hop + 1] == len(frontier)
    assert out.node.tolist() == reached and not edges
    assert torch.equal(out.node[torch.stack([out.row, out.col])], edge_index[:, out.edge])


@pytest.mark.parametrize("num_neighbors", [(1,), (3, 2), (2, 100), (-1, 2), (2, -1, 1), (-1, -1, -1)])
def test_each_hop_draws_as_many_edges_as_it_should_and_no_others(num_neighbors: tuple[int, ...]) -> None:
    for seed in range(15):
        edges = random_edges(seed)
        sampler = UniformNeighborSampler(edges, NUM_NODES, num_neighbors, seed)
        for seeds in ([seed], [3, 29, 0, 7], list(range(NUM_NODES))):
            check_against_twin(edges, num_neighbors, sample(sampler, *seeds), seeds)
            assert (sampler._local == -1).all()


@pytest.mark.parametrize("num_hops", [1, 2, 3])
def test_all_neighbours_are_those_of_the_subgraph_around_the_nodes(num_hops: int) -> None:
    for seed in range(10):
        edges, seeds = random_edges(seed, num_edges=50), [seed, 24, 27]
        out = sample(UniformNeighborSampler(edges, NUM_NODES, [-1] * num_hops), *seeds)
        nodes = k_hop_subgraph(seeds, num_hops, edges, num_nodes=NUM_NODES)[0]
        assert torch.equal(out.node.sort().values, nodes)
        inner = k_hop_subgraph(seeds, num_hops - 1, edges, num_nodes=NUM_NODES)[0]
        assert torch.equal(out.edge.sort().values, torch.isin(edges[1], inner).nonzero()[:, 0])


def test_a_graph_without_edges_and_a_batch_without_nodes() -> None:
    out = sample(UniformNeighborSampler(torch.empty(2, 0, dtype=torch.long), 5, [2, -1]), 4, 1)
    assert out.node.tolist() == [4, 1] and drawn_edges(out) == []
    out = sample(UniformNeighborSampler(random_edges(0), NUM_NODES, [2, 2]))
    assert out.node.tolist() == [] and out.num_sampled_edges == [0, 0]


def test_edges_are_drawn_uniformly_without_replacement() -> None:
    """Each of 8 edges is among the 3 drawn with the probability 3/8, each pair of them with 3/28."""
    edges = torch.stack([torch.arange(1, 17), torch.tensor([0] * 8 + [1] * 8)])
    sampler, draws = UniformNeighborSampler(edges, 17, [3]), 2000
    drawn = torch.zeros(draws, 16)
    for sampler.epoch in range(draws):
        drawn[sampler.epoch, sample(sampler, 1, 0).edge] = 1
    together = drawn.T @ drawn / draws
    for into in (slice(0, 8), slice(8, 16)):
        squares = (together[into, into].diag() - 3 / 8).square().sum()
        assert squares * draws / (3 / 8 * 5 / 8) * 7 / 8 < 24.3  # chi² of 7 degrees of freedom, once in 1000
        pairs = together[into, into][tuple(torch.triu_indices(8, 8, offset=1))]
        assert (pairs - 3 / 28).abs().max() < 4 * (3 / 28 * 25 / 28 / draws) ** 0.5
    between_targets = together[:8, 8:]  # independent of each other
    assert (between_targets - 9 / 64).abs().max() < 4 * (9 / 64 * 55 / 64 / draws) ** 0.5


def test_what_is_drawn_depends_on_seed_epoch_and_nodes_alone() -> None:
    edges = random_edges(0, num_edges=400)

    def draw(seed: int = 0, epoch: int = 0, nodes: tuple[int, ...] = (1, 2, 3), before: int = 0) -> list[int]:
        torch.manual_seed(before)
        sampler = UniformNeighborSampler(edges, NUM_NODES, [4, 4], seed)
        for other in range(before):
            sample(sampler, other)
        sampler.epoch = epoch
        return drawn_edges(sample(sampler, *nodes))

    assert draw() == draw(before=3)
    assert len({tuple(draw(seed, epoch)) for seed in (-1, 0, 1, 2**70) for epoch in range(5)}) == 20
    assert draw(seed=1, epoch=11) != draw(seed=11, epoch=1)
    assert draw(nodes=(1, 2, 3))[:8] != draw(nodes=(1, 2, 4))[:8]  # those into the nodes 1 and 2


def test_global_generators_are_left_alone() -> None:
    before = torch.random.get_rng_state()
    sampler = UniformNeighborSampler(random_edges(0), NUM_NODES, [2, 2])
    sample(sampler, 0, 1, 2)
    assert torch.equal(torch.random.get_rng_state(), before)


def make_data() -> Data:
    generator = torch.Generator().manual_seed(1)
    edges = random_edges(5, num_edges=300)
    x, y = torch.randn(NUM_NODES, 4, generator=generator), torch.arange(NUM_NODES) % 3
    return Data(x=x, y=y, edge_index=edges, edge_attr=torch.arange(300.0)[:, None])


def make_loader(data: Data, sampler: UniformNeighborSampler, **arguments: object) -> NodeLoader:
    return NodeLoader(data, node_sampler=sampler, **{"input_nodes": torch.arange(20), "batch_size": 8, **arguments})


@pytest.mark.parametrize("num_workers", [0, 1])
def test_a_loaders_batch_is_a_part_of_the_graph_with_the_seeds_first(num_workers: int) -> None:
    data = make_data()
    sampler = UniformNeighborSampler(data.edge_index, NUM_NODES, [3, 2])
    batches = list(make_loader(data, sampler, num_workers=num_workers))
    assert [batch.batch_size for batch in batches] == [8, 8, 4]
    assert torch.cat([batch.n_id[: batch.batch_size] for batch in batches]).tolist() == list(range(20))
    for batch in batches:
        assert len(batch.n_id.unique()) == len(batch.n_id) == batch.num_nodes
        assert torch.equal(batch.x, data.x[batch.n_id]) and torch.equal(batch.y, data.y[batch.n_id])
        assert torch.equal(batch.n_id[batch.edge_index], data.edge_index[:, batch.e_id])
        assert torch.equal(batch.edge_attr, data.edge_attr[batch.e_id])
        assert sum(batch.num_sampled_nodes) == batch.num_nodes and sum(batch.num_sampled_edges) == batch.num_edges


def test_a_mask_names_the_seeds_and_batches_repeat_in_an_epoch_only() -> None:
    data = make_data()
    sampler = UniformNeighborSampler(data.edge_index, NUM_NODES, [3, 2])
    loader = make_loader(data, sampler, input_nodes=(data.y == 1) & (torch.arange(NUM_NODES) < 24), batch_size=4)

    def epoch(number: int) -> list[tuple[Tensor, Tensor]]:
        sampler.epoch = number
        return [(batch.n_id, batch.e_id) for batch in loader]

    first, again, other = epoch(0), epoch(0), epoch(1)
    assert torch.cat([nodes[:4] for nodes, _ in first[:2]]).tolist() == list(range(1, 24, 3))
    assert all(torch.equal(a, b) for one, two in zip(first, again, strict=True) for a, b in zip(one, two, strict=True))
    assert all(one.tolist() != two.tolist() for (_, one), (_, two) in zip(first, other, strict=True))


def test_a_copy_made_by_pickle_draws_the_same() -> None:
    sampler = UniformNeighborSampler(random_edges(0), NUM_NODES, [2, 2], seed=3)
    sampler.epoch = 5
    copy = pickle.loads(pickle.dumps(sampler))
    assert drawn_edges(sample(copy, 4, 5)) == drawn_edges(sample(sampler, 4, 5)) and sampler.edge_permutation is None


@pytest.mark.parametrize("num_neighbors", [[], [0], [5, 0], [5, -2]])
def test_wrong_numbers_of_neighbours_are_refused(num_neighbors: list[int]) -> None:
    with pytest.raises(ValueError, match=r"num_neighbors must hold a number for each hop, at least 1, or -1 for all"):
        UniformNeighborSampler(random_edges(0), NUM_NODES, num_neighbors)


@pytest.mark.parametrize(
    ("edge_index", "message"),
    [
        (torch.zeros(3, 2, dtype=torch.long), r"edge_index must have the shape \(2, E\), but it has \(3, 2\)"),
        (torch.zeros(2, dtype=torch.long), r"edge_index must have the shape \(2, E\), but it has \(2,\)"),
        (torch.tensor([[0], [30]]), r"edge_index must be whole numbers from 0 to 29, but hold"),
        (torch.tensor([[-1], [0]]), r"edge_index must be whole numbers from 0 to 29, but hold"),
        (torch.zeros(2, 2), r"edge_index must be whole numbers from 0 to 29, but hold"),
    ],
)
def test_wrong_edges_are_refused(edge_index: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        UniformNeighborSampler(edge_index, NUM_NODES, [2])


def test_wrong_nodes_are_refused_and_the_next_batch_is_none_the_worse() -> None:
    sampler = UniformNeighborSampler(random_edges(0), NUM_NODES, [2, 2])
    expected = drawn_edges(sample(sampler, 1, 2))
    with pytest.raises(ValueError, match=r"the nodes of a batch must be distinct, but one of them stands in it twice"):
        sample(sampler, 4, 5, 4)
    for wrong in (-1, NUM_NODES):
        with pytest.raises(ValueError, match=r"the nodes of a batch must be whole numbers from 0 to 29, but hold"):
            sample(sampler, 0, wrong)
    assert drawn_edges(sample(sampler, 1, 2)) == expected


def test_edges_cannot_be_seeds() -> None:
    sampler = UniformNeighborSampler(random_edges(0), NUM_NODES, [2])
    with pytest.raises(NotImplementedError, match=r"samples around nodes only: use it with a NodeLoader"):
        sampler.sample_from_edges(EdgeSamplerInput(None, torch.tensor([0]), torch.tensor([1])))
