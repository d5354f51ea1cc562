"""A small citation graph in the files of Planetoid, for tests that need no network."""

import pickle
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

NUM_VAL = 500


def write_planetoid(
    folder: Path,
    name: str = "cora",
    num_nodes: int = 700,
    num_features: int = 30,
    num_classes: int = 3,
    gaps: bool = False,
    seed: int = 0,
) -> None:
    """Write the eight files ``ind.<name>.*``; words tell the class of a paper, and papers mostly cite their own class.

    Args:
        folder: where the files shall lie; it is made.
        num_nodes: papers, more than 20 of each class, which train, and 500, which validate; the rest tests.
        num_features: words, ≥ ``num_classes``, each favoured by one class.
        num_classes: classes, ≥ 2.
        gaps: leave every 14th test node without neighbours, features and class, as CiteSeer does.
    """
    rng = np.random.default_rng(seed)
    num_train = 20 * num_classes
    num_all = num_train + NUM_VAL
    classes = np.arange(num_nodes) % num_classes
    classes[num_train:] = rng.permutation(classes[num_train:])
    favoured = np.arange(num_features) % num_classes == classes[:, None]
    words = (rng.random(favoured.shape) < np.where(favoured, 0.2, 0.05)).astype(np.float32)
    test = np.arange(num_all, num_nodes)
    left_out = test[:-1][7::14] if gaps else test[:0]
    test = rng.permutation(np.setdiff1d(test, left_out))
    one_hot = np.eye(num_classes, dtype=np.int32)[classes]
    folder.mkdir(parents=True, exist_ok=True)
    for part, nodes in {"": np.arange(num_train), "t": test, "all": np.arange(num_all)}.items():
        write_pickle(folder / f"ind.{name}.{part}x", csr_matrix(words[nodes]))
        write_pickle(folder / f"ind.{name}.{part}y", one_hot[nodes])
    write_pickle(folder / f"ind.{name}.graph", _citations(classes, set(left_out.tolist()), rng))
    (folder / f"ind.{name}.test.index").write_text("".join(f"{node}\n" for node in test))


def _citations(classes: np.ndarray, left_out: set[int], rng: np.random.Generator) -> defaultdict[int, list[int]]:
    """Neighbours of every node, in both directions, with a self-loop and some repeats, as in the real files."""
    graph = defaultdict(list, {node: [] for node in range(len(classes))})
    present = np.array([node for node in range(len(classes)) if node not in left_out])
    for node in present.tolist():
        for _ in range(2):
            alike = present[classes[present] == classes[node]]
            other = int(rng.choice(alike if rng.random() < 0.85 else present))
            graph[node].append(other)
            graph[other].append(node)
    graph[0] += [0, graph[0][0]]
    return graph


def write_pickle(path: Path, value: Any) -> None:
    """Pickle as Python 2 and the NumPy and SciPy of its time did, as far as the names of modules go."""
    content = pickle.dumps(value, 2)
    for today, then in {b"scipy.sparse._csr": b"scipy.sparse.csr", b"numpy._core": b"numpy.core"}.items():
        content = content.replace(today, then)
    path.write_bytes(content)
