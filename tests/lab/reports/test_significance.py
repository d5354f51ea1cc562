"""Welch's test in a sentence."""

import math
import statistics

import pytest

from lab.reports.significance import compare_means

ONE, OTHER = [0.815, 0.82, 0.81, 0.812], [0.83, 0.84, 0.82]


def test_the_statistic_is_welchs() -> None:
    variance = statistics.variance(ONE) / 4 + statistics.variance(OTHER) / 3
    difference = statistics.mean(ONE) - statistics.mean(OTHER)
    sentence = compare_means("GCN", ONE, "GAT", OTHER)
    assert sentence.startswith(f"GCN − GAT: {difference:.3f}, 95 % interval ")
    assert f"Welch's t = {difference / math.sqrt(variance):.1f}, p = 0.0" in sentence
    assert sentence.endswith("4 and 3 repeats).")


def test_the_interval_holds_the_difference() -> None:
    words = compare_means("GCN", ONE, "GAT", OTHER).split()
    low, high = float(words[words.index("interval") + 1]), float(words[words.index("to") + 1])
    assert low < float(words[3].rstrip(",")) < high


@pytest.mark.parametrize(("gap", "told"), [(10.0, "p < 1e-15"), (0.0, "p = 1")])
def test_the_p_value_is_no_smaller_than_it_can_be_told(gap: float, told: str) -> None:
    values = [number / 1000 for number in range(20)]
    assert told in compare_means("a", values, "b", [value + gap for value in values])


def test_values_that_do_not_vary_cannot_be_tested() -> None:
    assert compare_means("a", [1.0, 1.0], "b", [2.0, 2.0]) == "a − b: -1.000; neither varies over its repeats."


def test_values_that_are_no_numbers_are_told() -> None:
    assert compare_means("a", [1.0, math.nan], "b", [2.0, 3.0]) == "a − b: not all results are finite."


def test_small_values_are_told_to_two_digits_of_their_standard_error() -> None:
    ones, others = [1.21e-5, 1.25e-5, 1.23e-5], [3.0e-5, 3.1e-5, 3.2e-5]
    assert compare_means("a", ones, "b", others).startswith(
        "a − b: -1.87e-05, 95 % interval -2.106e-05 to -1.634e-05 ("
    )
    assert compare_means("a", [1e-5, 1e-5], "b", [3e-5, 3e-5]) == "a − b: -2e-05; neither varies over its repeats."
    shifted = [0.5 + value for value in ones]
    assert compare_means("a", shifted, "b", others).startswith("a − b: 0.4999813, 95 % interval 0.49997894 to 0.4999")
