"""Commands are printed so that they work when they are pasted, and tables of numbers by the csv module."""

import re
import shlex
from pathlib import Path

import pytest
from running import ROOT

from lab.printed_commands import command_line

ROOMS = ("lab", "callbacks", "datamodules", "lit_models", "nets", "theory", "benchmarks")
SOURCES = [*ROOT.glob("*.py"), *(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))]
UNQUOTED = re.compile(
    r"python (-m \S+|\w+\.py) [^\"'`.\n]*\{(?!config\}|self\.overrides|self\.evaluation|options\}|mark\}|note\})"
)
JOINED = re.compile(r"""["'](,|;|\\t)["']\.join\(|print\([^)]*sep=["'][,;]["']""")


def test_a_command_is_quoted() -> None:
    words = ["train.py", "test", "--config", "my runs/it's/config.yaml", "--trainer.callbacks=[{a: b}]"]
    assert shlex.split(command_line(*words)) == ["python", *words]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_command_and_no_table_is_written_by_hand(path: Path) -> None:
    """A comma in a name, or a space in a folder, would break them; ``Variant`` quotes what it joins."""
    text = path.read_text(encoding="utf-8")
    assert not UNQUOTED.findall(text), "print commands with lab.commands.command_line"
    assert ".csv" not in text or not JOINED.findall(text), "write tables with the csv module"
    for number, line in enumerate(text.splitlines(), start=1):
        writes = re.search(r"\.csv[\"']", line) and re.search(r"write_text|to_csv|savetxt", line)
        assert not writes, f"line {number} writes a table without the csv module"


@pytest.mark.parametrize(
    "line",
    [
        "print(f\"Test it: python train.py test --config {run / 'config.yaml'}\")",
        'return f"python sweep.py {grid.path}"',
    ],
)
def test_an_unquoted_command_is_found(line: str) -> None:
    assert UNQUOTED.findall(line)


@pytest.mark.parametrize("line", ['",".join(row)', "'\\t'.join(row)", 'print(*row, sep=",")'])
def test_a_table_that_is_joined_by_hand_is_found(line: str) -> None:
    assert JOINED.findall(line)
