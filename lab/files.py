"""Atomic writes: a file is complete or not there."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

PROJECT_ROOT = Path(__file__).resolve().parent.parent  # the root of the repository


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary file to write, which takes the place of ``path`` when the block ends well and vanishes when not.

    Args:
        path: where the file shall lie; its folder is made.

    Raises:
        OSError: when the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    part = Path(name)
    try:
        yield part
        part.chmod(0o644)  # mkstemp makes private files
        with part.open("rb") as file:  # else a power cut may leave the name of a file that is not on the disk yet
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_yaml(path: Path, content: Mapping[str, Any]) -> None:
    """Write plain values as YAML, in their order."""
    with atomic_write(path) as part:
        part.write_text(yaml.safe_dump(dict(content), allow_unicode=True, sort_keys=False), encoding="utf-8")


def complete_lines(path: Path) -> tuple[list[str], bool]:
    """The lines of a file, and whether a last one is left out, which a killed process did not write to its end."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = file.readlines()
    torn = bool(lines) and not lines[-1].endswith("\n")
    return lines[:-1] if torn else lines, torn
