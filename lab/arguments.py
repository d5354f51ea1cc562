"""What a person typed: the command, the files it names, and the values that win over them."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.checkpoints import newest_checkpoint
from lab.errors import LabError, nearest


@dataclass
class CommandLine:
    """The typed arguments, config files first, so that a value typed anywhere wins over every file.

    Args:
        subcommand: the command, or None when only help can follow.
        configs: config files, later ones layered over earlier ones.
        overrides: everything else, in the order it was typed.
    """

    subcommand: str | None
    configs: list[str] = field(default_factory=list)
    overrides: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, typed: list[str], subcommands: list[str], classes: dict[str, str]) -> "CommandLine":
        """Sort what was typed, and give the laboratory's classes their full paths.

        Args:
            typed: the words after ``train.py``.
            subcommands: the commands there are.
            classes: the full path of each class by its short name. Without them jsonargparse asks which of all
                imported classes of that name is meant: torchvision has a VisionTransformer too.

        Raises:
            LabError: when the command is unknown, or a config file is not there.
        """
        if not typed or typed[0] in ("-h", "--help"):
            return cls(None, overrides=["--help"])
        if typed[0] not in subcommands:
            hint = nearest(typed[0], subcommands)
            raise LabError(f'"{typed[0]}" is no command: choose one of {", ".join(subcommands)}{hint}')
        line, rest = cls(typed[0]), iter(typed[1:])
        for word in rest:
            if word in ("-c", "--config"):
                line.configs.append(next(rest, ""))
            elif word.startswith("--config="):
                line.configs.append(word.removeprefix("--config="))
            else:
                key, equals, value = word.rpartition("=")
                line.overrides.append(key + equals + classes.get(value, value))
        for config in line.configs:
            _check_config(config)
        return line

    @property
    def arguments(self) -> list[str]:
        return self._assemble([])

    def with_model(self, model: dict[str, Any] | None) -> list[str]:
        """The arguments with a model layered over the files and under the typed values."""
        return self._assemble([] if model is None else [f"--model={json.dumps(model)}"])

    def run_name(self, config: Any) -> str:
        """The name of the experiment: that of its config file, or of its classes when it has none."""
        files = [Path(path) for path in self.configs if Path(path).parent.name != "presets"]
        if not files:
            return "-".join(str(config[key].class_path).rsplit(".", 1)[-1] for key in ("model", "data"))
        first = files[0].absolute()
        in_run = first.name == "config.yaml" and re.fullmatch(r"version_\d+", first.parent.name)
        return first.parent.parent.name if in_run else first.stem

    def _assemble(self, layer: list[str]) -> list[str]:
        words = [word for config in self.configs for word in ("--config", config)]
        return [*([self.subcommand] if self.subcommand else []), *words, *layer, *self.overrides]


def _check_config(config: str) -> None:
    path = Path(config)
    if path.is_file():
        try:
            yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            reason = getattr(error, "problem", None) or error
            raise LabError(f"the config file {config} is no valid YAML{where}: {reason}.") from error
        return
    there = sorted(file.name for file in path.parent.glob("*.yaml"))
    hint = nearest(path.name, there)
    listing = f" {path.parent} holds {', '.join(there)}{hint}" if there else ""
    raise LabError(f'the config file "{config}" does not exist.{listing}')


def checkpoint_path(command: str, given: str | None, root: Path, name: str) -> Path | None:
    """The checkpoint that a command starts from: a path, or the "best" or "last" one of the newest run of a config.

    Args:
        command: fit, validate, test or predict.
        given: what --ckpt_path says; None stands for a fresh start of fit, and for "best" elsewhere.
        root: the folder of all runs.
        name: the name of the config.

    Raises:
        LabError: when there is no such file.
    """
    kind = "best" if given is None and command != "fit" else given
    if kind is None:
        return None
    if kind not in ("best", "last"):
        path = Path(kind)
        if not path.is_file():
            raise LabError(f"the checkpoint {kind} does not exist: give a file, or one of the words best and last.")
        return path
    found = newest_checkpoint(root, name, kind)
    if found is None and command == "fit" and kind == "last":
        return None
    if found is None:
        raise LabError(
            f"no run of {name} in {root} has a {kind} checkpoint: run `python train.py fit` with its config first, "
            f"or give --ckpt_path."
        )
    return found
