"""What a title says: the run and the data that it is of, and which replicas."""

from types import SimpleNamespace

import pytest

from datamodules import DigitsDataModule, MNISTDataModule, PlanetoidDataModule, SurnamesDataModule
from lab.titles import data_name, joined, replicas_of, title_of
from lab.training.loggers import RunLogger


class Trees:
    """Data that are no datamodule of ours."""

    name = None


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (lambda: DigitsDataModule(), "Digits"),
        (lambda: MNISTDataModule("FashionMNIST"), "FashionMNIST"),
        (lambda: PlanetoidDataModule("CiteSeer"), "CiteSeer"),
        (lambda: SurnamesDataModule("files"), "Surnames (files)"),
        (lambda: Trees(), "Trees"),
        (lambda: None, ""),
    ],
    ids=["digits", "clothes", "papers", "names", "own", "none"],
)
def test_the_data_are_named_by_their_name_or_that_of_their_class(data, name):
    assert data_name(SimpleNamespace(datamodule=data())) == name


def test_a_run_of_a_config_on_other_data_says_so(tmp_path):
    logger = RunLogger(tmp_path, "gcn_cora", "version_0")
    trainer = SimpleNamespace(loggers=[logger], datamodule=PlanetoidDataModule("CiteSeer"))
    assert title_of(trainer) == "gcn_cora on CiteSeer"
    trainer.loggers = [RunLogger(tmp_path / "gcn_cora" / "version_0", "evaluations", "last")]
    assert title_of(trainer) == "gcn_cora on CiteSeer"
    trainer.loggers = []
    assert title_of(trainer) == "CiteSeer"
    assert title_of(SimpleNamespace(loggers=[logger])) == "gcn_cora"  # without a datamodule


def test_replicas_are_said_where_there_are_several():
    task = SimpleNamespace(num_replicas=3)
    shown = [replicas_of(task, which) for which in ("first", "mean", "all")]
    assert shown == ["replica 0 of 3", "mean of 3 replicas", "all 3 replicas"]
    assert replicas_of(SimpleNamespace(num_replicas=1), "first") == replicas_of(SimpleNamespace(), "all") == ""
    assert joined("Cora", "", "test") == "Cora, test"
