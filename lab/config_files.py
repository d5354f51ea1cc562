"""The YAML files of experiments and of their runs: read as plain values, and told by name where they are damaged."""

import re
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError, nearest

RENAMED = {  # classes: the former path, which still works, and the path
    "callbacks.ClassReport": "callbacks.ClassificationReport",
    "callbacks.Mistakes": "callbacks.Misclassifications",
}


def owner_of(folder: Path) -> Path:
    """The run that a folder of results is of: itself, or of ``<run>/evaluations/<name>`` the run."""
    return folder.parent.parent if folder.parent.name == "evaluations" else folder


def check_config(config: str) -> None:
    """Raise LabError unless a config file is there and is valid YAML, a mapping."""
    path = Path(config)
    if path.is_file():
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError as error:
            raise LabError(f"the config file {config} is no text in UTF-8: save it as such.") from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            reason = getattr(error, "problem", None) or error
            raise LabError(f"the config file {config} is no valid YAML{where}: {reason}.") from error
        if not isinstance(content, dict | None):
            raise LabError(f"the config file {config} must hold keys and values, but holds a {type(content).__name__}.")
        return
    there = sorted(file.name for file in path.parent.glob("*.yaml"))
    hint = nearest(path.name, there)
    listing = f" {path.parent} holds {', '.join(there)}{hint}" if there else ""
    raise LabError(f'the config file "{config}" does not exist.{listing}')


def config_file(path: str | Path) -> dict[str, Any]:
    """A config file as it stands now, empty where there is none; classes have the names of today.

    Raises:
        LabError: when it is no valid YAML, or does not hold keys and values.
    """
    if not Path(path).is_file():
        return {}
    check_config(str(path))
    return _with_names_of_today(yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {})


def _with_names_of_today(value: Any) -> Any:
    """A value of a config with the former paths of classes replaced, so that runs from before compare as equal."""
    if isinstance(value, dict):
        return {key: _with_names_of_today(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_names_of_today(inner) for inner in value]
    return RENAMED.get(value, value) if isinstance(value, str) else value


def read_config(run: Path) -> dict[str, Any]:
    """What repeats a run, from its ``config.yaml``; empty where there is none.

    Raises:
        LabError: when the file is damaged.
    """
    path = owner_of(run) / "config.yaml"
    config = config_file(path)
    if path.is_file() and not config:
        raise LabError(f"{path} is empty, where what repeats the run should be: restore it, or fit anew.")
    return config


def read_overrides(run: Path) -> dict[str, Any] | None:
    """What was typed to start a run, from its ``overrides.yaml``: its ``configs`` and ``values``; None without a file.

    Raises:
        LabError: when the file is damaged.
    """
    path = owner_of(run) / "overrides.yaml"
    if not path.is_file():
        return None
    given = config_file(path)
    if not isinstance(given.get("configs"), list) or not isinstance(given.get("values"), dict):
        raise LabError(
            f"{path} must hold a list of configs and the values typed beside them, but holds "
            f"{', '.join(map(str, given)) or 'nothing'}: restore it, or fit anew."
        )
    return given


def read_evaluation(folder: Path) -> dict[str, Any]:
    """What a result of a run is of that is not the run's own, from its ``evaluation.yaml``; empty for the run's own."""
    return config_file(folder / "evaluation.yaml") if owner_of(folder) != folder else {}


def typed(value: Any) -> str:
    """A value as one types it, without the quotes that a shell may need.

    A word stands as it is, whatever YAML makes of it: ``train.py`` would take quotes around it for part of it.
    """
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()


def within(stated: Any, ran: Any) -> bool:
    """Whether what a config states is part of what ran, where defaults have been filled in."""
    if isinstance(stated, dict) and isinstance(ran, dict):
        return all(key in ran and within(value, ran[key]) for key, value in stated.items())
    if isinstance(stated, list) and isinstance(ran, list):
        return len(stated) == len(ran) and all(map(within, stated, ran))
    return as_number(stated) == as_number(ran)


def as_number(value: Any) -> Any:
    """YAML 1.1 takes 1e-3 for a word, the command line for a number."""
    is_number = isinstance(value, str) and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+", value)
    return float(value) if is_number else value
