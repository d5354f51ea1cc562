"""The YAML files of experiments: read as plain values, reported by name where they are damaged, and compared."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError, nearest

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast, where PyYAML was built with it
RENAMED = {  # classes: the former path, which still works, and the path
    "callbacks.ClassReport": "callbacks.ClassificationReport",
    "callbacks.Mistakes": "callbacks.Misclassifications",
}
RENAMED_ARGUMENTS = {"rnn_size": "hidden_size"}


def check_config(config: str) -> None:
    """Raise LabError unless a config file is there and is valid YAML, a mapping."""
    path = Path(config)
    if path.is_file():
        load_config_file(path)
        return
    there = sorted(file.name for file in path.parent.glob("*.yaml"))
    hint = nearest(path.name, there)
    listing = f" {path.parent} holds {', '.join(there)}{hint}" if there else ""
    raise LabError(f'the config file "{config}" does not exist.{listing}')


def load_config_file(path: str | Path) -> dict[str, Any]:
    """A config file as it stands now, empty where there is none; it is read anew only when it has changed.

    Classes that were renamed have their current names.

    Raises:
        LabError: when it is no valid YAML, or does not hold keys and values.
    """
    path = Path(path)
    if not path.is_file():
        return {}
    stat = path.stat()
    return _load(path, stat.st_mtime_ns, stat.st_size, stat.st_ino)


@lru_cache(maxsize=4096)
def _load(path: Path, *version: int) -> dict[str, Any]:
    try:
        content = _parse(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise LabError(f"the config file {path} is no text in UTF-8: save it as such.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        reason = getattr(error, "problem", None) or error
        raise LabError(f"the config file {path} is no valid YAML{where}: {reason}.") from error
    if not isinstance(content, dict | None):
        raise LabError(f"the config file {path} must hold keys and values, but holds a {type(content).__name__}.")
    return _with_current_names(content or {})


def _parse(text: str) -> Any:
    try:
        return LOADER(text).get_single_data()
    except yaml.YAMLError:
        return yaml.safe_load(text)  # whose errors say more exactly where


def _with_current_names(value: Any) -> Any:
    """A value of a config with the former paths of classes replaced, so that earlier runs compare as equal."""
    if isinstance(value, dict):
        unused = {key for key, inner in value.items() if key in RENAMED_ARGUMENTS and inner is None}
        return {_current_key(key): _with_current_names(inner) for key, inner in value.items() if key not in unused}
    if isinstance(value, list):
        return [_with_current_names(inner) for inner in value]
    return RENAMED.get(value, value) if isinstance(value, str) else value


def values_of(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a config by their dotted keys on the command line."""
    values: dict[str, Any] = {}
    for key, value in config.items():
        name = prefix if key in ("class_path", "init_args") else f"{prefix}.{key}".lstrip(".")
        value = list(value) if isinstance(value, tuple) else as_number(value)  # as YAML has it
        inner = isinstance(value, dict) and (
            key in ("init_args", "trainer") or {"class_path", "init_args"} & set(value)
        )
        values |= values_of(value, name) if inner and isinstance(value, dict) else {name: value}
    return values


def to_cli(value: Any) -> str:
    """A value as one types it on a command line, without the quotes that a shell may need.

    A string stands as it is, whatever YAML makes of it: ``train.py`` would take quotes around it for part of it.
    """
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()


def from_cli(text: str) -> Any:
    """A typed value as YAML reads it; the text itself where that cannot be done."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:  # the parser will say so, or take it as a string
        return text


def is_part(stated: Any, ran: Any) -> bool:
    """Whether what a config states is part of what ran, where defaults have been filled in."""
    if isinstance(stated, dict) and isinstance(ran, dict):
        return all(key in ran and is_part(value, ran[key]) for key, value in stated.items())
    if isinstance(stated, list) and isinstance(ran, list):
        return len(stated) == len(ran) and all(map(is_part, stated, ran))
    return as_number(stated) == as_number(ran)


def _current_key(key: Any) -> Any:
    """An argument, or a dotted key, by its current name."""
    before, dot, name = key.rpartition(".") if isinstance(key, str) else ("", "", key)
    return f"{before}{dot}{RENAMED_ARGUMENTS[name]}" if name in RENAMED_ARGUMENTS else key


def as_number(value: Any) -> Any:
    """YAML 1.1 takes 1e-3 for a string, the command line for a number."""
    is_number = isinstance(value, str) and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+", value)
    return float(value) if is_number else value
