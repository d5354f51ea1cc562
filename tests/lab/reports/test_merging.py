"""Results as rows and tables: what is replaced, and what stays."""

import pytest
from result_samples import benchmark, experiment, grid, results

from lab.reports.merging import merge
from lab.reports.results import GridResult


def test_a_table_is_replaced_and_a_new_one_stands_in_the_order_of_names() -> None:
    before = results(grid("two", 2, 0.7), grid("four", 2, 0.8), benchmark())
    new, other = grid("two", 3, 0.9, title="Another title"), grid("three", 1, 0.5)
    after, kept = merge(before, [], [new, other])
    assert kept == [] and list(after.grids) == ["four", "three", "two"] and after.benchmarks == before.benchmarks
    assert after.grids["two"] is new and after.grids["four"] is before.grids["four"]
    assert list(before.grids) == ["two", "four"]  # what was there is left alone


@pytest.mark.parametrize(
    ("here", "reason"),
    [
        (grid("one", 1, 0.9, 0.8), 'the section "Title of one" is of 2 runs, and 1 are here'),
        (grid("one", 2, 0.9, None), 'the section "Title of one" has values where no run is here: row 1'),
        (grid("one", 2, 0.9, 0.8), None),
        (grid("one", 2, 0.9, 0.8, None), None),  # a row that is new, and has not run
        (grid("one", 2, 0.9), None),  # the grid has lost a row
    ],
)
def test_a_table_is_kept_where_it_would_lose_something(here: GridResult, reason: str | None) -> None:
    before = results(grid("one", 2, 0.5, 0.6))
    after, kept = merge(before, [], [here])
    assert kept == ([reason] if reason else [])
    assert after.grids["one"] is (before.grids["one"] if reason else here)
    assert merge(before, [], [here], overwrite=True)[0].grids["one"] is here


def test_a_row_is_replaced_where_there_are_as_many_seeds() -> None:
    before = results(experiment("x", 0, 1, 2), experiment("y", 0, 1, 2, runs=1))
    after, kept = merge(before, [experiment("y", 5, 6, 7), experiment("x", 0, 1), experiment("a", 0)], [])
    assert list(after.experiments) == ["a", "x", "y"]
    assert after.experiments["x"].seeds == (0, 1, 2) and after.experiments["y"].seeds == (5, 6, 7)
    assert kept == ['the row "x" is of 3 seeds, and 2 are here']
    assert merge(before, [experiment("x", 0, 1)], [], overwrite=True)[0].experiments["x"].seeds == (0, 1)
