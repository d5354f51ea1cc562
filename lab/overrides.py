"""What was typed to start a run: its config file, and the values beside it."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lab.config_files import config_file, read_config, read_overrides
from lab.run_folder import from_here

# What may differ between repeats of an experiment: their seeds, and where, how and how talkatively they ran.
FREE = re.compile(
    r"(seed_everything|data\.seed|data\.root|reference|ckpt_path|test_after_fit|compile|monitor|monitor_mode|"
    r"save_every_minutes|"
    r"trainer\.(accelerator|devices|num_nodes|strategy|logger|callbacks|log_every_n_steps|default_root_dir|enable_\w+))$"
)


@dataclass(frozen=True)
class Variant:
    """An experiment as one would type it again.

    Args:
        name: the name of its config, which the folder of its runs has.
        config: the path of its config file; empty where none was typed.
        overrides: what is typed behind it, further config files first; empty where the file states all.
    """

    name: str
    config: str
    overrides: str

    @property
    def is_usual(self) -> bool:
        """Whether its config file is where those of the laboratory are."""
        return self.config in ("", usual_config(self.name))

    @property
    def label(self) -> str:
        return f"{self.name if self.is_usual else self.config}{self.overrides}"

    @property
    def command(self) -> str:
        config = f" --config {shlex.quote(self.config)}" if self.config else ""
        return f"python train.py fit{config}{self.overrides}"


class _Start(NamedTuple):
    """How a run began: its config file, those layered over it, what they state, and what was typed."""

    config: str
    layers: list[str]
    stated: dict[str, Any]
    typed: dict[str, Any]


def variants_of(runs: Sequence[Path]) -> list[Variant]:
    """For each of some runs, its config file and the values other than the file's.

    A value that the file does not state is told where it was typed, and where runs of the file disagree about it
    although none of them typed it; one that a run does not know, because it is older than the argument, is no
    disagreement.

    Args:
        runs: run folders; what was typed for those without ``overrides.yaml`` is not known.
    """
    starts, ran = [_start_of(run) for run in runs], [values_of(read_config(run)) for run in runs]
    variants = []
    for run, start, values in zip(runs, starts, ran, strict=True):
        keys = {key for key, value in start.stated.items() if key in values and values[key] != value}
        keys |= start.typed.keys() - start.stated.keys()
        for other, known in zip(starts, ran, strict=True):
            if other.config == start.config:
                unstated = values.keys() & known.keys() - start.stated.keys()
                chosen = {**start.typed, **other.typed}
                keys |= {key for key in unstated if values[key] != known[key] and not _is_within(key, chosen)}
        words = [("config", layer) for layer in start.layers if _matters(layer)]
        words += [(key, typed(values.get(key, start.typed.get(key)))) for key in sorted(_binding(keys))]
        told = "".join(f" --{key} {shlex.quote(value)}" for key, value in words)
        variants.append(Variant(run.parent.name, start.config, told))
    return variants


def usual_config(name: str) -> str:
    """Where the config file of an experiment lies, unless another was typed."""
    return f"configs/{name}.yaml"


def values_of(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of a config by their dotted keys on the command line."""
    values: dict[str, Any] = {}
    for key, value in config.items():
        name = prefix if key in ("class_path", "init_args") else f"{prefix}.{key}".lstrip(".")
        value = _number(value)
        inner = isinstance(value, dict) and (
            key in ("init_args", "trainer") or {"class_path", "init_args"} & set(value)
        )
        values |= values_of(value, name) if inner else {name: value}
    return values


def typed(value: Any) -> str:
    """A value as one types it, without the quotes that a shell may need.

    A word stands as it is, whatever YAML makes of it: ``train.py`` would take quotes around it for part of it.
    """
    if isinstance(value, str):
        return value
    return yaml.safe_dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()


def read_word(text: str) -> Any:
    """A typed word as YAML reads it; the word itself where that cannot be done."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:  # the parser will say so, or take it as a word
        return text


def _start_of(run: Path) -> _Start:
    given = read_overrides(run)
    if given is None:
        return _begun(usual_config(run.parent.name), [], {})
    files = [str(from_here(file)) for file in given["configs"]]
    config = next((file for file in files if Path(file).parent.name != "presets"), "")
    layers = [file for file in files if file != config]
    keys = {re.sub(r"\.(init_args|class_path)(?=\.|$)", "", key).rstrip("+"): key for key in given["values"]}
    values = values_of({key: given["values"][typed_key] for key, typed_key in keys.items()})
    origin = Path(config).parent
    is_saved = Path(config).name == "config.yaml" and re.fullmatch(r"version_\d+", origin.name)
    if is_saved and origin.resolve() != run.resolve():  # the run repeats another
        first = _start_of(origin)
        return _begun(first.config, [*first.layers, *layers], {**first.typed, **values})
    return _begun(config, layers, values)


def _begun(config: str, layers: list[str], values: dict[str, Any]) -> _Start:
    files = [values_of(config_file(file)) for file in (config, *layers)]
    return _Start(config, layers, {key: value for stated in files for key, value in stated.items()}, values)


def _matters(layer: str) -> bool:
    """Whether a config file states more than what repeats may differ in, or may have done so when it was there."""
    return not Path(layer).is_file() or bool(_binding(values_of(config_file(layer))))


def _binding(keys: Iterable[str]) -> list[str]:
    return [key for key in keys if not FREE.match(key)]


def _is_within(key: str, others: Iterable[str]) -> bool:
    """Whether a key is one of others, or of the class that one of them chooses."""
    return any(key == other or key.startswith(f"{other}.") for other in others)


def _number(value: Any) -> Any:
    """YAML 1.1 takes 1e-3 for a word, the command line for a number."""
    is_number = isinstance(value, str) and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+", value)
    return float(value) if is_number else value
