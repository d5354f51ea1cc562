"""Configs and checkpoints come from other people: what they hold is data, and runs nothing."""

import ast
import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from running import DIGITS, ROOT, SMALL, Lab

from lab import load_run
from lab.errors import LabError

CODE = [path for path in ROOT.rglob("*.py") if not {".venv", "tests", "runs"} & set(path.relative_to(ROOT).parts)]
UNSAFE = {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "pickle.load", "pickle.loads", "eval", "exec", "os.system"}
UNPACKING = {"extractall", "extract", "unpack_archive"}
TAGGED = "trainer: !!python/object/apply:os.system ['touch pwned']\n"


class Payload:
    def __reduce__(self) -> tuple:
        return open, ("pwned", "w")


def poisoned(checkpoint: Path) -> None:
    """Put a pickle that opens a file in the place of a checkpoint's own."""
    content = io.BytesIO(checkpoint.read_bytes())
    with zipfile.ZipFile(content) as source, zipfile.ZipFile(checkpoint, "w") as target:
        for item in source.infolist():
            data = pickle.dumps(Payload(), 2) if item.filename.endswith("data.pkl") else source.read(item)
            target.writestr(item, data)


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return [(ast.unparse(node.func), node) for node in nodes if isinstance(node, ast.Call)]


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_code_unpickles_evaluates_or_unpacks(path: Path) -> None:
    for name, node in calls(path):
        assert name not in UNSAFE and name.rsplit(".", 1)[-1] not in UNPACKING, f"{name} in line {node.lineno}"
        if name == "torch.load" or name.endswith(".load_from_checkpoint"):
            safe = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert safe.get("weights_only") == "True", f"{name} without weights_only=True in line {node.lineno}"


def test_a_poisoned_checkpoint_is_refused_in_one_sentence(lab: Lab) -> None:
    assert lab("fit", *DIGITS, *SMALL) == 0
    checkpoints = lab.run() / "checkpoints"
    for name in ("best", "last"):
        poisoned(checkpoints / f"{name}.ckpt")
    for command in ("fit", "validate", "test", "predict"):
        assert lab(command, *DIGITS, *SMALL, "--ckpt_path", str(checkpoints / "last.ckpt")) == 1
        assert "last.ckpt is no checkpoint that can be loaded safely" in lab.err and lab.err.count("\n") == 1
    with pytest.raises(LabError, match=r"best\.ckpt is no checkpoint that can be loaded safely"):
        load_run(lab.run())
    assert not Path("pwned").exists()


def test_yaml_makes_no_python_objects(lab: Lab) -> None:
    Path("tagged.yaml").write_text(TAGGED)
    assert lab("fit", "--config", "tagged.yaml") == 1
    assert "the config file tagged.yaml is no valid YAML at line 1" in lab.err
    assert lab("fit", *DIGITS, *SMALL, "--trainer.max_epochs", TAGGED.removeprefix("trainer: ")) != 0
    assert not Path("pwned").exists()


@pytest.mark.parametrize(
    "words",
    [
        "--trainer.callbacks=[{class_path: subprocess.Popen, init_args: {args: [touch, pwned]}}]",
        "--trainer.logger={class_path: subprocess.Popen, init_args: {args: [touch, pwned]}}",
        "--model=subprocess.Popen",
        "--model.net={class_path: subprocess.Popen, init_args: {args: [touch, pwned]}}",
        "--model.optimizer=os.system",
        "--data=subprocess.Popen",
    ],
)
def test_a_class_path_makes_instances_of_the_class_that_is_due_alone(lab: Lab, words: str) -> None:
    assert lab("fit", *DIGITS, *SMALL, words) == 1
    assert "error: " in lab.err and lab.err.count("\n") == 1
    assert not Path("pwned").exists() and not list(Path("runs").glob("*/*"))


def test_no_run_leaves_the_folder_of_runs(lab: Lab) -> None:
    config = (ROOT / "configs" / "vit_digits.yaml").read_text()
    Path("...yaml").write_text(config)  # whose name without the suffix is ".."
    assert lab("fit", "--config", "...yaml", *SMALL) == 1
    assert "a run is named after its config, but ...yaml" in lab.err
    inside = Path("a/b/version_0")
    inside.mkdir(parents=True)
    (inside / "config.yaml").write_text(config)
    assert lab("fit", "--config", "a/b/../b/version_0/config.yaml", *SMALL) == 0
    assert lab("fit", "--config", "a/b/version_0/../version_0/config.yaml", *SMALL) == 0
    assert sorted(path.name for path in Path("runs").iterdir()) == ["b"]
    assert {path.name for path in Path().iterdir()} <= {"...yaml", "a", "runs"}


def test_a_checkpoint_holds_tensors_and_plain_values_alone(lab: Lab) -> None:
    assert lab("fit", *DIGITS, *SMALL) == 0
    saved = torch.load(lab.run() / "checkpoints" / "last.ckpt", weights_only=True)
    assert {"state_dict", "random_states", "loops"} <= set(saved)
