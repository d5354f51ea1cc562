"""Results as files: what is written is read again, and what is damaged is named."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from result_samples import EVIL, benchmark, experiment, grid, results
from running import ROOT

from lab.errors import LabError
from lab.reports.rendering import PAGES, rendered
from lab.reports.result_files import read_results, read_study, write_benchmark, write_results
from lab.reports.results import Results
from lab.reports.statistics import Summary
from lab.reports.studies import Measured

STATED = [
    Measured("row", None, "pca/acc", "PCA", (), False, Summary(0.5, None, 1)),
    Measured("row", "left:", "test/acc", EVIL, (), True, Summary(0.25, 0.125, 3)),
]


def everything() -> Results:
    """Rows with single values and without, values that are not finite, and text that JSON or Markdown could mistake."""
    rounded = experiment("x --a b", 4, 5, values=(), summary=Summary(0.9917, 0.0003, 2), runs=1)
    infinite = experiment("y", 0, 1, values=(0.5, math.inf), summary=Summary.of((0.5, math.inf)), reference=EVIL)
    parts = (experiment("x", 0, 1), rounded, infinite, grid("g", 2, 0.5, None, notes=[EVIL, "[1,\n  2]"], seeds=[0]))
    return results(*parts, grid("h", 1, rows=[STATED]), benchmark(details={"rounds": {"ours": [1.0, 2.0]}}))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_results(everything(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "experiment_x.json", "experiment_y.json", "grid_g.json", "grid_h.json", "benchmark_speed.json",
    }  # fmt: skip
    read, written = read_results(tmp_path), everything()
    assert read.experiments == written.experiments and read.benchmarks == written.benchmarks
    for name, table in written.grids.items():
        assert replace(read.grids[name], rows=()) == replace(
            table, rows=(), seeds=list(table.seeds), notes=list(table.notes)
        )
        assert [[cell.text for cell in row] for row in read.grids[name].rows] == [
            [cell.text for cell in row] for row in table.rows
        ]
    assert read.grids["h"].rows == [STATED] and read.grids["g"].repeats == "0–1"
    assert rendered("RESULTS.md", results=read) == rendered("RESULTS.md", results=written)


def test_the_files_are_strict_json_with_a_line_for_each_cell(tmp_path: Path) -> None:
    def no_constant(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    write_results(everything(), tmp_path)
    for path in tmp_path.iterdir():
        json.loads(path.read_text(encoding="utf-8"), parse_constant=no_constant)
    assert '"values": [0.5, "inf"]' in (tmp_path / "experiment_y.json").read_text(encoding="utf-8")
    assert '        {"mean": 0.5, "std": null, "count": 1},\n' in (tmp_path / "grid_h.json").read_text(encoding="utf-8")


def test_a_folder_that_is_not_there_holds_no_results(tmp_path: Path) -> None:
    assert read_results(tmp_path / "none") == Results()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "JSONDecodeError"),
        ("[]", "TypeError"),
        ("{}", "'kind'"),
        ('{"kind": "poem", "name": "x"}', "'poem'"),
        ('{"kind": "experiment", "name": "x", "rows": [{"row": "x", "seeds": [0]}]}', "'mean'"),
        ('{"kind": "grid", "name": "g", "columns": [], "rows": []}', "needs columns and rows"),
        (
            '{"kind": "benchmark", "name": "b", "title": "B", "columns": ["a"], "rows": [["1", "2"]], "machine": ""}',
            "rows of 1",
        ),
        ('{"kind": "benchmark", "name": "b", "colour": "red"}', "colour"),
    ],
)
def test_a_damaged_file_is_told_in_one_sentence_and_nothing_is_written(tmp_path: Path, text: str, why: str) -> None:
    write_results(results(experiment("y", 0)), tmp_path)
    damaged = tmp_path / "experiment_x.json"
    damaged.write_text(text)
    with pytest.raises(LabError) as told:
        read_results(tmp_path)
    assert str(told.value).startswith(f"{damaged} holds no results of an experiment, a grid or a benchmark (")
    assert why in str(told.value) and "\n" not in str(told.value)


def test_a_benchmark_is_a_file_of_its_own(tmp_path: Path) -> None:
    path = write_benchmark(benchmark("vit_cpu"), tmp_path / "runs" / "benchmarks")
    assert path.name == "benchmark_vit_cpu.json" and read_study(path) == [benchmark("vit_cpu")]


@pytest.mark.parametrize(("template", "path"), PAGES.items())
def test_the_committed_pages_are_what_the_committed_results_are_rendered_to(template: str, path: Path) -> None:
    committed = (ROOT / path).read_text(encoding="utf-8")
    assert rendered(template, results=read_results(ROOT / "results")) == committed


def test_the_committed_results_are_what_is_written_of_them(tmp_path: Path) -> None:
    write_results(read_results(ROOT / "results"), tmp_path)
    files = sorted((ROOT / "results").iterdir())
    assert [path.name for path in files] == sorted(path.name for path in tmp_path.iterdir())
    for path in files:
        assert path.read_text(encoding="utf-8") == (tmp_path / path.name).read_text(encoding="utf-8")
