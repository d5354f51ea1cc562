"""Run folders: runs/<config name>/version_<n>/ with config.yaml, metrics.csv, checkpoints/ and figures/."""

import csv
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lab.config_files import config_file, owner_of
from lab.errors import LabError

if TYPE_CHECKING:
    from lightning.pytorch import Trainer


def run_versions(root: Path, name: str) -> Iterator[tuple[int, Path]]:
    """The (version, folder) of every run of a config, newest first."""
    found = {}
    for folder in (root / name).glob("version_*"):
        if folder.is_dir() and (number := re.fullmatch(r"version_(\d+)", folder.name)):
            found[int(number[1])] = folder
    return iter(sorted(found.items(), reverse=True))


def new_run_dir(root: Path, name: str) -> Path:
    """Make the folder of the next run of a config; two runs that start at once get two folders."""
    version = next((version + 1 for version, _ in run_versions(root, name)), 0)
    while True:
        folder = root / name / f"version_{version}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            version += 1
        except OSError as error:
            raise LabError(
                f"cannot make the run folder {folder} ({error.strerror}): choose another --trainer.default_root_dir."
            ) from error


def drop_if_empty(run: Path) -> None:
    """Remove the folder of a run that failed before it measured or saved anything."""
    files = [path for path in run.rglob("*") if path.is_file()]
    notes = r"(hparams|config|overrides|data|evaluation|reference)\.yaml|events\.out\.tfevents\..*"
    if all(re.fullmatch(notes, path.name) for path in files):
        for path in files:
            path.unlink()
    with suppress(OSError):  # rmdir refuses what is not empty
        for folder in [path for path in run.iterdir() if path.is_dir()]:
            folder.rmdir()
        run.rmdir()
        run.parent.rmdir()
        run.parent.parent.rmdir()


def from_here(path: str | Path) -> Path:
    """A path as one types it in the working directory, where it lies below that."""
    absolute = Path(path).absolute()
    return absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute


def run_of_checkpoint(path: Path) -> Path | None:
    """The run folder that a checkpoint lies in, or None."""
    folder = path.parent.parent
    inside = path.parent.name == "checkpoints" and re.fullmatch(r"version_\d+", folder.name)
    return folder if inside else None


DURATION = "duration.yaml"  # how long the fit of a run took


def evaluations_of(run: Path) -> list[Path]:
    """What a run gave on other data, from another checkpoint or of a part of the batches: a folder for each."""
    return sorted(path.parent for path in run.glob("evaluations/*/evaluation.yaml"))


def whole_lines(path: Path) -> tuple[list[str], bool]:
    """The lines of a file, and whether a last one is left out, which a killed process did not write to its end."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = file.readlines()
    torn = bool(lines) and not lines[-1].endswith("\n")
    return lines[:-1] if torn else lines, torn


def read_metrics(run_dir: str | Path) -> dict[str, tuple[list[int], list[float]]]:
    """The metrics of a run, read from its ``metrics.csv``.

    Args:
        run_dir: a run folder, ``runs/<config name>/version_<n>``.

    Returns:
        for each metric, the steps at which it was logged and its values.

    Raises:
        LabError: when the folder holds no ``metrics.csv``, or a damaged one.
    """
    path = Path(run_dir) / "metrics.csv"
    if not path.is_file():
        raise LabError(f"{path} does not exist: give the folder of a run, such as runs/vit_digits/version_0.")
    metrics: dict[str, tuple[list[int], list[float]]] = {}
    try:
        for row in csv.DictReader(whole_lines(path)[0]):
            for name, value in row.items():
                if value and name not in ("step", "epoch"):
                    steps, values = metrics.setdefault(name, ([], []))
                    steps.append(int(row["step"]))
                    values.append(float(value))
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise LabError(f"{path} is damaged: a row of it is no step with numbers ({error}).") from error
    return metrics


def score_metric(measured: Collection[str], monitor: str = "", preferred: Iterable[str] = ()) -> str | None:
    """The metric of a test that tells how good a run is, or None where nothing was tested.

    Args:
        measured: the metrics of the run.
        monitor: the metric that picked its best checkpoint, whose twin on the test split is taken.
        preferred: metrics that are taken instead, the first that was measured.
    """
    tested = [name for name in measured if name.startswith("test/") and "_replica_" not in name]
    twin = monitor.replace("val/", "test/", 1) if monitor.startswith("val/") else ""
    preferred = [name for name in preferred if name in measured]
    usual = [name for name in (twin, "test/acc", "test/loss") if name in tested]
    return next(iter([*preferred, *usual, *tested]), None)


def fit_minutes(runs: Iterable[Path]) -> str:
    """The wall-clock of fits, "0.5 min" or "0.5–1.2 min", as they noted it; "? min" where none did."""
    noted = [config_file(owner_of(run) / DURATION).get("fit_seconds") for run in runs]
    span = sorted({f"{seconds / 60:.1f}" for seconds in noted if seconds is not None}, key=float) or ["?"]
    return f"{'–'.join(span if len(span) < 2 else (span[0], span[-1]))} min"


def run_dir(trainer: "Trainer") -> Path | None:
    """The run folder of a trainer, or None when its run leaves no files (a fast development run, no logger)."""
    from lightning.pytorch.loggers import CSVLogger

    return next((Path(logger.log_dir) for logger in trainer.loggers if isinstance(logger, CSVLogger)), None)
