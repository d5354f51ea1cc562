"""The page: all that was measured, nothing that a browser would run or fetch."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from matplotlib.figure import Figure
from PIL import Image

from lab.reports.page import write_page
from lab.reports.studies import Measured, Study
from lab.run_folder import RunFolder

EVIL = "<script>document.title = 'evil'</script>"
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """What a page consists of; every tag has to be closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ("href", "src")]
        self.ids += [value for key, value in attrs if key == "id"]
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def run_folder(path: Path, depth: int, figure: bool = False) -> RunFolder:
    """A run with a config that somebody wrote with bad intentions."""
    path.mkdir(parents=True)
    config = {"seed_everything": 7, "data": {"class_path": EVIL}, "model": {"class_path": "M", "init_args": {}}}
    config["model"]["init_args"] = {"depth": depth, "name": f"{EVIL}{depth}"}
    (path / "metrics.csv").write_text(f"step,test/acc\n9,{depth / 4}\n")
    (path / "config.yaml").write_text("# lightning.pytorch==2.6.6\n" + yaml.safe_dump(config))
    if figure:
        (path / "figures").mkdir()
        Image.new("RGB", (40, 30), "red").save(path / "figures" / "maps_9.png")
    return RunFolder(path)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two rows and two columns, one of them without runs, all with a tag in their names."""
    runs = {
        (f"{EVIL} one", "left:"): [run_folder(tmp_path / "a", 1, figure=True), run_folder(tmp_path / "b", 1)],
        (f"{EVIL} one", "right:"): [run_folder(tmp_path / "c", 2)],
        ("two", "left:"): [run_folder(tmp_path / "d", 3)],
        ("two", "right:"): [],
    }
    values = {"left:": (0.5, 0.75), "right:": (0.25,)}
    rows = [
        [Measured(row, column, "test/acc", "|accuracy|", of, best=row == "two") for column, of in values.items()]
        for row in (f"{EVIL} one", "two")
    ]
    return Study("g", f"A grid {EVIL}", rows, runs, f"0.9: {EVIL}", "python sweep.py g.yaml", [f"A note {EVIL}."])


def outcomes(path: Path) -> Path:
    common = {"metric": "test/acc", "expected": "at least 0.5", "source": EVIL, "seconds": 3.4, "note": "", "run": ""}
    each = {"good": ("passed", 0.75), "bad": ("failed", 0.25), "away": ("no data", None)}
    content = {name: {**common, "name": name, "status": status, "value": of} for name, (status, of) in each.items()}
    content["away"]["note"] = "MNIST is not there"
    path.write_text(json.dumps({"machine": "a machine", "outcomes": content}))
    return path


def page_of(folder: Path, study: Study, **options: object) -> tuple[str, Page]:
    write_page([study], folder / "report" / "index.html", **options)
    text = (folder / "report" / "index.html").read_text(encoding="utf-8")
    return text, Page(text)


def test_what_people_wrote_is_shown_and_not_run(tmp_path: Path, study: Study) -> None:
    text, page = page_of(tmp_path, study, reproduced=[outcomes(tmp_path / "reduced.json")])
    assert "script" not in page.tags and "<script" not in text
    for shown in (f"A grid {EVIL}", f"0.9: {EVIL}", f"A note {EVIL}.", f"{EVIL} one", f"{EVIL}3"):
        assert shown in page.words


def test_a_page_needs_nothing_but_itself_and_the_tables(tmp_path: Path, study: Study) -> None:
    figure = Figure(figsize=(1, 1))
    text, page = page_of(tmp_path, study, drawn={"g": [("a caption", figure)]})
    assert {link for link in page.links if not link.startswith(("#", "data:image/webp;base64,"))} == {"tables.csv"}
    assert all(link[1:] in page.ids for link in page.links if link.startswith("#"))
    assert len(page.ids) == len(set(page.ids)) and page.tags.count("img") == 2
    assert "a caption" in page.words and "one, left: maps" in page.words
    assert not re.search(r"https?://|@import|url\(", text.replace(EVIL, ""))


def test_a_table_has_its_columns_its_best_and_what_differs(tmp_path: Path, study: Study) -> None:
    text, page = page_of(tmp_path, study)
    assert '<th colspan="1">left</th><th colspan="1">right</th>' in text and ">|accuracy|</th>" in text
    assert text.count('class="best"') == 2 and "0.62 ± 0.18" in page.words
    assert ">model.depth</th>" in text and "seed_everything" not in text
    assert "4 of ? min each; 1–2 repeats of each experiment" in page.words
    assert page.words.count("2.6.6") >= 4  # the version of each run


def test_the_overview_has_the_best_of_each_study_and_the_runs_their_results(tmp_path: Path, study: Study) -> None:
    text, _ = page_of(tmp_path, study)
    overview = text[text.index('id="overview"') : text.index('id="study-g"')]
    assert '<a href="#study-g">' in overview and "<td>two, left</td><td>|accuracy| 0.62 ± 0.18</td>" in overview
    assert "model.depth, model.name" in overview and EVIL not in overview
    assert [text.count(f"<td>7</td><td>{score}</td>") for score in (0.25, 0.5, 0.75)] == [2, 1, 1]


def test_a_reproduction_tells_who_passed(tmp_path: Path, study: Study) -> None:
    missing, file = tmp_path / "full.json", outcomes(tmp_path / "reduced.json")
    text, page = page_of(tmp_path, study, reproduced=[file, missing])
    assert "Reproduction at the reduced budget: 1 passed, 1 failed, 1 no data" in page.words
    assert '<span class="badge passed">pass</span>' in text and '<span class="badge failed">fail</span>' in text
    assert "MNIST is not there" in page.words and "reproduction-full" not in text
    write_page([], tmp_path / "alone.html", reproduced=[file])  # nothing else has run
    assert "Studies" not in Page((tmp_path / "alone.html").read_text()).words


@pytest.mark.parametrize("text", ["", "{", "[]", '{"machine": "m", "outcomes": {"a": {}}}'])
def test_a_damaged_reproduction_is_told_and_left_out(
    tmp_path: Path, study: Study, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "full.json"
    file.write_text(text)
    _, page = page_of(tmp_path, study, reproduced=[file])
    assert "A grid" in page.words and "Reproduction" not in page.words
    assert "full.json is damaged, so that no reproduction is known: run `make reprod" in capsys.readouterr().out


def test_pictures_beyond_the_limit_are_left_out_and_counted(tmp_path: Path, study: Study) -> None:
    _, page = page_of(tmp_path, study, limit=10)
    assert "img" not in page.tags and "1 more would make this page too large" in page.words


def test_a_browser_shows_the_page_without_an_error(tmp_path: Path, study: Study) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on PATH")
    page_of(tmp_path, study, reproduced=[outcomes(tmp_path / "reduced.json")])
    words = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", f"--user-data-dir={tmp_path}/u"]
    words += ["--dump-dom", (tmp_path / "report" / "index.html").as_uri()]
    shown = subprocess.run([browser, *words], capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in shown.stderr  # errors of the page, as opposed to those of a machine without a desktop
    assert "<title>ArchLab: results</title>" in shown.stdout and "A grid &lt;script&gt;" in shown.stdout
