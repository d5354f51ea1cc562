"""What a report reads: the runs that are named, and of these what is not damaged."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lab.errors import LabError
from lab.printed_commands import command_line
from lab.reports.studies import score_name
from lab.run_folder import RunFolder, from_here, runs_of

Read = TypeVar("Read")


def readable(read: Callable[..., Read], *given: Any) -> Read | None:
    """What is read; None where it is damaged, which is reported in a sentence and stops nothing."""
    try:
        return read(*given)
    except LabError as error:
        print(f"Left out: {error}")
        return None


def complete_run(run: RunFolder) -> RunFolder:
    """A run folder of which a report can read all files.

    Raises:
        LabError: when one of them is damaged, or there is no ``config.yaml``.
    """
    if not (run.owner / "config.yaml").is_file():
        raise LabError(f"{run} has no config.yaml, so that nobody knows what ran: restore it, or fit anew.")
    run.config, run.overrides, run.metrics, run.data, run.evaluation  # noqa: B018
    return run


def all_runs(root: Path) -> list[RunFolder]:
    """Every run folder below ``root``, oldest first."""
    names = sorted(folder.name for folder in root.glob("*") if folder.is_dir())
    return [run for name in names for run in _versions(root / name)]


def named_runs(paths: Sequence[Path]) -> list[RunFolder]:
    """The run folders that a person named, each once; a folder stands for its runs, one without a test is reported.

    Raises:
        LabError: when a path is no run folder and holds none.
    """
    found: dict[Path, RunFolder] = {}
    for path in map(from_here, paths):
        is_run = path.is_dir() and RunFolder.is_one(path)
        runs = [RunFolder(path)] if is_run else _versions(path) or all_runs(path)
        if not runs:
            raise LabError(
                f"{path} {'holds no run' if path.is_dir() else 'does not exist'}: name folders of runs, such as "
                f"runs/vit_digits/version_0, or of all runs of a config, such as runs/vit_digits."
            )
        found |= {run.path.resolve(): run for run in runs if not is_run or readable(_tested_run, run) is not None}
    return list(found.values())


def _tested_run(run: RunFolder) -> RunFolder:
    folders = [folder for folder in (run, *run.evaluations) if folder.has_metrics]
    if not any(score_name([folder]) for folder in folders):
        command = command_line("train.py", "test", "--config", str(run / "config.yaml"))
        raise LabError(f"{run} has not been tested: run `{command}` first.")
    return run


def _versions(folder: Path) -> list[RunFolder]:
    return runs_of(folder.parent, folder.name)[::-1]
