"""The attention of a graph attention network over the edges into each node.

Letters: N nodes, E edges with one self-loop for each node, H heads, C classes.
"""

import inspect

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.node_embeddings import check_graph, inputs_of
from callbacks.observing import log_replicas, undisturbed
from figures import draw_attention_entropy, draw_neighborhood
from lab.figures import save_figure
from lab.titles import replicas_of

MOST_NEIGHBOURS = 15  # of the node that is chosen to be drawn


class GraphAttention(Callback):
    """Draws the first layer's attention: its entropy over the edges into each node, and a node with its neighbours.

    "Graph Attention Networks" (Veličković et al., 2018), https://arxiv.org/abs/1710.10903.
    Works for a network with ``forward(x, edge_index, return_weights=True) -> (logits, [(edge_index, weights), …])``,
    one pair for each layer, a task with ``replicas``, of which the first is drawn, and a datamodule with a ``graph``.
    Draws ``graph_attention_entropy`` and ``graph_attention_neighborhood`` when training ends, and with ``_test`` in
    their names when testing ends. Logs ``attention/entropy_share`` in ``test``: entropy / log(degree), 1 for uniform
    attention, averaged over heads and over the nodes with two edges or more, their self-loops included; of replicas, of
    each.

    Args:
        node: which node is drawn with its neighbours, in [0, N); when None, the test node with most neighbours of other
            classes among those with at most 15 neighbours.

    Raises:
        ValueError: when the graph has no such node, the data no ``graph``, or the network cannot return its weights.
    """

    def __init__(self, node: int | None = None) -> None:
        self.node = node

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        check_graph(self, trainer)
        net = getattr(pl_module, "net", pl_module)
        if "return_weights" not in inspect.signature(net.forward).parameters:
            raise ValueError(
                f"GraphAttention needs a network that can return its attention weights, such as nets.GAT, but the "
                f"network is {type(net).__name__}: take GraphAttention out of trainer.callbacks."
            )
        num_nodes = trainer.datamodule.graph.x.shape[0]
        if self.node is not None and not 0 <= self.node < num_nodes:
            raise ValueError(f"node of GraphAttention must be in [0, {num_nodes}), but it is {self.node}.")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, pl_module, "")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        shares = []
        for edge_index, weights in first_attention(trainer, pl_module):
            degrees = degrees_of(edge_index, trainer.datamodule.graph.x.shape[0])
            shares.append(entropy_share(attention_entropy(edge_index, weights, len(degrees)), degrees))
        if degrees.max() > 1:
            log_replicas(pl_module, "attention/entropy_share", torch.stack(shares))

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw(trainer, pl_module, "_test")

    def _draw(self, trainer: Trainer, pl_module: LightningModule, suffix: str) -> None:
        if not trainer.is_global_zero:
            return
        graph, names = trainer.datamodule.graph, getattr(trainer.datamodule, "class_names", None)
        shown = replicas_of(pl_module, "first")
        edge_index, weights = first_attention(trainer, pl_module)[0]
        degrees = degrees_of(edge_index, graph.x.shape[0])
        entropy = attention_entropy(edge_index, weights, len(degrees))
        shares = torch.stack([entropy_share(of_head[:, None], degrees) for of_head in entropy.T])
        figure = draw_attention_entropy(entropy, degrees, shares)
        save_figure(figure, f"graph_attention_entropy{suffix}", trainer, shown)
        labels, among = graph.y.cpu(), graph.test_mask.cpu()
        node = choose_node(edge_index, labels, among) if self.node is None else self.node
        figure = draw_neighborhood(node, edge_index, weights, labels, class_names=names)
        save_figure(figure, f"graph_attention_neighborhood{suffix}", trainer, shown)


def first_attention(trainer: Trainer, pl_module: LightningModule) -> list[tuple[Tensor, Tensor]]:
    """The edges of the first layer and the attention over those into each node, of every replica.

    Shapes:
        R pairs of (2, E), (E, H)
    """
    inputs = inputs_of(pl_module, trainer.datamodule.graph)
    with undisturbed(pl_module):
        first = [net(*inputs, return_weights=True)[1][0] for net in pl_module.replicas()]
    return [(edge_index.cpu(), weights.cpu().float()) for edge_index, weights in first]


def degrees_of(edge_index: Tensor, num_nodes: int) -> Tensor:
    """How many edges lead into each node, its self-loop included: (N,)."""
    return torch.bincount(edge_index[1], minlength=num_nodes)


def attention_entropy(edge_index: Tensor, alpha: Tensor, num_nodes: int) -> Tensor:
    r"""The entropy of the attention over the edges into each node, −Σⱼ α_ij log α_ij, at most log(degree).

    Args:
        edge_index: sources and targets of the edges.
        alpha: the attention, which sums to 1 over the edges into a node.
        num_nodes: nodes N.

    Shapes:
        edge_index (2, E), alpha (E, H) -> (N, H)
    """
    terms = torch.special.entr(alpha.double())
    return terms.new_zeros(num_nodes, alpha.shape[1]).index_add_(0, edge_index[1], terms)


def entropy_share(entropy: Tensor, degrees: Tensor) -> Tensor:
    """entropy / log(degree), averaged over heads and over the nodes with two edges or more.

    Shapes:
        entropy (N, H), degrees (N,) -> ()
    """
    several = degrees > 1
    return (entropy[several] / degrees[several, None].to(entropy.dtype).log()).mean()


def choose_node(edge_index: Tensor, labels: Tensor, among: Tensor) -> int:
    """The node with most neighbours of other classes among those with at most 15; if all have more, the fewest.

    Shapes:
        edge_index with self-loops (2, E), labels (N,), among which nodes (N,) of bool, all where it is none -> a number
    """
    nodes = among.nonzero()[:, 0] if among.any() else torch.arange(len(labels))
    source, target = edge_index
    neighbours = degrees_of(edge_index, len(labels))[nodes] - 1
    others = torch.bincount(target[labels[source] != labels[target]], minlength=len(labels))[nodes]
    few = torch.where(neighbours <= MOST_NEIGHBOURS, (MOST_NEIGHBOURS + 1) * others + neighbours, -neighbours)
    return int(nodes[few.argmax()])
