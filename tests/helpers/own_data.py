"""Data of a person's own, as files: a graph of wines, Bulgarian and Greek names, and sines."""

import csv
import math
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

CYRILLIC, GREEK = "абвгдежз", "αβγδεζηθ"


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_wine(folder: Path, labeled: bool = True) -> Path:
    """scikit-learn's 178 wines, each joined to the five that are most like it."""
    from sklearn.datasets import load_wine
    from sklearn.neighbors import kneighbors_graph
    from sklearn.preprocessing import scale

    data = load_wine()
    features = scale(data.data)
    source, target = kneighbors_graph(features, 5).tocoo().coords
    label = ["label"] if labeled else []
    rows = (
        [f"wine {number}", *([data.target_names[of]] if labeled else []), *map(float, row)]
        for number, (row, of) in enumerate(zip(features, data.target, strict=True))
    )
    write_csv(folder / "nodes.csv", ["id", *label, *data.feature_names], rows)
    pairs = ((f"wine {one}", f"wine {other}") for one, other in zip(source, target, strict=True))
    write_csv(folder / "edges.csv", ["source", "target"], pairs)
    return folder


def write_names(path: Path, count: int = 120) -> Path:
    """Names with the endings and the letters of two languages."""
    draw = random.Random(0)
    rows = []
    for number in range(count):
        letters, end, of = ((CYRILLIC, "ов", "Bulgarian"), (GREEK, "ος", "Greek"))[number % 2]
        rows.append(["".join(draw.choice(letters) for _ in range(6)) + end, of])
    return write_csv(path, ["text", "label"], rows)


def write_sine(path: Path, start: int = 0, count: int = 240, labeled: bool = True) -> Path:
    """A sine of the time, and where labelled its value eight rows later as another column."""
    header = ["x", *(["later"] if labeled else [])]
    rows = ([math.sin(t / 6), *([math.sin((t + 8) / 6)] if labeled else [])] for t in range(start, start + count))
    return write_csv(path, header, rows)


def write_arrays(path: Path, num_splits: int = 4) -> Path:
    """A ring of 40 nodes of two classes whose features tell them, with several public splits."""
    nodes = np.arange(40)
    y = nodes % 2
    x = np.stack([y + 0.1 * np.cos(nodes), np.sin(nodes)], axis=1)
    masks = np.stack([(nodes + number) % 4 for number in range(num_splits)], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        path, x=x, edge_index=np.stack([nodes, (nodes + 2) % 40]), y=y, train_mask=masks < 2, val_mask=masks == 2,
        test_mask=masks == 3,
    )  # fmt: skip
    return path
