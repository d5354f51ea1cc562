"""Zachary's karate club: 34 members, 78 friendships, and a quarrel."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from datamodules.node_batches import NodeDataModule
from datamodules.node_splits import draw_per_class

if TYPE_CHECKING:
    from torch_geometric.data import Data

CLUBS = ("Mr. Hi", "Officer")
LABELS = ("club", "greedy_modularity", "communities")


class KarateClubDataModule(NodeDataModule):
    """Who sides with whom in a karate club; a member's features say nothing but who it is (the identity matrix).

    "An Information Flow Model for Conflict and Fission in Small Groups" (Zachary, 1977),
    https://www.jstor.org/stable/3629752, shipped with networkx and PyG. The labels are the clubs that the members
    joined after the quarrel, or communities found from the friendships alone, which are not the same:

    - "greedy_modularity": two communities, joined greedily while the modularity grows most ("Finding community
      structure in very large networks", Clauset, Newman and Moore, 2004, https://arxiv.org/abs/cond-mat/0408187;
      networkx's function on unweighted friendships). They put members 8 and 9 on the side that they did not join.
    - "communities" with ``num_communities=2``: the signs of the leading eigenvector of the modularity matrix ("Finding
      community structure in networks using the eigenvectors of matrices", Newman, 2006,
      https://arxiv.org/abs/physics/0605087). They put member 8 alone on the other side.
    - "communities" with ``num_communities=4``: those that PyG ships and that "Semi-Supervised Classification with Graph
      Convolutional Networks" (Kipf and Welling, 2017), https://arxiv.org/abs/1609.02907, draws.

    Pictures show the club that a member joined by its shape.

    Nodes with labels that are no test nodes train; there are too few members for a validation split, so the training
    nodes are what is validated on.

    Args:
        labels: "club", "greedy_modularity" or "communities".
        num_communities: 2, or of "communities" also 4.
        test_nodes: numbers of the test nodes; all without a label when None.
        num_labeled_per_class: members of each class whose labels train, drawn by the seed, ≥ 1; all but the test nodes
            when None.
        seed: draws the labelled members.

    Shapes:
        x (34, 34), edge_index (2, 156), y (34,)

    Raises:
        ValueError: when an argument is out of its range, or no node is left to test.
    """

    def __init__(
        self,
        labels: str = "club",
        num_communities: int = 2,
        test_nodes: list[int] | None = None,
        num_labeled_per_class: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(seed=seed)
        if labels not in LABELS:
            raise ValueError(f'labels must be one of {", ".join(LABELS)}, but it is "{labels}".')
        if num_communities not in (2, 4):
            raise ValueError(f"num_communities must be 2 or 4, but it is {num_communities}.")
        if labels == "greedy_modularity" and num_communities == 4:
            raise ValueError("greedy_modularity is of two communities, not 4: set data.labels to communities.")
        if test_nodes is None and num_labeled_per_class is None:
            raise ValueError("no node is left to test: give test_nodes, or num_labeled_per_class, or both.")
        self.labels, self.test_nodes, self.num_labeled_per_class = labels, test_nodes, num_labeled_per_class
        self.num_classes = 2 if labels == "club" else num_communities
        self.class_names = CLUBS if labels == "club" else tuple(f"community {n}" for n in range(self.num_classes))

    def load_graph(self) -> "Data":
        from torch_geometric.datasets import KarateClub

        graph = KarateClub()[0]
        club = club_of_members()
        self.marks = (tuple(f"joined {name}" for name in CLUBS), club)
        if self.labels == "club":
            graph.y = club
        elif self.labels == "greedy_modularity":
            graph.y = greedy_communities()
        elif self.num_classes == 2:
            graph.y = two_communities(graph.edge_index, graph.num_nodes)
        mask = torch.zeros(graph.num_nodes, dtype=torch.bool)
        if self.test_nodes is not None:
            mask[self._known(graph.num_nodes)] = True
        train = ~mask
        if self.num_labeled_per_class is not None:
            generator = torch.Generator().manual_seed(self.seed)
            train = draw_per_class(graph.y, train, self.num_labeled_per_class, generator)
        graph.train_mask, graph.val_mask = train, torch.zeros_like(train)
        graph.test_mask = ~train if self.test_nodes is None else mask
        return graph

    def _known(self, num_nodes: int) -> list[int]:
        wrong = [node for node in self.test_nodes if not 0 <= node < num_nodes]
        if wrong:
            raise ValueError(f"test_nodes names {wrong}, but the members are 0 to {num_nodes - 1}.")
        return self.test_nodes


def club_of_members() -> Tensor:
    """Which club each member went to: 0 for Mr. Hi's, 1 for the officer's, (34,)."""
    import networkx

    members = networkx.karate_club_graph().nodes(data="club")
    return torch.tensor([CLUBS.index(club) for _, club in members])


def greedy_communities() -> Tensor:
    """Two communities of greedily grown modularity, so that node 0 is in community 0, (34,)."""
    import networkx

    members = networkx.karate_club_graph()
    found = networkx.community.greedy_modularity_communities(members, cutoff=2, best_n=2)
    (first,) = (community for community in found if 0 in community)
    return torch.tensor([int(member not in first) for member in members])


def two_communities(edge_index: Tensor, num_nodes: int) -> Tensor:
    """The signs of the leading eigenvector of B = A − k kᵀ / 2m, so that node 0 is in community 0.

    Shapes:
        edge_index (2, 2m) of both directions -> (N,)
    """
    adjacency = torch.zeros(num_nodes, num_nodes, dtype=torch.float64)
    adjacency[edge_index[0], edge_index[1]] = 1.0
    degrees = adjacency.sum(dim=1)
    modularity = adjacency - degrees[:, None] * degrees / degrees.sum()
    leading = torch.linalg.eigh(modularity).eigenvectors[:, -1]
    return (leading.sign() != leading[0].sign()).long()
