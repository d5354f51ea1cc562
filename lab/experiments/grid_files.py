"""Grids as files: read, and checked part by part."""

import sys
from pathlib import Path
from typing import Any

import yaml

from lab.config_files import check_config
from lab.errors import LabError, nearest
from lab.experiments.grids import Grid, refuse_unswept

KEYS = ("title", "config", "metrics", "columns", "rows", "seeds", "curves", "references", "baseline")
RENAMED = {"versus": "baseline"}  # keys of a grid file: the former name, which still works, and the name


def read_grid(path: Path) -> Grid:
    """Read a grid file.

    Raises:
        LabError: when it is not there, or is no grid.
    """
    if not path.is_file():
        there = ", ".join(sorted(file.name for file in path.parent.glob("*.yaml"))) or "no grid"
        raise LabError(f'the grid "{path}" does not exist; {path.parent} holds {there}.')
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LabError(f"the grid {path} is no valid YAML: {' '.join(str(error).split())}.") from error
    content = _with_names_of_today(content, path)
    given = set(map(str, content)) if isinstance(content, dict) else set()
    missing = {"title", "config", "metrics", "rows"} - given
    if missing or given - set(KEYS):
        wrong = f"lacks {', '.join(sorted(missing))}" if missing else f"has {', '.join(sorted(given - set(KEYS)))}"
        hint = "".join(nearest(key, KEYS) for key in given - set(KEYS))
        raise LabError(f"the grid {path} {wrong}: a grid has the keys {', '.join(KEYS)}{hint}")
    grid = Grid(**{"path": str(path), "columns": {"": {}}, **content})
    _check(grid)
    return grid


def _with_names_of_today(content: Any, path: Path) -> Any:
    """The content of a grid file with its former keys replaced, and a sentence that says so.

    Raises:
        LabError: when a key stands there under both names.
    """
    for former, name in RENAMED.items():
        if isinstance(content, dict) and former in content:
            if name in content:
                raise LabError(f"the grid {path} has {name} and its former name {former}: leave out {former}.")
            print(f"{path}: {former} is now called {name}: the old name works, and means the same.", file=sys.stderr)
            content = {name if key == former else key: value for key, value in content.items()}
    return content


def _check(grid: Grid) -> None:
    """Raise LabError unless the parts of a grid are of their kinds."""
    for name in ("metrics", "rows", "columns", "curves", "references"):
        part, nested = getattr(grid, name), name in ("rows", "columns")
        kind = dict if nested else str
        empty = not part and name in ("metrics", "rows", "columns")
        if not isinstance(part, dict) or empty or not all(isinstance(item, kind) for item in part.values()):
            what = "the overrides of each, such as {model.net.depth: 2} or {}" if nested else "a label of each"
            raise LabError(f"{name} of the grid {grid.path} must be names with {what}, but it is {part}.")
        if not all(isinstance(key, str) for key in part):
            raise LabError(
                f"{name} of the grid {grid.path} must have words as names, but has {list(part)}: quote them."
            )
    if not isinstance(grid.seeds, list) or not all(type(seed) is int for seed in grid.seeds):  # True is an int too
        raise LabError(f"seeds of the grid {grid.path} must be a list of whole numbers, but it is {grid.seeds}.")
    if len(set(grid.seeds)) < len(grid.seeds):
        raise LabError(f"seeds of the grid {grid.path} must name each seed once, but it is {grid.seeds}.")
    if grid.baseline and grid.baseline not in list(grid.rows):  # a list has no hash
        raise LabError(f'baseline of the grid {grid.path} must be one of its rows, but it is "{grid.baseline}".')
    configs = [grid.config, *(cell.config for cell in grid.cells)]
    for config in configs:
        if not isinstance(config, str) or not Path(config).is_file():
            raise LabError(f'the grid {grid.path} is of the config "{config}", which does not exist.')
    for config in dict.fromkeys(configs):
        check_config(config)
    refuse_unswept({key for cell in grid.cells for key in cell.overrides}, f"the grid {grid.path}")
