"""The bounds of requirements.txt hold here and are such as tests/lowest_versions.sh checks; its lists are complete."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LINES = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
SCRIPT = (ROOT / "tests" / "lowest_versions.sh").read_text()
PRIVATE = {"lightning", "jsonargparse", "submitit"}  # their private names, or the words of their messages, are used


@pytest.mark.parametrize("line", LINES, ids=lambda line: Requirement(line).name)
def test_a_requirement_has_one_lower_bound_and_holds(line):
    wanted = Requirement(line)
    operators = sorted(one.operator for one in wanted.specifier)
    assert operators == (["<", ">="] if wanted.name in PRIVATE else [">="])
    assert wanted.specifier.contains(version(wanted.name)), f"{line}, but {version(wanted.name)} is installed"


def test_the_script_fits_configs_and_runs_tests_that_are_there():
    configs = re.findall(r'^fit "[\w ]+" (\w+)', SCRIPT, re.M)
    tests = re.findall(r"\w+/test_\w+\.py", SCRIPT)
    assert len(configs) >= 7 and len(tests) >= 5
    assert not [name for name in configs if not (ROOT / "configs" / f"{name}.yaml").is_file()]
    assert not [name for name in tests if not (ROOT / "tests" / name).is_file()]


def test_the_script_fits_each_task():
    configs = re.findall(r'^fit "[\w ]+" (\w+)', SCRIPT, re.M)
    fitted = {re.search(r"\bLit\w+", (ROOT / "configs" / f"{name}.yaml").read_text())[0] for name in configs}
    texts = [path.read_text() for path in (ROOT / "lit_models").glob("*.py")]
    classes = dict(found for text in texts for found in re.findall(r"^class (Lit\w+)\((\w+)\)", text, re.M))
    assert fitted == classes.keys() - classes.values()  # those that no other is a kind of
