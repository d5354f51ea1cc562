"""Grids of experiments: what to run, and which runs there are already."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.config_files import from_cli, is_part, load_config_file, to_cli, values_of
from lab.errors import LabError
from lab.experiments.callback_values import callback_options, stated_callbacks
from lab.experiments.variants import NON_IDENTIFYING_KEYS
from lab.metrics import Metric
from lab.run_folder import RunFolder, runs_of

UNSWEPT = {
    "test_after_fit": "every run of a grid is tested",
    "trainer.default_root_dir": "the runs of a grid are looked for in runs/",
    "trainer.limit_test_batches": "every run of a grid is tested on all of its test split",
    "ckpt_path": "a run begins afresh, or where it was broken off",
}


@dataclass(frozen=True)
class Cell:
    """One experiment of a grid.

    Args:
        row: the name of its row; what stands before a comma groups rows.
        column: the name of its column.
        overrides: values other than the config's, by their keys on the command line.
        config: path of its config.
    """

    row: str
    column: str
    overrides: Mapping[str, Any]
    config: str

    @property
    def name(self) -> str:
        return Path(self.config).stem

    @property
    def as_read(self) -> dict[str, Any]:
        """The overrides as a run notes them, which reads what was typed: an empty word is null."""
        return {key: from_cli(to_cli(value)) for key, value in self.overrides.items()}

    def options(self, seed: int | None) -> list[str]:
        """What one would type behind the config."""
        seeds = {} if seed is None else {"seed_everything": seed, "data.seed": seed}
        return [f"--{key}={to_cli(value)}" for key, value in {**self.overrides, **seeds}.items()]


@dataclass(frozen=True)
class Grid:
    """Rows × columns of overrides of one config, each run for every seed; the override ``config`` names another config.

    Args:
        path: the file that states the grid.
        title: what the table shows.
        config: path of the config.
        metrics: metrics of the table, and how they are called in it; the last value of each, or with "first " before
            its name the first one.
        columns: overrides by column.
        rows: overrides by row.
        seeds: seeds to run, each for the weights and the data; the config's own alone when empty.
        curves: the metric to draw over training, and the label of its axis; none when empty.
        references: metrics that hold for a whole row, taken from its first column, and how they are called.
        baseline: a row that the others are compared with by a test of the first metric; none when empty.
        exact: whether an override such as ``trainer.accelerator``, in which repeats of an experiment may differ, is one
            that distinguishes the runs of the grid.
    """

    path: str
    title: str
    config: str
    metrics: Mapping[str, str]
    columns: Mapping[str, Mapping[str, Any]]
    rows: Mapping[str, Mapping[str, Any]]
    seeds: list[int] = field(default_factory=list)
    curves: Mapping[str, str] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    baseline: str = ""
    exact: bool = False

    @property
    def name(self) -> str:
        return Path(self.config).stem

    @property
    def cells(self) -> list[Cell]:
        cells = []
        for row, of_row in self.rows.items():
            for column, of_column in self.columns.items():
                overrides = {**of_row, **of_column}
                cells.append(Cell(row, column, overrides, overrides.pop("config", self.config)))
        return cells

    def finished_runs(self, root: Path) -> dict[tuple[str, str], dict[int, RunFolder]]:
        """For each row and column the newest finished run of each seed; every run folder is read once."""
        runs = {name: runs_of(root, name) for name in {cell.name for cell in self.cells}}
        return {(cell.row, cell.column): self._finished(cell, runs[cell.name]) for cell in self.cells}

    def _finished(self, cell: Cell, runs: Iterable[RunFolder]) -> dict[int, RunFolder]:
        """The first of some runs for each seed of a cell that is finished."""
        found: dict[int, RunFolder] = {}
        seeds = self.seeds or [_own_seed(load_config_file(cell.config), cell.overrides)]
        for run in runs:
            with suppress(LabError):  # a damaged run is none; report.py reports it
                seed = run.seeds[0]
                if (
                    seed in seeds
                    and seed not in found
                    and run_matches(run, cell, self.exact)
                    and self._is_finished(run)
                ):
                    found[seed] = run
        return dict(sorted(found.items()))

    def _is_finished(self, run: RunFolder) -> bool:
        """Whether a run has all metrics; of a grid that names none, whether it was tested."""
        measured = set(run.metrics) if run.has_metrics else set()
        needed = {Metric.parse(name).name for name in self.metrics}
        return needed <= measured if needed else any(name.startswith("test/") for name in measured)


def run_matches(run: RunFolder, cell: Cell, exact: bool = False) -> bool:
    """Whether a run is one of a cell: the same was typed for it, and its config states what ran.

    Args:
        run: the run.
        cell: the cell.
        exact: whether also overrides in which repeats of an experiment may differ must be those of the cell.
    """
    given, wanted = run.overrides, cell.as_read
    if given is None or len(given["configs"]) != 1 or _identifying(given["values"]) != _identifying(wanted):
        return False
    exactly = not exact or wanted.items() <= given["values"].items()
    return exactly and _states(load_config_file(cell.config), cell.overrides, run.values)


def refuse_unswept(keys: Iterable[str], grid: str) -> None:
    """Raise LabError where a grid sweeps a key that is the same for all runs of a sweep.

    Args:
        keys: the keys that it sweeps.
        grid: what it is called.
    """
    for key in keys:
        if not isinstance(key, str):
            raise LabError(f"{grid} sweeps the key {key}, which is no word: quote it.")
        if key in UNSWEPT:
            raise LabError(f"{grid} sweeps {key}, but {UNSWEPT[key]}: leave it out.")


def is_as_stated(path: str, overrides: Mapping[str, Any], run: RunFolder) -> bool:
    """Whether a run is of what a config states now.

    Args:
        path: the config.
        overrides: values other than the config's that were typed for the run.
        run: its folder.
    """
    config = load_config_file(path)
    return _states(config, overrides, run.values) and _own_seed(config, overrides) == _own_seed(run.config, {})


def _own_seed(config: Mapping[str, Any], overrides: Mapping[str, Any]) -> int:
    return overrides.get("seed_everything", config.get("seed_everything", 0))


def _states(config: dict[str, Any], overrides: Mapping[str, Any], ran: Mapping[str, Any]) -> bool:
    """Whether a config with these overrides states what ran, but for what repeats of an experiment may differ in."""
    values = values_of(config)
    callbacks = stated_callbacks(values.get("trainer.callbacks"), dict(overrides))
    stated = {key: value for key, value in values.items() if not _replaced(key, overrides)}
    return is_part(stated, ran) and not callback_options(callbacks, ran.get("trainer.callbacks"))


def _identifying(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values without those that may differ between repeats of an experiment."""
    return {key: value for key, value in values.items() if not NON_IDENTIFYING_KEYS.match(key)}


def _replaced(key: str, overrides: Mapping[str, Any]) -> bool:
    """Whether a value of the config may be another in a run with these overrides: it, or the class it belongs to."""
    free = NON_IDENTIFYING_KEYS.match(key) and key != "trainer.callbacks"  # a probe has its settings there
    return bool(free) or any(key == other or key.startswith(f"{other}.") for other in overrides)
