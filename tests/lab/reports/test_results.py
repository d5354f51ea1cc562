"""Results in words."""

import pytest
from result_samples import benchmark, experiment, grid

from lab.reports.results import reference_value


@pytest.mark.parametrize(("seeds", "runs", "told"), [((0, 1, 4), 3, "0, 1, 4"), ((3, 4, 5), 1, "3–5"), ((7,), 1, "7")])
def test_seeds_in_words(seeds: tuple[int, ...], runs: int, told: str) -> None:
    assert experiment("x", *seeds, runs=runs).seeds_text == told


@pytest.mark.parametrize(("told", "value"), [("1e-4 at most", 1e-4), ("0.94 ± 0.01: x", 0.94), ("about 1", None)])
def test_a_reference_may_begin_with_a_number(told: str, value: float | None) -> None:
    assert reference_value(told) == value


def test_the_best_of_a_table_is_told() -> None:
    assert grid("g", 2, 0.5, 0.75).best.text == "0.75" and grid("g", 0, None).best is None


def test_a_benchmark_needs_cells_for_its_columns() -> None:
    with pytest.raises(ValueError, match="rows of 2 cells"):
        benchmark(rows=[["ours"]])
