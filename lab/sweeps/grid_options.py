"""Grids from the command line: a config, values of its keys and seeds, or a grid file with overrides; their keys."""

import itertools
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from lab.commands.command_line import CommandLine
from lab.config_files import check_config, to_cli
from lab.errors import LabError
from lab.experiments.grids import Cell, Grid, refuse_unswept

SEEDS = ("seed_everything", "data.seed")


def grid_from_options(config: str, arguments: Sequence[str], seeds: str | None, classes: Mapping[str, str]) -> Grid:
    """The cross product of the values of some keys as a grid of one column.

    Args:
        config: path of the config.
        arguments: ``key=value,value`` for each key to sweep; commas inside brackets, braces and quotes part no values.
        seeds: ``0..4`` or ``0,3,7``, each for the weights and the data; the config's own alone when None.
        classes: the full path of each class by its short name.

    Raises:
        LabError: when the config is not there, or an argument is no key with values.
    """
    check_config(config)
    swept = _read_arguments(arguments, "--grid", classes)
    for key in SEEDS:
        if seeds is not None and key in swept:
            raise LabError(f"--grid names {key}, which --seeds sets too: leave one of them out.")
    if not swept and seeds is None:
        raise LabError("nothing is swept: add --grid key=value,value or --seeds 0..4.")
    cells = [dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())]
    rows = {", ".join(f"{key}={to_cli(value)}" for key, value in cell.items()): cell for cell in cells}
    if len(rows) < len(cells):
        raise LabError(f"--grid states a value twice: {' '.join(arguments)}.")
    title = " × ".join([Path(config).stem, *swept])
    return Grid("", title, config, {}, {"": {}}, rows, [] if seeds is None else read_seeds(seeds), exact=True)


def with_overrides(grid: Grid, arguments: Sequence[str], classes: Mapping[str, str]) -> Grid:
    """A grid of which each cell has further overrides, which win over its own and distinguish its runs from others.

    Args:
        grid: the grid of a file.
        arguments: ``key=value`` for each override.
        classes: the full path of each class by its short name.

    Raises:
        LabError: when an argument is no key with one value, or makes two cells of the grid equal.
    """
    given = _read_arguments(arguments, "--set", classes)
    for key, values in given.items():
        if len(values) > 1:
            raise LabError(f"--set takes one value of a key, but has {len(values)} of {key}: sweep them with --grid.")
        if grid.seeds and key in SEEDS:
            raise LabError(f"--set names {key}, but the grid {grid.path} states seeds: leave it out.")
    if not given:
        return grid
    overrides = {key: value for key, (value,) in given.items()}
    columns = {name: {**column, **overrides} for name, column in grid.columns.items()}
    title = ", ".join([grid.title, *(f"{key}={to_cli(value)}" for key, value in overrides.items())])
    changed = replace(grid, title=title, columns=columns, exact=True)
    if _num_experiments(changed) < _num_experiments(grid):
        raise LabError(f"--set {' '.join(arguments)} makes cells of the grid {grid.path} equal, which sweeps that key.")
    return changed


def read_seeds(text: str) -> list[int]:
    """The seeds of ``0..4`` (both ends among them), ``0,3,7`` or a mixture of both.

    Raises:
        LabError: when it is none of these, or names a seed twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d+)(?:\.\.(\d+))?\s*", part)
        if not found or (found[2] and int(found[2]) < int(found[1])):
            raise LabError(f'--seeds must be like 0..4 or 0,3,7, but it is "{text}".')
        seeds += range(int(found[1]), int(found[2] or found[1]) + 1)
    if len(set(seeds)) < len(seeds):
        raise LabError(f'--seeds names a seed twice: "{text}".')
    return seeds


def check_keys(cells: Sequence[Cell], seed: int | None, classes: Mapping[str, str]) -> None:
    """Parse the arguments of each cell as ``train.py`` would, print what a cell leaves out, and run nothing.

    Args:
        cells: the cells of a grid.
        seed: one of its seeds, or None.
        classes: the full path of each class by its short name.

    Raises:
        LabError: when a key is unknown, or a value is of another type.
    """
    from lab.commands.cli import LabCLI
    from lab.commands.dropped_keys import dropped_keys
    from lab.commands.messages import explain

    dropped: dict[str, None] = {}  # each sentence once, in their order

    class ReadError(Exception):
        """Raised after parsing, instead of building anything."""

    class OnlyRead(LabCLI):
        def parse_arguments(self, parser: Any, args: Any) -> None:
            super().parse_arguments(parser, args)
            dropped.update(dict.fromkeys(dropped_keys(self.command_line, self.config["fit"].as_dict())))
            raise ReadError

    for cell in {(cell.row, cell.column): cell for cell in cells}.values():  # not once a seed
        argv = ["fit", "--config", cell.config, *cell.options(seed)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Lightning warns that sys.argv is not used
                OnlyRead(CommandLine.read(argv, classes))
        except ReadError:
            continue
        except Exception as error:
            sentence = explain(error, LabCLI.known_keys)
            if sentence is None:
                raise
            raise LabError(sentence) from error
    for sentence in dropped:
        print(sentence, flush=True)


def read_values(text: str, option: str = "--grid") -> list[Any]:
    """The values of a key, separated by the commas of a YAML list: ``[64],[64,8]`` are two.

    Raises:
        LabError: when one of them is empty or no YAML.
    """
    empty = LabError(f'{option} has an empty value in "{text}": write null or "" where you mean it.')
    if not text.strip() or text.rstrip().endswith(","):
        raise empty
    try:
        return yaml.safe_load(f"[{text}]")
    except yaml.YAMLError as error:
        if re.search(r"^\s*,|,\s*,", text):
            raise empty from None
        raise LabError(f'{option} has a value in "{text}" that is no YAML: {str(error).splitlines()[0]}.') from error


def _read_arguments(arguments: Sequence[str], option: str, classes: Mapping[str, str]) -> dict[str, list[Any]]:
    """The values of each key of ``key=value,value`` arguments."""
    given: dict[str, list[Any]] = {}
    for argument in arguments:
        key, equals, text = argument.removeprefix("--").partition("=")
        if not equals or not key:
            example = "key=value,value, such as model.net.depth=1,2,4" if option == "--grid" else "key=value"
            raise LabError(f'{option} takes {example}, but "{argument}" has no =.')
        if key in given:
            raise LabError(f"{option} names {key} twice: give all its values behind one =.")
        if key == "config":
            raise LabError(
                f"{option} sweeps no config: a row of a grid file may name one, see configs/grids/cora.yaml."
            )
        values = read_values(text, option)
        given[key] = [classes.get(value, value) if isinstance(value, str) else value for value in values]
    refuse_unswept(given, option)
    return given


def _num_experiments(grid: Grid) -> int:
    return len({(cell.config, *sorted(cell.options(None))) for cell in grid.cells})
