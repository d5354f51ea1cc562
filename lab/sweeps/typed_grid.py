"""Grids that are typed: a config, values of some of its keys, seeds; and whether a grid's keys are known."""

import itertools
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lab.commands.command_line import CommandLine
from lab.config_files import check_config
from lab.errors import LabError
from lab.grids import Cell, Grid, refuse_unswept
from lab.overrides import typed

SEEDS = ("seed_everything", "data.seed")


def typed_grid(config: str, words: Sequence[str], seeds: str | None, classes: Mapping[str, str]) -> Grid:
    """The cross product of typed values as a grid of one column.

    Args:
        config: path of the config.
        words: ``key=value,value`` for each key to sweep; commas inside brackets, braces and quotes part no values.
        seeds: ``0..4`` or ``0,3,7``, each for the weights and the data; the config's own alone when None.
        classes: the full path of each class by its short name.

    Raises:
        LabError: when the config is not there, or a word is no key with values.
    """
    check_config(config)
    swept: dict[str, list[Any]] = {}
    for word in words:
        key, values = _read_word(word, classes)
        if key in swept:
            raise LabError(f"--grid names {key} twice: give all its values behind one =.")
        if key == "config":
            raise LabError("--grid sweeps no config: a row of a grid file may name one, see configs/grids/cora.yaml.")
        if seeds is not None and key in SEEDS:
            raise LabError(f"--grid names {key}, which --seeds sets too: leave one of them out.")
        swept[key] = values
    refuse_unswept(swept, "--grid")
    if not swept and seeds is None:
        raise LabError("nothing is swept: add --grid key=value,value or --seeds 0..4.")
    cells = [dict(zip(swept, values, strict=True)) for values in itertools.product(*swept.values())]
    rows = {", ".join(f"{key}={typed(value)}" for key, value in cell.items()): cell for cell in cells}
    if len(rows) < len(cells):
        raise LabError(f"--grid states a value twice: {' '.join(words)}.")
    title = " × ".join([Path(config).stem, *swept])
    return Grid("", title, config, {}, {"": {}}, rows, [] if seeds is None else read_seeds(seeds), exact=True)


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
    """Read the command line of each cell as ``train.py`` would, say what a cell leaves out, and run nothing.

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
        """Raised when all has been read well, instead of building anything."""

    class OnlyRead(LabCLI):
        def parse_arguments(self, parser: Any, args: Any) -> None:
            super().parse_arguments(parser, args)
            dropped.update(dict.fromkeys(dropped_keys(self.command_line, self.config["fit"].as_dict())))
            raise ReadError

    for cell in {(cell.row, cell.column): cell for cell in cells}.values():  # not once a seed
        words = ["fit", "--config", cell.config, *cell.words(seed)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # by Lightning, that its command line is read elsewhere too
                OnlyRead(CommandLine.read(words, classes))
        except ReadError:
            continue
        except Exception as error:
            sentence = explain(error, LabCLI.known_keys)
            if sentence is None:
                raise
            raise LabError(sentence) from error
    for sentence in dropped:
        print(sentence, flush=True)


def read_values(text: str) -> list[Any]:
    """The values of a key, parted by the commas of a YAML list: ``[64],[64,8]`` are two.

    Raises:
        LabError: when one of them is empty or no YAML.
    """
    empty = LabError(f'--grid has an empty value in "{text}": write null or "" where you mean it.')
    if not text.strip() or text.rstrip().endswith(","):
        raise empty
    try:
        return yaml.safe_load(f"[{text}]")
    except yaml.YAMLError as error:
        if re.search(r"^\s*,|,\s*,", text):
            raise empty from None
        raise LabError(f'--grid has a value in "{text}" that is no YAML: {str(error).splitlines()[0]}.') from error


def _read_word(word: str, classes: Mapping[str, str]) -> tuple[str, list[Any]]:
    key, equals, text = word.removeprefix("--").partition("=")
    if not equals or not key:
        raise LabError(f'--grid takes key=value,value, such as model.net.depth=1,2,4, but "{word}" has no =.')
    return key, [classes.get(value, value) if isinstance(value, str) else value for value in read_values(text)]
