"""Names of metrics: the value that is meant, those of replicas, and the score of a test."""

import pytest
import torch

from lab.metrics import Metric, is_replica_metric, replica_values, score_metric
from nets import replica_metrics
from nets.replicas import REPLICA_SUFFIX


def test_a_metric_means_its_last_value_or_its_first_one():
    assert Metric.parse("val/loss").of([3.0, 2.0]) == 2.0 and Metric.parse("val/loss").name == "val/loss"
    assert Metric.parse("first val/loss") == Metric("val/loss", at_start=True)
    assert Metric.parse("first val/loss").of([3.0, 2.0]) == 3.0


def test_metrics_of_replicas_are_known_by_the_names_that_networks_give_them():
    logged = replica_metrics("val/loss", torch.tensor([1.0, 3.0]))
    assert [name for name in logged if is_replica_metric(name)] == [f"val/loss{REPLICA_SUFFIX}{r}" for r in (0, 1)]


@pytest.mark.parametrize(
    ("monitor", "preferred", "chosen"),
    [
        ("val/iou", (), "test/iou"),
        ("val/iou", ("no/such", "train/loss"), "train/loss"),
        ("train/loss", (), "test/loss"),
        ("", (), "test/loss"),
    ],
)
def test_the_score_of_a_run_is_preferred_or_the_twin_of_its_monitor_or_usual(monitor, preferred, chosen):
    measured = ["train/loss", "test/loss_replica_0", "test/bits", "test/iou", "test/loss"]
    assert score_metric(measured, monitor, preferred) == chosen


def test_any_test_is_a_score_and_without_one_there_is_none():
    assert score_metric(["train/loss", "test/bits_replica_0", "test/bits"]) == "test/bits"
    assert score_metric(["train/loss", "val/loss"], "val/loss") is None


def test_replicas_count_one_by_one_and_what_was_not_logged_counts_nothing() -> None:
    metrics = {"a": ([1], [0.5]), "b": ([1], [1.5]), "b_replica_0": ([1], [1.0]), "b_replica_1": ([1], [2.0])}
    assert [values for _, values in replica_values(metrics, "b")] == [[1.0], [2.0]]
    assert replica_values(metrics, "a") == [([1], [0.5])] and replica_values(metrics, "c") == []
