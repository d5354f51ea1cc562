"""Which files of a folder are data: all of a kind, whatever the case of their names; what is passed over is told."""

from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

from lightning.pytorch.utilities import rank_zero_warn

from lab.errors import LabError

NAMED = 5  # of what is passed over, by its name


def list_files(folder: Path, extensions: Collection[str], kind: str) -> list[Path]:
    """The files of a kind in a folder, sorted by name; what else is there is counted and named, once.

    Hidden files, such as the ``._0.png`` that macOS leaves, and folders are passed over too.

    Args:
        folder: where they lie; one that is not there holds none.
        extensions: the last suffixes of the kind, in lower case, such as ".txt".
        kind: what such files are called, in the plural, such as "text files".
    """
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [path for path in entries if is_kind(path, extensions)]
    left_out = [f"{path.name}/" if path.is_dir() else path.name for path in entries if path not in {*found}]
    tell_passed_over(folder, left_out, f"no {kind}")
    return found


def is_kind(path: Path, extensions: Collection[str]) -> bool:
    """Whether a path is a file, not hidden, with one of the extensions in letters of any case."""
    return path.suffix.lower() in extensions and not path.name.startswith(".") and path.is_file()


def has_files(folder: Path, extensions: Collection[str]) -> bool:
    """Whether a folder holds a file of a kind."""
    return folder.is_dir() and any(is_kind(path, extensions) for path in folder.iterdir())


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by their names without the last suffix.

    Raises:
        LabError: when two have the same.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if (other := found.setdefault(path.stem, path)) is not path:
            raise LabError(
                f'{path.parent} must hold one file of the name "{path.stem}", but holds {other.name} and {path.name}: '
                f"take one of them away."
            )
    return found


def find_file(folder: Path, name: str) -> Path | None:
    """The file of that name, or else the one whose name differs from it by the case of letters alone, or None.

    Raises:
        LabError: when several differ by the case alone.
    """
    if (folder / name).is_file():
        return folder / name
    entries = folder.iterdir() if folder.is_dir() else ()
    found = sorted(path for path in entries if path.name.lower() == name.lower() and path.is_file())
    if len(found) > 1:
        raise LabError(
            f"{folder} must hold one file {name}, but holds {' and '.join(path.name for path in found)}, which differ "
            f"by the case of letters alone: take all but one away."
        )
    return found[0] if found else None


def tell_passed_over(folder: Path, names: Collection[str], what: str) -> None:
    """Say how many entries of a folder are passed over as ``what`` they are, and name the first; once in a run."""
    if names:
        shown = ", ".join([*names][:NAMED]) + (", …" if len(names) > NAMED else "")
        tell_once(f"in {folder} {len(names)} of the entries are passed over, as {what}: {shown}.")


@cache
def tell_once(sentence: str) -> None:
    """A warning that a person shall see, once in a run, by one process."""
    rank_zero_warn(sentence)
