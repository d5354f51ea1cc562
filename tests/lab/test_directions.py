"""Which way a metric is better, and what says so."""

import pytest

from lab.directions import contradiction, followed_mode, more_is_better


@pytest.mark.parametrize(
    ("metric", "more"),
    [
        ("test/acc", True),
        ("probe/test_acc", True),
        ("distorted_acc/noise_0.2", True),
        ("test/boundary_f", True),
        ("test/loss", False),
        ("test/bits_per_char", False),
        ("test/accuracy", True),
        ("test/pixel_error", False),
        ("pca/angle", False),
        ("pca/residual", False),
        ("pca/orthonormality", False),
        ("pca/optimum", None),
        ("superposition/overlap", None),  # a network that keeps more features lets them overlap more
        ("superposition/kept", None),
        ("val/dice_loss", False),  # the last word counts
        ("val/Balanced-Accuracy", True),
        ("train/loss", False),
        ("val/lowest_loss", False),
        ("val/f1", True),
    ],
)
def test_the_name_of_a_metric_says_whether_more_is_better(metric: str, more: bool | None) -> None:
    assert more_is_better(metric) is more


@pytest.mark.parametrize(
    ("sources", "mode"),
    [
        ([{}], "min"),
        ([{"monitor": "val/acc"}], "max"),
        ([{"monitor": "val/loss"}, {"monitor": "val/acc"}], "max"),
        ([{"monitor": "val/height"}], "null"),
        ([{"monitor": "val/acc", "monitor_mode": "min"}], None),  # as a run of an earlier version has it
        ([{"monitor": "val/acc", "monitor_mode": "max"}, {"trainer": {}}], None),
        ([{"monitor": "val/acc", "monitor_mode": "max"}, {"monitor": "val/acc"}], None),
        ([{"monitor": "val/acc", "monitor_mode": "max"}, {"monitor": "val/loss"}], "min"),
        ([{"monitor": "val/loss"}, {"monitor_mode": "max"}], None),
        ([{"monitor": "val/loss", "monitor_mode": None}], "min"),
    ],
)
def test_a_mode_is_followed_unless_it_is_stated_for_the_metric(sources: list[dict], mode: str | None) -> None:
    assert followed_mode(sources) == mode


def test_a_mode_against_the_name_is_a_sentence() -> None:
    told = contradiction("best.ckpt", "val/loss", "max", "monitor_mode")
    assert told == (
        "best.ckpt takes the highest val/loss for the best (monitor_mode max), although its name says that less of it "
        "is better: state monitor_mode min unless that is meant."
    )
    for metric, mode in (("val/loss", "min"), ("val/acc", "max"), ("val/height", "min"), ("val/acc", None)):
        assert contradiction("best.ckpt", metric, mode) is None
