"""Every notebook runs from its first cell to its last, in a checkout and installed, and imports what it may."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from running import NO_PICTURES

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TOUR = ROOT / "notebooks" / "00_tour.ipynb"
MAY_IMPORT = {"nets", "theory", "torch", "matplotlib", "ipywidgets", "math", "sys", "time"}
TOUR_MAY_IMPORT = MAY_IMPORT | {"lab", "lit_models", "datamodules", "callbacks", "figures"}
ALSO_MAY_IMPORT = {  # what they take their data from, and draw with
    "00_tour": TOUR_MAY_IMPORT,
    "autoencoder_objectives": {"sklearn"},
    "graphs": {"networkx", "sklearn"},
    "surnames": {"faker", "figures", "unicodedata"},
}
SMALL = {
    "attention": {"LONGEST": 9, "STEPS": 20},
    "autoencoder_objectives": {"SAMPLES": 500, "EPOCHS": 1, "DIGIT_EPOCHS": 1, "REPEATS": 1},
    "autoencoders": {"STEPS": 20, "CORRUPTED_STEPS": 20, "SEEDS": 1},
    "convolutions": {"STEPS": 3},
    "gradient_flow": {},
    "graphs": {"EPOCHS": 60, "REPEATS": 2, "DIGIT_EPOCHS": 2},
    "recurrent_tasks": {"BATCHES": 10},
    "surnames": {"EPOCHS": 1, "ROUNDS": 1},
}
MAX_OUTPUT = 200_000  # characters of one output as it is stored
FEW = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=5", "--trainer.accelerator=cpu", NO_PICTURES]


def code_of(path: Path) -> list[str]:
    """The code cells of a notebook, without the lines that only Jupyter understands."""
    cells = nbformat.read(path, as_version=4).cells
    return [re.sub(r"^%.*$", "", cell.source, flags=re.M) for cell in cells if cell.cell_type == "code"]


def run(path: Path, folder: Path, **parameters: object) -> list[dict]:
    """The outputs of a notebook that is run in a folder, with other values in the cell tagged "parameters"."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
    # Seconds a cell may take; once in a while ZeroMQ overlooks a reply, and finds it when they have passed.
    NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def pictures(outputs: list[dict]) -> int:
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ``pip install -e .`` does for a notebook, wherever it lies."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


@pytest.mark.parametrize("path", [path for path in NOTEBOOKS if path != TOUR], ids=lambda path: path.stem)
def test_a_notebook_runs_in_any_folder_and_shows_pictures(installed, tmp_path, path):
    assert pictures(run(path, tmp_path, **SMALL[path.stem])) > 0


def test_the_tour_takes_a_finished_run_and_trains_a_missing_one(installed, lab, tmp_path):
    assert lab("fit", "--config", str(ROOT / "configs" / "autoencoder_digits.yaml"), *FEW) == 0, lab.err
    outputs = run(TOUR, tmp_path, RUNS=str(tmp_path / "runs"), WORDS=FEW, PROBE_EPOCHS=2, EPOCHS=1)
    assert pictures(outputs) == 6
    assert sorted(path.parent.parent.name for path in tmp_path.rglob("best.ckpt")) == ["version_0", "version_0"]
    assert (lab.run("vit_digits") / "checkpoints" / "best.ckpt").is_file()


def test_notebooks_begin_in_a_checkout_that_is_not_installed(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for path in NOTEBOOKS:
        assert 'sys.path.insert(0, "..")' in code_of(path)[0]
    first_cells = "\n".join(f"exec({code_of(path)[0]!r}, {{}})" for path in NOTEBOOKS)
    subprocess.run([sys.executable, "-c", first_cells], cwd=ROOT / "notebooks", check=True, timeout=120)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_imports_only_what_it_may(path):
    tree = ast.parse("\n".join(code_of(path)))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= MAY_IMPORT | ALSO_MAY_IMPORT.get(path.stem, set())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_outputs_are_small_and_tell_nothing_of_a_machine(path):
    outputs = [output for cell in nbformat.read(path, as_version=4).cells for output in cell.get("outputs", [])]
    assert pictures(outputs) > 0
    for output in outputs:
        assert len(json.dumps(output)) <= MAX_OUTPUT
        assert output.output_type != "error"
        text = output.get("text", "") + str(output.get("data", {}).get("text/plain", ""))
        assert not re.search(r"(^|[\s'\"(=])(/\w|[A-Z]:\\)", text), f"a path in {text}"


def test_an_installation_has_every_room_and_command():
    """So that a notebook outside the checkout finds them."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    packages, modules = (
        ast.literal_eval(re.search(rf"^{key} = (\[.*?\])", text, re.M | re.S)[1]) for key in ("packages", "py-modules")
    )
    rooms = [path.parent for path in ROOT.glob("*/__init__.py")]
    found = [path.parent.relative_to(ROOT) for room in rooms for path in room.rglob("__init__.py")]
    assert sorted(packages) == sorted(".".join(folder.parts) for folder in found)
    assert sorted(modules) == sorted(path.stem for path in ROOT.glob("*.py"))
