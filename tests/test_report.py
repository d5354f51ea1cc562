"""The command report.py: what it writes with few runs, with none, and with runs of a bad sort."""

import csv
import os
from pathlib import Path

import pytest
import yaml
from grid_runs import a_run, config, write_config

import report
from lab.errors import LabError
from lab.reports import drawings
from lab.reports.studies import Measured, Study
from lab.run_folder import RunFolder

CURVE = "step,val/loss,test/acc,test/loss\n1,3.0,,\n2,2.0,,\n3,1.0,,\n3,,0.5,0.25\n"
GRID = {
    "title": "A grid",
    "config": "configs/x.yaml",
    "metrics": {"test/loss": "error"},
    "curves": {"val/loss": "loss"},
    "rows": {"plain": {}, "five": {"model.net.hidden_dims": [5]}},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the file configs/x.yaml and the grid configs/grids/g.yaml."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path)
    (tmp_path / "configs" / "grids").mkdir()
    (tmp_path / "configs" / "grids" / "g.yaml").write_text(yaml.safe_dump(GRID, sort_keys=False))
    return tmp_path


def run(version: int, dims: tuple[int, ...] = (16,), name: str = "x") -> Path:
    folder = a_run(Path("runs"), version, config(dims), name=name)
    typed = (folder / "overrides.yaml").read_text()
    (folder / "overrides.yaml").write_text(typed.replace("configs/x.yaml", f"configs/{name}.yaml"))
    (folder / "metrics.csv").write_text(CURVE)
    return folder


def docs() -> set[str]:
    return {path.name for path in Path("docs").glob("*")}


def test_no_runs_no_files(folder: Path) -> None:
    with pytest.raises(LabError, match="no run here has been tested yet: run `python train"):
        report.main([])
    assert {path.name for path in folder.iterdir()} == {"configs"}


def test_a_grid_of_which_all_ran_is_written_and_drawn(folder: Path) -> None:
    run(0), run(1, (5,))
    assert report.main(["--update-results"]) == 0
    assert docs() == {"beam_search.png", "experiments.md", "x_val_loss.png"}
    assert [path.name for path in Path("results").iterdir()] == ["grid_g.json"]
    assert "### A grid" in Path("RESULTS.md").read_text()
    page = Path("report/index.html").read_text()
    assert "A grid" in page and page.count("<img") == 1
    with Path("report/tables.csv").open(newline="") as file:
        assert [row["row"] for row in csv.DictReader(file)] == ["plain", "five"]


def test_what_is_in_git_stays_as_it_is_unless_an_update_is_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(0)
    assert report.main([]) == 0
    assert {path.name for path in folder.iterdir()} == {"configs", "runs", "report"}
    assert {path.name for path in Path("report").iterdir()} == {"index.html", "tables.csv", "tables.tex"}
    assert "stay as they are: --update-results writes what is new into them." in capsys.readouterr().out


def test_a_damaged_file_of_results_stops_the_update_and_no_page(folder: Path) -> None:
    run(0)
    Path("results").mkdir()
    Path("results/grid_other.json").write_text("{")
    with pytest.raises(LabError, match=r"^results/grid_other.json holds no results of an experiment, a grid or a ben"):
        report.main(["--update-results"])
    assert Path("report/index.html").is_file() and not Path("RESULTS.md").exists()
    assert Path("results/grid_other.json").read_text() == "{"


def test_pictures_and_sections_of_more_runs_stay(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(0), run(1, (5,))
    report.main(["--update-results"])
    before, drawn = Path("RESULTS.md").read_text(), Path("docs/x_val_loss.png")
    os.utime(drawn, (1000, 1000))
    os.utime("docs/beam_search.png", (1000, 1000))
    (Path("runs") / "x" / "version_1").rename("elsewhere")
    capsys.readouterr()
    assert report.main(["--update-results"]) == 0
    told = capsys.readouterr().out
    assert 'Kept in RESULTS.md: the section "A grid" is of 2 runs, and 1 are here (--overwrite replaces it).' in told
    assert Path("RESULTS.md").read_text() == before
    assert drawn.stat().st_mtime == 1000 and Path("docs/beam_search.png").stat().st_mtime == 1000
    assert Path("report/index.html").read_text().count("<img") == 1  # the page shows what is here
    assert report.main(["--overwrite"]) == 0
    assert drawn.stat().st_mtime > 1000 and "| five | – |" in Path("RESULTS.md").read_text()


def test_an_experiment_outside_grids_has_its_curve_on_the_page_alone(folder: Path) -> None:
    Path("configs/y.yaml").write_text(Path("configs/x.yaml").read_text())
    run(0, name="y")
    assert report.main(["--update-results"]) == 0
    assert (
        docs() == {"beam_search.png", "experiments.md"}
        and "| y | accuracy 0.5000 (below the reference) | 0 |" in Path("RESULTS.md").read_text()
    )
    assert "val/loss over training" in Path("report/index.html").read_text()


def test_a_reproduction_alone_is_a_page(folder: Path) -> None:
    path = Path("runs/reproduce/reduced.json")
    path.parent.mkdir(parents=True)
    path.write_text('{"machine": "a machine", "outcomes": {}}')
    assert report.main(["--update-results"]) == 0
    assert "a machine" in Path("report/index.html").read_text() and not Path("RESULTS.md").exists()


def test_what_cannot_be_drawn_is_told_and_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The grid is named as one whose rows are drawn from checkpoints, which are not here."""
    Path("configs/grids/g.yaml").rename("configs/grids/superposition.yaml")
    run(0), run(1, (5,))
    assert report.main(["--update-results"]) == 0
    assert (
        "Not drawn: what compares the rows of superposition: runs/x/version_0 is no finished" in capsys.readouterr().out
    )
    assert "superposition.png" not in docs()


def study(*rows: str, columns: tuple[str, ...] = ("",)) -> Study:
    runs = {
        (row, column): [RunFolder(run(10 * number + at))]
        for number, row in enumerate(rows)
        for at, column in enumerate(columns)
    }
    cells = [[Measured(row, column, "test/loss", "error", (0.25,)) for column in columns] for row in rows]
    return Study("s", "S", cells, runs, "–", "")


def test_rows_of_equal_groups_share_a_panel_and_others_one_panel(folder: Path) -> None:
    def titles_and_lines(of: Study) -> tuple[list[str], int]:
        figure = drawings.draw_curves(of, "val/loss", "loss")
        panels = [axes for axes in figure.axes if axes.lines]
        return [axes.get_title() for axes in panels], len(panels[0].lines)

    assert titles_and_lines(study("RNN, one", "RNN, two", "GRU, one", "GRU, two")) == (["RNN", "GRU"], 2)
    folder_of_runs = Path("runs")
    folder_of_runs.rename("first")
    assert titles_and_lines(study("GCN", "GAT", "GCN, sampled", columns=("left", "right"))) == (["left", "right"], 3)


def test_curves_that_share_no_step_or_were_not_logged_are_no_panel(folder: Path) -> None:
    of = study("one")
    other = run(99)
    (other / "metrics.csv").write_text("step,val/loss\n7,1.0\n")
    of.runs["one", ""].append(RunFolder(other))
    assert drawings.draw_curves(of, "val/loss", "loss") is None
    assert drawings.draw_curves(of, "val/acc", "accuracy") is None


@pytest.mark.parametrize("draw", [drawings.draw_saturation, report.save_drawings])
def test_nothing_to_draw_draws_nothing(folder: Path, draw: object) -> None:
    assert not draw([])
    report.copy_figures({})
    assert not Path("docs").exists()


def test_named_runs_alone_are_studied_however_they_are_named(folder: Path) -> None:
    run(0), run(1, (5,)), run(0, (5,), "y"), run(1, (5,), "y")
    for named in (
        "runs/y/version_0",
        str(folder / "runs" / "y" / "version_0"),
        str(folder / "runs" / "x" / "version_0"),
    ):
        assert report.main([named]) == 0
        with Path("report/tables.csv").open(newline="") as file:
            counts = {row["study"]: row["count"] for row in csv.DictReader(file)}
        assert counts == ({"g": "1", "y": "1"} if "/y/" in named else {"g": "1"})  # a run of the grid is in no other
    with pytest.raises(LabError, match="runs/nope does not exist"):
        report.main(["runs/y/version_0", "runs/nope"])


def test_a_mistyped_option_is_a_mistake_told_in_one_sentence(folder: Path) -> None:
    with pytest.raises(LabError, match=r"^unrecognized arguments: --overwriet; see python report.py --help.$"):
        report.main(["--overwriet"])


def test_a_damaged_picture_takes_the_place_of_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "COPIED", {"of_x": ("g", "plain", "maps_*.png")})
    (run(0) / "figures").mkdir()
    Path("runs/x/version_0/figures/maps_3.png").touch()
    assert report.main(["--update-results"]) == 0
    assert docs() == {"beam_search.png", "experiments.md", "x_val_loss.png"}


def test_a_value_beside_the_grid_has_the_grids_reference(folder: Path) -> None:
    (run(0, (7,)) / "metrics.csv").write_text("step,test/rse,test/loss\n3,0.5,0.25\n")
    assert report.main([]) == 0
    with Path("report/tables.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["study"], row["metric"], row["label"], row["reference_value"]) == (
        "x_others",
        "test/loss",
        "error",
        "0.9",
    )
    Path("runs/x/version_0/metrics.csv").write_text("step,test/rse\n3,0.5\n")
    assert report.main([]) == 0
    with Path("report/tables.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["metric"], row["reference_value"]) == ("test/rse", "")
