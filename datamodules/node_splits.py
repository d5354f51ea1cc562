"""Which nodes of a graph have labels to learn from."""

import torch
from torch import Tensor


def draw_per_class(labels: Tensor, candidates: Tensor, per_class: int, generator: torch.Generator) -> Tensor:
    """As many nodes of every class, drawn at random.

    Args:
        labels: the class of every node, (N,).
        candidates: a mask (N,) of the nodes to draw from.
        per_class: nodes of a class, ≥ 1.
        generator: draws them.

    Returns:
        a mask (N,) of the nodes.

    Raises:
        ValueError: when ``per_class`` is below 1, or a class has fewer candidates.
    """
    if per_class < 1:
        raise ValueError(f"num_labeled_per_class must be at least 1, but it is {per_class}.")
    mask = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique().tolist():
        of_class = (candidates & (labels == label)).nonzero()[:, 0]
        if len(of_class) < per_class:
            raise ValueError(
                f"num_labeled_per_class is {per_class}, but class {label} has {len(of_class)} nodes to draw from."
            )
        mask[of_class[torch.randperm(len(of_class), generator=generator)[:per_class]]] = True
    return mask


def draw(name: str, count: int, candidates: Tensor, generator: torch.Generator) -> Tensor:
    """A mask (N,) of ``count`` nodes drawn at random; ``name`` is what the argument with their number is called.

    Raises:
        ValueError: when there are fewer candidates.
    """
    nodes = candidates.nonzero()[:, 0]
    if not 0 <= count <= len(nodes):
        raise ValueError(f"{name} must be in [0, {len(nodes)}], the nodes that are left, but it is {count}.")
    mask = torch.zeros_like(candidates)
    mask[nodes[torch.randperm(len(nodes), generator=generator)[:count]]] = True
    return mask


def draw_fractions(
    labels: Tensor, val_fraction: float, test_fraction: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """A split in which each class has its share of the validation and the test nodes, rounded; the rest trains.

    Args:
        labels: the class of every node, (N,); a node with a negative one is in no split.
        val_fraction: share that validates.
        test_fraction: share that tests.
        generator: draws them.

    Returns:
        the masks (N,) of the training, the validation and the test nodes.
    """
    masks = torch.zeros(3, len(labels), dtype=torch.bool)
    for label in labels[labels >= 0].unique():
        nodes = (labels == label).nonzero()[:, 0]
        nodes = nodes[torch.randperm(len(nodes), generator=generator)]
        ends = round(len(nodes) * test_fraction), round(len(nodes) * (test_fraction + val_fraction))
        for place, part in ((2, nodes[: ends[0]]), (1, nodes[ends[0] : ends[1]]), (0, nodes[ends[1] :])):
            masks[place, part] = True
    return masks[0], masks[1], masks[2]
