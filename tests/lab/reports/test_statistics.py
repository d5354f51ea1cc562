"""Means and spreads in words."""

import math

import pytest

from lab.reports.statistics import Summary, spread_of

NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "told"),
    [((), "–"), ((1.0, NAN), "not finite"), ((0.91, 0.93), "0.920 ± 0.014"), ((2e-4,), "0.0002"), ((1e-25, 0), "0")],
)
def test_values_are_told_as_mean_and_spread(values: tuple[float, ...], told: str) -> None:
    assert Summary.of(values).text == told


def test_a_rounded_summary_is_told_as_it_was() -> None:
    for text in (
        "0.678 ± 0.051",
        "0.64 ± 0.10",
        "79.79 ± 5e-05",
        "1 ± 0",
        "0.00852840 ± 0.00000055",
        "2.7e-06 ± 4e-07",
    ):
        mean, std = map(float, text.split(" ± "))
        assert Summary(mean, std, 3).text == text


def test_digits_of_ones_own() -> None:
    assert Summary(0.97386, 0.01088, 5).text_with(".4f") == "0.9739 ± 0.0109"
    assert Summary(math.inf, None, 2).text_with(".4f") == "inf"


def test_the_spread_needs_two_finite_values() -> None:
    assert spread_of([1.0]) is None and spread_of([1.0, math.inf]) is None
    assert spread_of([1.0, 3.0]) == pytest.approx(2**0.5)
