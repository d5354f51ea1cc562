"""RESULTS.md as rows and sections: what is replaced, and what stays."""

import re
from pathlib import Path

import pytest

from lab.reports.markdown import Results, count_seeds, escaped, merge, read_results, same_study, title_of

ROOT = Path(__file__).resolve().parents[3]


def section(title: str, runs: int, *values: str, grid: str = "") -> str:
    rows = "\n".join(f"| row {number} | {value} |" for number, value in enumerate(values))
    command = f"`python sweep.py configs/grids/{grid or title}.yaml`"
    table = f"|  | accuracy |\n| --- | ---: |\n{rows}\n"
    return f"### {title}\n\n{table}\n{runs} runs of 1 min each: {command}.\n\nMachine: A.\n"


def results(*sections: str) -> Results:
    return Results({}, {title_of(text): text for text in sections})


def row(name: str, seeds: str) -> list[str]:
    return [name, "accuracy 0.9", seeds, "–", "1 min", "`x`", "A"]


def test_what_is_written_is_read_again():
    text = Results({"x": row("x", "0, 1")}, {"one": section("one", 2, "0.9")}).text
    assert read_results(text).text == text
    assert read_results(text).rows == {"x": row("x", "0, 1")}


def test_the_committed_results_survive():
    text = (ROOT / "RESULTS.md").read_text(encoding="utf-8")
    read = read_results(text)
    assert read_results(read.text).text == read.text
    for line in text.splitlines():  # every number is still there
        if re.match(r"\| .*\d", line):
            assert line.removesuffix(" |") in read.text
    of_grids = [text for text in read.sections.values() if "`python sweep.py configs/grids/" in text]
    assert of_grids and all("\nMachine: " in text for text in of_grids)


def test_a_section_is_replaced_in_its_place_and_a_new_one_of_a_grid_comes_before_what_is_no_grids():
    before = results(section("one", 2, "0.8"), section("two", 2, "0.7"), "### Speed\n\nfast\n")
    after, kept = merge(before, [], [section("one", 3, "0.9"), section("three", 1, "0.5"), "### Memory\n\nsmall\n"])
    assert kept == [] and list(after.sections) == ["one", "two", "three", "Speed", "Memory"]
    assert "0.9" in after.sections["one"] and after.sections["two"] == before.sections["two"]


def test_a_section_with_another_title_but_the_same_grid_is_replaced():
    before = results(section("old title", 2, "0.8", grid="g"), section("two", 1, "0.7"))
    after, _ = merge(before, [], [section("new title", 2, "0.9", grid="g")])
    assert list(after.sections) == ["new title", "two"]
    assert not same_study(section("one", 1, grid="g"), section("one", 1, grid="h"))


@pytest.mark.parametrize(
    ("here", "reason"),
    [
        (section("one", 1, "0.9", "0.8"), 'the section "one" is of 2 runs, and 1 are here'),
        (section("one", 2, "0.9", "–"), 'the section "one" has values where no run is here: row 1'),
        (section("one", 2, "0.9", "0.8"), None),
        (section("one", 2, "0.9", "0.8", "–"), None),  # a row that is new, and has not run
    ],
)
def test_a_section_is_kept_where_it_would_lose_something(here: str, reason: str | None):
    before = results(section("one", 2, "0.5", "0.6"))
    after, kept = merge(before, [], [here])
    assert kept == ([reason] if reason else [])
    assert after.sections["one"] == (before.sections["one"] if reason else here)
    assert merge(before, [], [here], overwrite=True)[0].sections["one"] == here


def test_a_row_is_replaced_where_there_are_as_many_seeds():
    before = Results({"x": row("x", "0, 1, 2"), "y": row("y", "0–2")})
    after, kept = merge(before, [row("y", "5, 6, 7"), row("x", "0, 1"), row("a", "0")], [])
    assert list(after.rows) == ["a", "x", "y"]
    assert after.rows["x"][2] == "0, 1, 2" and after.rows["y"][2] == "5, 6, 7"
    assert kept == ['the row "x" is of 3 seeds, and 2 are here']
    assert merge(before, [row("x", "0, 1")], [], overwrite=True)[0].rows["x"][2] == "0, 1"


@pytest.mark.parametrize(("told", "count"), [("0", 1), ("0, 1, 4", 3), ("0–2", 3), ("0–2, 7", 4), ("", 0)])
def test_seeds_are_counted(told: str, count: int):
    assert count_seeds(told) == count


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a | b", r"a \| b"),
        (r"largest \|cos\| of two", r"largest \|cos\| of two"),  # as the grids have it
        ("<script> and k < 20", r"\<script> and k < 20"),
        ("`fit --a '<b>|c'` <i>", r"`fit --a '<b>\|c'` \<i>"),
        ("two\n  lines", "two lines"),
    ],
)
def test_what_would_break_a_table_is_escaped_once(text: str, written: str):
    assert escaped(text) == escaped(escaped(text)) == written


def test_a_row_with_bars_is_read_as_it_was_written():
    cells = [escaped(cell) for cell in ("x | y", "accuracy 0.9", "0", "|cos|: a\\", "1 min", "`a | b`", "<A>")]
    text = Results({cells[0]: cells}).text
    assert read_results(text).rows == {cells[0]: cells} and read_results(text).text == text


def test_a_section_with_a_bar_in_its_heading_loses_nothing():
    old, new = (section("one", 2, *values).replace("row 1", r"row \| 1") for values in (("0.5", "0.6"), ("0.9", "–")))
    _, kept = merge(results(old), [], [new])
    assert kept == [r'the section "one" has values where no run is here: row \| 1']
