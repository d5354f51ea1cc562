"""The digits as a graph."""

import pytest
import torch

from datamodules import DigitsDataModule, DigitsGraphDataModule
from datamodules.digits_graph import nearest_neighbors


@pytest.fixture(scope="module")
def data() -> DigitsGraphDataModule:
    data = DigitsGraphDataModule()
    data.setup("fit")
    return data


def test_neighbours_are_the_nearest_of_either_side() -> None:
    points = torch.randn(30, 3, generator=torch.Generator().manual_seed(0))
    distances = torch.cdist(points, points).fill_diagonal_(torch.inf)
    nearest = torch.zeros(30, 30, dtype=torch.bool).scatter(1, distances.topk(4, largest=False).indices, True)
    source, target = nearest_neighbors(points, 4)
    found = torch.zeros(30, 30, dtype=torch.bool)
    found[source, target] = True
    assert torch.equal(found, nearest | nearest.T) and len(source) == int(found.sum())


def test_neighbours_mostly_show_the_same_digit(data: DigitsGraphDataModule) -> None:
    source, target = data.graph.edge_index
    assert (data.graph.y[source] == data.graph.y[target]).float().mean() > 0.95
    degrees = target.bincount(minlength=1797)
    assert int(degrees.min()) >= 10 and data.graph.x.shape == (1797, 64) and float(data.graph.x.max()) == 1.0


def test_the_split_has_twenty_labels_a_class_and_the_test_digits_of_digits(data: DigitsGraphDataModule) -> None:
    graph = data.graph
    assert graph.y[graph.train_mask].bincount().tolist() == [20] * 10
    assert (int(graph.val_mask.sum()), int(graph.test_mask.sum())) == (300, 360)
    images = DigitsDataModule(flatten=True)
    images.setup("test")
    rows, labels = images.datasets["test"].tensors
    assert sorted(graph.x[graph.test_mask].tolist()) == sorted(rows.tolist())
    assert torch.equal(graph.y[graph.test_mask].bincount(), labels.bincount())


def test_the_seed_draws_the_labels_and_not_the_test(data: DigitsGraphDataModule) -> None:
    other = DigitsGraphDataModule(seed=1)
    other.setup("fit")
    assert torch.equal(other.graph.test_mask, data.graph.test_mask)
    assert not torch.equal(other.graph.train_mask, data.graph.train_mask)


ERRORS = {
    r"k must be at least 1, but it is 0\.": {"k": 0},
    r"k must be in \[1, 1796\], the number of other points, but it is 1797\.": {"k": 1797},
    r"num_labeled_per_class must be at least 1, but it is 0\.": {"num_labeled_per_class": 0},
    r"num_labeled_per_class is 150, but class \d has \d+ nodes to draw from\.": {"num_labeled_per_class": 150},
    r"num_val must be at least 0, but it is -1\.": {"num_val": -1},
    r"num_val must be in \[0, 1237\], the nodes that are left, but it is 1300\.": {"num_val": 1300},
}


@pytest.mark.parametrize(("message", "arguments"), ERRORS.items(), ids=list(ERRORS))
def test_mistakes_are_named(message: str, arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=message):
        DigitsGraphDataModule(**arguments).setup("fit")
