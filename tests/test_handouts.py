"""The pages of the handouts: every question has its entry, and what the entries say holds."""

import doctest
import json
import math
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
import torch
import yaml

import figures
import nets
import theory
from lab.sweeps.main import main as sweep

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "handouts"
IDS: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load((FOLDER / "ids.yaml").read_text(encoding="utf-8"))
PAGES = sorted(FOLDER.glob("*.md"))
FIELDS = ("Question", "Run", "Picture", "Answer", "Time")
NUMBER = r"[−-]?\d[\d.,]*(?:e[+-]?\d+)?"
MARKED = re.compile(rf"({NUMBER})(?: ± ({NUMBER}))?°?\s*<!--\s*(.+?)\s*-->", re.S)  # a number, and the cell it is from
ONLY_A_CONFIG = re.compile(r"python train\.py \w+ --config configs/\w+\.yaml")
SECTION = re.compile(r'\(\.\./\.\./notebooks/(\w+)\.ipynb\),\s+section\s+"([^"]+)"')


def entries(text: str) -> dict[str, str]:
    """The text of each question by its id."""
    parts = re.split(r"^### ([A-Z]\d+) · ", text, flags=re.M)
    return {name: re.split(r"^## ", part, flags=re.M)[0] for name, part in zip(parts[1::2], parts[2::2], strict=True)}


def fields(entry: str) -> dict[str, str]:
    parts = re.split(r"^\*\*(\w+)\.\*\*", entry, flags=re.M)
    return dict(zip(parts[1::2], (" ".join(part.split()) for part in parts[2::2]), strict=True))


@cache
def results(name: str) -> dict[str, Any]:
    return json.loads((ROOT / "results" / f"{name}.json").read_text(encoding="utf-8"))


def cell(path: str) -> tuple[float, float | None]:
    """Mean and deviation of "file :: row :: column" of results/; an experiment has no columns."""
    name, row, *column = [" ".join(part.split()) for part in path.split(" :: ")]
    found = results(name)
    if found["kind"] == "benchmark":
        names = found["columns"]
        (values,) = [one for one in found["rows"] if " ".join(one).startswith(f"{row} ")]
        return float(values[names.index(column[0])].replace(",", "")), None
    (of_row,) = [one for one in found["rows"] if one["row"].replace("--", "") == row]  # a comment must hold no --
    if found["kind"] == "experiment":
        return of_row["mean"], of_row["std"]
    names = [f"{one['column'] or ''} {one['label']}".strip() for one in found["columns"]]
    value = of_row["cells"][names.index(column[0])]
    return value["mean"], value["std"]


def is_rounded(printed: str, value: float) -> bool:
    """Whether a printed number is the value, rounded to the digits that are printed."""
    mantissa, _, exponent = printed.replace("−", "-").replace(",", "").partition("e")
    unit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    return math.isclose(float(f"{mantissa}e{exponent or 0}"), value, rel_tol=0, abs_tol=0.5000001 * unit)


def wrong_numbers(text: str) -> list[str]:
    wrong = []
    for mean, std, path in MARKED.findall(text):
        expected = cell(path)
        if not is_rounded(mean, expected[0]) or (std and not is_rounded(std, expected[1])):
            wrong.append(f"{mean} ± {std} is not {path}: {expected}")
    return wrong


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_of(page: Path) -> list[str]:
    """What stands in backticks outside fenced blocks."""
    unfenced = re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S)
    return list(dict.fromkeys(" ".join(code.split()) for code in re.findall(r"`([^`]+)`", unfenced)))


@pytest.mark.parametrize("name", IDS)
def test_every_question_has_its_entry(name):
    found = entries(text_of(FOLDER / f"{name}.md"))
    assert list(found) == list(IDS[name])
    for key, asked in IDS[name].items():
        given = fields(found[key])
        assert set(given) - {"Derivation"} == set(FIELDS), f"{key} has {', '.join(given)}"
        assert all(given[field] for field in given), f"{key} has an empty field"
        assert given["Question"] == asked["ask"], f"{key} asks something else than ids.yaml"
        assert "Derivation" in given or not asked.get("derive"), f"{key} asks for a derivation"
        assert given["Picture"].startswith(("![", "None")), f"{key} has no picture, and does not say why"


def test_the_documents_have_113_questions():
    assert [len(ids) for ids in IDS.values()] == [38, 38, 21, 16]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_picture_link_and_file_is_there(page):
    text = re.sub(r"^```.*?^```", "", text_of(page), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), f"{page.name} links to {target}"
        if heading:
            anchors = [re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in _headings(text_of(there))]
            assert heading in anchors, f"{page.name} links to {target}"
    for name in re.findall(r"(?<![\w/])((?:configs|benchmarks)/[\w/]+\.(?:yaml|py))", text):
        assert (ROOT / name).is_file(), f"{page.name} names {name}"


def test_every_picture_of_the_pages_is_shown():
    shown = {target for page in PAGES for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page))}
    assert {path.name for path in FOLDER.glob("*.png")} <= shown


def _headings(text: str) -> list[str]:
    return [" ".join(heading.split()) for heading in re.findall(r"^#+ (.+)$", text, re.M)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_section_of_a_notebook_is_there(page):
    for name, section in SECTION.findall(text_of(page)):
        cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
        headings = [title for one in cells if one.cell_type == "markdown" for title in _headings(one.source)]
        assert any(title.startswith(" ".join(section.split())) for title in headings), f"{name}.ipynb has no {section}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_marked_number_is_a_result(page):
    text = text_of(page)
    assert not wrong_numbers(text)
    marks = MARKED.findall(text)
    assert len(marks) == text.count("<!--"), f"a mark of {page.name} follows no number"
    assert not any("--" in path for _, _, path in marks), f"a mark of {page.name} would be shown"


def test_a_wrong_number_is_found():
    assert not wrong_numbers("0.833 ± 0.004<!-- grid_cora :: GAT :: accuracy -->")
    for wrong in ("0.834 ± 0.004", "0.833 ± 0.003", "0.83 ± 0.005"):
        assert wrong_numbers(f"{wrong}<!-- grid_cora :: GAT :: accuracy -->"), wrong
    with pytest.raises(ValueError, match="not enough values"):
        wrong_numbers("0.833<!-- grid_cora :: CNN :: accuracy -->")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_lines_of_python_give_what_stands_below_them(page, capsys):
    blocks = re.findall(r"^```python\n(.*?)^```", text_of(page), re.M | re.S)
    names = {"math": math, "torch": torch, "nets": nets, "theory": theory, "figures": figures}
    example = doctest.DocTestParser().get_doctest("\n".join(blocks), names, page.name, str(page), 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    with torch.random.fork_rng():
        failed, _ = runner.run(example)
    assert not failed, capsys.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_understood(lab, monkeypatch, page):
    """A config alone is parsed by other tests, and so is a grid; of a grid with more words one cell is parsed here."""
    monkeypatch.setattr("lab.sweeps.main.missing_runs", lambda grid: [(grid.cells[0], None)])
    (lab.folder / "configs").symlink_to(ROOT / "configs")
    for code in code_of(page):
        words = shlex.split(code) if code.startswith("python ") else []
        if words[1:2] == ["train.py"] and not ONLY_A_CONFIG.fullmatch(code):
            assert lab(*words[2:], "--print_config") == 0, f"{code}\n{lab.err}"
        elif words[1:2] == ["sweep.py"] and {"--set", "--config"} & set(words):
            assert sweep([*words[2:], "--dry-run"]) == 0, code
