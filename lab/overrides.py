"""What was typed beside the config file of a run."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

# What may differ between repeats of an experiment: their seeds, and where, how and how talkatively they ran.
FREE = re.compile(
    r"(seed_everything|data\.seed|data\.root|reference|ckpt_path|test_after_fit|compile|monitor|monitor_mode|"
    r"trainer\.(accelerator|devices|num_nodes|strategy|logger|callbacks|log_every_n_steps|default_root_dir|enable_\w+))$"
)


def overrides_of(runs: Sequence[Path], stated: dict[str, Any]) -> list[str]:
    """For each run of one config file, the values other than the file's, as one would type them again.

    A value that the file does not state is told where the runs disagree about it; one that a run does not know, because
    it is older than the argument, is no disagreement.

    Args:
        runs: run folders of the same config file.
        stated: the config file.
    """
    in_file = {key: value for key, value in values_of(stated).items() if not FREE.match(key)}
    ran = [values_of(read_config(run)) for run in runs]
    told = []
    for values in ran:
        others = {key for other in ran for key in values.keys() & other.keys() if values[key] != other[key]}
        differing = {key for key in values if key in in_file and values[key] != in_file[key]}
        differing |= {key for key in others if key not in in_file and not FREE.match(key)}
        told.append("".join(f" --{key} {shlex.quote(typed(values[key]))}" for key in sorted(differing)))
    return told


def config_file(name: str) -> dict[str, Any]:
    """The config file of an experiment as it stands now, empty where there is none."""
    path = Path("configs") / f"{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def read_config(run: Path) -> dict[str, Any]:
    """The config that a run was started with, empty where there is none."""
    path = run / "config.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else {}


def values_of(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a config by their dotted keys on the command line."""
    values: dict[str, Any] = {}
    for key, value in config.items():
        name = prefix if key in ("class_path", "init_args") else f"{prefix}.{key}".lstrip(".")
        value = _number(value)
        inner = isinstance(value, dict) and (key in ("init_args", "trainer") or "class_path" in value)
        values |= values_of(value, name) if inner else {name: value}
    return values


def typed(value: Any) -> str:
    """A value as one types it, without the quotes that a shell may need."""
    text = value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True, width=10**6)
    return text.removesuffix("...\n").strip()


def _number(value: Any) -> Any:
    """YAML 1.1 takes 1e-3 for a word, the command line for a number."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value
