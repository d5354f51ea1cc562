"""The karate club: its labels, its splits, and what they say of each other."""

import pytest
import torch

from datamodules import KarateClubDataModule
from datamodules.karate_club import club_of_members, greedy_communities, two_communities

HANDOUT = [0, 1, 3, 8, 15, 16, 20, 25, 28, 30]


def club(**arguments: object) -> KarateClubDataModule:
    data = KarateClubDataModule(**{"test_nodes": HANDOUT, **arguments})
    data.setup("fit")
    return data


def test_the_graph_has_34_members_and_78_friendships_in_both_directions() -> None:
    graph = club().graph
    assert graph.num_nodes == 34 and graph.edge_index.shape == (2, 2 * 78)
    assert torch.equal(graph.x, torch.eye(34))
    edges = {tuple(edge) for edge in graph.edge_index.T.tolist()}
    assert all((target, source) in edges for source, target in edges)


def test_the_clubs_are_those_of_the_literature() -> None:
    mr_hi = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 16, 17, 19, 21]
    assert (club_of_members() == 0).nonzero()[:, 0].tolist() == mr_hi


def test_two_communities_put_member_8_on_the_side_that_it_did_not_join() -> None:
    data = club(labels="communities")
    assert (data.graph.y != club_of_members()).nonzero()[:, 0].tolist() == [8]
    names, values = data.marks
    assert names == ("joined Mr. Hi", "joined Officer") and torch.equal(values, club_of_members())


def test_greedy_communities_put_members_8_and_9_on_the_side_that_they_did_not_join() -> None:
    data = club(labels="greedy_modularity")
    joined, labels = club_of_members(), data.graph.y
    assert (labels != joined).nonzero()[:, 0].tolist() == [8, 9]
    assert (joined[8], labels[8]) == (0, 1) and (joined[9], labels[9]) == (1, 0)
    assert bool(data.graph.test_mask[8]) and bool(data.graph.train_mask[9])


def test_the_two_ways_to_two_communities_differ_at_member_9() -> None:
    ways = [club(labels=labels).graph for labels in ("greedy_modularity", "communities")]
    assert (ways[0].y != ways[1].y).nonzero()[:, 0].tolist() == [9]
    degrees = ways[0].edge_index[1].bincount()
    assert degrees[9] == 2 and sorted(ways[0].edge_index[0, ways[0].edge_index[1] == 9].tolist()) == [2, 33]


def test_two_communities_have_a_larger_modularity_than_the_clubs() -> None:
    import networkx

    graph, edge_index = networkx.karate_club_graph(), club().graph.edge_index
    sides = [
        networkx.community.modularity(graph, [set((labels == side).nonzero()[:, 0].tolist()) for side in (0, 1)], None)
        for labels in (two_communities(edge_index, 34), greedy_communities(), club_of_members())
    ]
    assert sides[0] > sides[2] > 0.35 and sides[1] > sides[2]


def test_the_handouts_split_trains_on_all_other_members_and_validates_on_them() -> None:
    data = club(labels="communities")
    assert data.graph.test_mask.nonzero()[:, 0].tolist() == HANDOUT
    assert torch.equal(data.graph.train_mask, ~data.graph.test_mask)
    assert data.datasets["val"].nodes.tolist() == data.datasets["train"].nodes.tolist()
    assert data.num_classes == 2 and data.num_features == 34


def test_kipfs_split_has_one_label_a_class_and_tests_the_rest() -> None:
    data = club(labels="communities", num_communities=4, test_nodes=None, num_labeled_per_class=1)
    assert sorted(data.graph.y[data.graph.train_mask].tolist()) == [0, 1, 2, 3]
    assert int(data.graph.train_mask.sum()) == 4 and int(data.graph.test_mask.sum()) == 30
    other = club(labels="communities", num_communities=4, test_nodes=None, num_labeled_per_class=1, seed=1)
    assert not torch.equal(other.graph.train_mask, data.graph.train_mask)


def test_both_leave_members_without_a_role() -> None:
    graph = club(num_labeled_per_class=2).graph
    assert int(graph.train_mask.sum()) == 4 and int(graph.test_mask.sum()) == 10
    assert not bool((graph.train_mask & graph.test_mask).any())


ERRORS = {
    r'labels must be one of club, greedy_modularity, communities, but it is "clubs"\.': {"labels": "clubs"},
    r"greedy_modularity is of two communities, not 4: set data\.labels to communities\.": {
        "labels": "greedy_modularity",
        "num_communities": 4,
    },
    r"num_communities must be 2 or 4, but it is 3\.": {"num_communities": 3},
    r"no node is left to test: give test_nodes, or num_labeled_per_class, or both\.": {"test_nodes": None},
    r"test_nodes names \[34, -1\], but the members are 0 to 33\.": {"test_nodes": [3, 34, -1]},
    r"test_mask has no nodes: at least one is needed\.": {"test_nodes": []},
    r"num_labeled_per_class is 30, but class 0 has \d+ nodes to draw from\.": {"num_labeled_per_class": 30},
}


@pytest.mark.parametrize(("message", "arguments"), ERRORS.items(), ids=list(ERRORS))
def test_mistakes_are_named(message: str, arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=message):
        club(**arguments)
