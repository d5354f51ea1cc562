"""The same sample in two splits: counted by content, so that a file's name or a label does not hide it.

Letters: N samples or nodes, I features, E edges.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:
    from torch_geometric.data import Data

SEEN_BEFORE = {"val": ("train",), "test": ("train", "val")}
WORDS = {"train": "training", "val": "validation", "test": "test"}
HOPS = 2


def fingerprints(samples: Iterable[bytes]) -> Tensor:
    """A number of 64 bits for each sample, equal where their bytes are; that of others is so once in 10¹⁹ pairs.

    Shapes:
        N samples -> (N,) of type int64
    """
    digests = b"".join(hashlib.blake2b(sample, digest_size=8).digest() for sample in samples)
    return torch.from_numpy(np.frombuffer(digests, dtype=np.int64).copy())


def rows(tensor: Tensor) -> Iterator[bytes]:
    """The bytes of each row of a tensor (N, …); in the layout torch.sparse_csr those of its columns and entries."""
    if tensor.layout == torch.sparse_csr:
        starts = tensor.crow_indices().tolist()
        columns, values = tensor.col_indices().numpy(), tensor.values().numpy()
        for start, stop in pairwise(starts):
            yield columns[start:stop].tobytes() + values[start:stop].tobytes()
    else:
        yield from (row.tobytes() for row in tensor.flatten(1).numpy())


def node_fingerprints(graph: "Data", hops: int = HOPS) -> Tensor:
    """Numbers that are equal for nodes which no message passing over so many hops can tell apart.

    A node is no sample by itself: papers with the same words and other citations are different inputs. What a network
    sees is the node's features and, hop by hop, the multiset of its in-neighbours', the colours of the test of
    Weisfeiler and Leman ("How Powerful are Graph Neural Networks?", Xu et al., 2019, https://arxiv.org/abs/1810.00826).
    Nodes of equal colours get equal logits; in some published graphs such twins are on both sides of a split ("A
    critical look at the evaluation of GNNs under heterophily", Platonov et al., 2023,
    https://arxiv.org/abs/2302.11640).

    Args:
        graph: with ``x`` (N, I) and ``edge_index`` (2, E).
        hops: layers of a network, ≥ 0.

    Shapes:
        (N,) of type int64
    """
    colors = fingerprints(rows(graph.x))
    source, target = graph.edge_index
    for _ in range(hops):  # the sum of such numbers stands for their multiset
        sums = torch.zeros_like(colors).index_add_(0, target, colors[source])
        colors = fingerprints(rows(torch.stack([colors, sums], dim=1)))
    return colors


def describe_overlap(split: str, contents: Mapping[str, Tensor]) -> str | None:
    """A sentence on how many samples of a split are in those that were seen before it; None where none is.

    Args:
        split: "val" or "test".
        contents: the fingerprints of each split that is known.
    """
    of_split = contents[split]
    seen = {WORDS[other]: contents[other] for other in SEEN_BEFORE[split] if other in contents}
    counts = {word: int(torch.isin(of_split, of_other).sum()) for word, of_other in seen.items()}
    shared = " and ".join(f"{count} are also {word} samples" for word, count in counts.items() if count)
    if not shared:
        return None
    return (
        f"Of {len(of_split)} {WORDS[split]} samples {shared} (equal inputs): what they score says nothing of new data."
    )
