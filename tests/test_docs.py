"""What the pages say holds: links lead somewhere, command lines are understood, the search with Optuna runs."""

import re
import shlex
from pathlib import Path

import pytest
from running import FEW, NO_PICTURES

from lab.commands.main import main

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACEHOLDER = re.compile(r"<\w+>|\bX\.yaml|…")
ONLY_A_CONFIG = re.compile(r"python train\.py \w+ --config configs/\w+\.yaml *(#.*)?")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def commands(page: Path) -> list[str]:
    """Every ``python train.py …`` of a page that says more than the name of a config, which other tests run."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    fenced = [line for block in re.findall(r"^```bash\n(.*?)^```", text, re.M | re.S) for line in block.splitlines()]
    inline = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    found = [re.sub(r"\s+", " ", code) for code in (*fenced, *inline) if re.search(r"python train\.py \w", code)]
    told = [code for code in found if not PLACEHOLDER.search(code) and not ONLY_A_CONFIG.fullmatch(code)]
    return list(dict.fromkeys(told))


def anchor(heading: str) -> str:
    """The name that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_link_to_a_file_or_a_heading_leads_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, heading = target.partition("#")
        path = page.parent / name if name else page
        assert path.exists(), f"{page.name} links to {target}"
        if heading:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
            assert heading in [anchor(one) for one in headings], f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_command_names_is_there(page):
    named = r"(?<![\w/.<>-])((?:configs|benchmarks|notebooks|cluster)/[\w/]+\.(?:yaml|py|ipynb|sh))"
    for name in re.findall(named, page.read_text(encoding="utf-8")):
        assert (ROOT / name).is_file(), f"{page.name} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_line_of_train_py_is_understood(lab, page):
    (lab.folder / "configs").symlink_to(ROOT / "configs")
    for command in commands(page):
        words = shlex.split(command.partition("python train.py ")[2], comments=True)
        assert lab(*words, "--print_config") == 0, f"{command}\n{lab.err}"


def test_the_search_with_optuna_finds_the_best_of_its_trials(lab, monkeypatch):
    optuna = pytest.importorskip("optuna", reason="optuna is not installed: pip install optuna")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    few = [*FEW, NO_PICTURES]
    few.remove("--model.net.depth=1")  # the search chooses it
    monkeypatch.setattr("lab.commands.main.main", lambda words: main([*words, *few]))
    (lab.folder / "configs").symlink_to(ROOT / "configs")
    (code,) = blocks(ROOT / "docs" / "optuna.md", "python")
    names = {"__name__": "__main__"}
    exec(compile(code.replace("n_trials=20", "n_trials=2"), "search.py", "exec"), names)
    study = names["study"]
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"]
    assert study.best_value == min(trial.value for trial in study.trials)
    assert {path.name for path in (lab.folder / "runs" / "optuna").iterdir()} == {"0", "1"}
