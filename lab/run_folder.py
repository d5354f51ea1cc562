"""A run on disk: runs/<config name>/version_<n>/ with config.yaml, metrics.csv, checkpoints/ and figures/."""

import csv
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.config_files import load_config_file, values_of
from lab.errors import LabError
from lab.files import complete_lines
from lab.metrics import Logged, score_metric

if TYPE_CHECKING:
    from lightning.pytorch import Trainer

NOTES = r"(hparams|config|overrides|data|evaluation|reference)\.yaml|events\.out\.tfevents\..*"


@dataclass(frozen=True)
class RunFolder:
    """A run that is read once, and answers whatever is asked of it.

    A result that is not the run's own, such as a test on other data, has a folder ``<run>/evaluations/<name>`` with its
    own metrics; it is a RunFolder too, whose config and whatever else was noted in training are those of its run.

    Args:
        path: ``runs/<config name>/version_<n>``, or the folder of an evaluation.

    Raises:
        LabError: by each property, when a file that it reads is damaged.
    """

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Path:
        """The path of a file in it."""
        return self.path / name

    @staticmethod
    def is_one(path: Path) -> bool:
        """Whether a path has the name of a run folder."""
        return re.fullmatch(r"version_\d+", path.name) is not None

    @staticmethod
    def of_checkpoint(checkpoint: Path) -> "RunFolder | None":
        """The run that a checkpoint lies in, or None."""
        folder = checkpoint.parent.parent
        inside = checkpoint.parent.name == "checkpoints" and RunFolder.is_one(folder)
        return RunFolder(folder) if inside else None

    @cached_property
    def owner(self) -> "RunFolder":
        """The run that this is a result of: itself, unless it is an evaluation."""
        return RunFolder(self.path.parent.parent) if self.path.parent.name == "evaluations" else self

    @property
    def name(self) -> str:
        """The name of the config."""
        return self.owner.path.parent.name

    @property
    def version(self) -> int:
        return int(self.owner.path.name.removeprefix("version_"))

    @cached_property
    def evaluations(self) -> "list[RunFolder]":
        """Its results on other data, from another checkpoint or of a part of the batches."""
        return [RunFolder(path.parent) for path in sorted(self.path.glob("evaluations/*/evaluation.yaml"))]

    @cached_property
    def config(self) -> dict[str, Any]:
        """What repeats the run, from its ``config.yaml``; empty where there is none."""
        path = self.owner.path / "config.yaml"
        config = load_config_file(path)
        if path.is_file() and not config:
            raise LabError(f"{path} is empty, where what repeats the run should be: restore it, or fit anew.")
        return config

    @cached_property
    def values(self) -> dict[str, Any]:
        """The values of the config by their dotted keys."""
        return values_of(self.config)

    @cached_property
    def overrides(self) -> dict[str, Any] | None:
        """What was typed to start it: its ``configs`` and ``values``; None without ``overrides.yaml``."""
        path = self.owner.path / "overrides.yaml"
        if not path.is_file():
            return None
        given = load_config_file(path)
        if not isinstance(given.get("configs"), list) or not isinstance(given.get("values"), dict):
            raise LabError(
                f"{path} must hold a list of configs and the values typed beside them, but holds "
                f"{', '.join(map(str, given)) or 'nothing'}: restore it, or fit anew."
            )
        return given

    @cached_property
    def data(self) -> dict[str, Any]:
        """What the run noted of its data; empty for an old run, which noted nothing."""
        return load_config_file(self.owner.path / "data.yaml")

    @cached_property
    def evaluation(self) -> dict[str, Any]:
        """In what a result is not the run's own, from its ``evaluation.yaml``; empty for the run's own."""
        if self.owner is self:
            return {}
        noted = load_config_file(self.path / "evaluation.yaml")
        return {{"words": "overrides"}.get(key, key): value for key, value in noted.items()}  # its name of before

    @cached_property
    def metrics(self) -> Logged:
        """For each metric, the steps at which it was logged and its values."""
        return read_metrics(self.path)

    @property
    def has_metrics(self) -> bool:
        return (self.path / "metrics.csv").is_file()

    @property
    def monitor(self) -> str:
        """The metric that picked the best checkpoint."""
        return str(self.config.get("monitor", ""))

    @property
    def seeds(self) -> tuple[Any, Any]:
        """The seed of the weights and that of the data."""
        return self.config.get("seed_everything"), self.values.get("data.seed")

    @property
    def fit_seconds(self) -> float | None:
        """How long its fit took; None where it noted nothing."""
        return load_config_file(self.owner.path / "duration.yaml").get("fit_seconds")

    def checkpoint(self, kind: str) -> Path | None:
        """Its ``best`` or ``last`` checkpoint, or None."""
        path = self.path / "checkpoints" / f"{kind}.ckpt"
        return path if path.is_file() else None

    def score(self, preferred: Iterable[str] = ()) -> str | None:
        """The metric of its test that says how good it is; see ``score_metric``."""
        return score_metric(self.metrics, self.monitor, preferred)


def runs_of(root: Path, name: str) -> list[RunFolder]:
    """Every run of a config, newest first."""
    found = [RunFolder(path) for path in (root / name).glob("version_*") if path.is_dir() and RunFolder.is_one(path)]
    return sorted(found, key=lambda run: run.version, reverse=True)


def new_run_dir(root: Path, name: str) -> Path:
    """Make the folder of the next run of a config; two runs that start at once get two folders."""
    version = next((run.version + 1 for run in runs_of(root, name)), 0)
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
    if all(re.fullmatch(NOTES, path.name) for path in files):
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
        for row in csv.DictReader(complete_lines(path)[0]):
            for name, value in row.items():
                if value and name not in ("step", "epoch"):
                    steps, values = metrics.setdefault(name, ([], []))
                    steps.append(int(row["step"]))
                    values.append(float(value))
    except (csv.Error, KeyError, TypeError, ValueError) as error:
        raise LabError(f"{path} is damaged: a row of it is no step with numbers ({error}).") from error
    return metrics


def fit_minutes(runs: Iterable[RunFolder]) -> str:
    """The wall-clock of fits, "0.5 min" or "0.5–1.2 min", as they noted it; "? min" where none did."""
    span = sorted({f"{run.fit_seconds / 60:.1f}" for run in runs if run.fit_seconds is not None}, key=float) or ["?"]
    return f"{'–'.join(span if len(span) < 2 else (span[0], span[-1]))} min"


def run_dir(trainer: "Trainer") -> Path | None:
    """The run folder of a trainer, or None when its run leaves no files (a fast development run, no logger)."""
    from lightning.pytorch.loggers import CSVLogger

    return next((Path(logger.log_dir) for logger in trainer.loggers if isinstance(logger, CSVLogger)), None)
