"""What a report reads: the runs that are named, and of these what is whole."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lab.config_files import owner_of, read_config, read_evaluation, read_overrides
from lab.errors import LabError
from lab.printed_commands import command_line
from lab.repeats import read_data
from lab.reports.studies import score_name
from lab.run_folder import evaluations_of, from_here, read_metrics, run_versions

Read = TypeVar("Read")


def readable(read: Callable[..., Read], *given: Any) -> Read | None:
    """What is read; None where it is damaged, which is told in a sentence and stops nothing."""
    try:
        return read(*given)
    except LabError as error:
        print(f"Left out: {error}")
        return None


def whole_run(run: Path) -> Path:
    """A run folder of which a report can read all files.

    Raises:
        LabError: when one of them is damaged, or there is no ``config.yaml``.
    """
    if not (owner_of(run) / "config.yaml").is_file():
        raise LabError(f"{run} has no config.yaml, so that nobody knows what ran: restore it, or fit anew.")
    read_config(run), read_overrides(run), read_metrics(run), read_data(run), read_evaluation(run)
    return run


def all_runs(root: Path) -> list[Path]:
    """Every run folder below ``root``, oldest first."""
    names = sorted(folder.name for folder in root.glob("*") if folder.is_dir())
    return [run for name in names for run in _versions(root / name)]


def named_runs(paths: Sequence[Path]) -> list[Path]:
    """The run folders that a person named, each once; a folder stands for the runs in it, one without a test is told.

    Raises:
        LabError: when a path is no run folder and holds none.
    """
    found: dict[Path, Path] = {}
    for path in map(from_here, paths):
        is_run = path.is_dir() and bool(re.fullmatch(r"version_\d+", path.name))
        runs = [path] if is_run else _versions(path) or all_runs(path)
        if not runs:
            raise LabError(
                f"{path} {'holds no run' if path.is_dir() else 'does not exist'}: name folders of runs, such as "
                f"runs/vit_digits/version_0, or of all runs of a config, such as runs/vit_digits."
            )
        found |= {run.resolve(): run for run in runs if not is_run or readable(_tested_run, run)}
    return list(found.values())


def _tested_run(run: Path) -> Path:
    folders = [folder for folder in (run, *evaluations_of(run)) if (folder / "metrics.csv").is_file()]
    if not any(score_name([folder]) for folder in folders):
        command = command_line("train.py", "test", "--config", str(run / "config.yaml"))
        raise LabError(f"{run} has not been tested: run `{command}` first.")
    return run


def _versions(folder: Path) -> list[Path]:
    return [run for _, run in reversed(list(run_versions(folder.parent, folder.name)))]
