"""What a person typed: the command, the files it names, and the values that win over them."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.config_files import check_config, from_cli, load_config_file, values_of
from lab.directions import followed_mode
from lab.errors import LabError, nearest
from lab.training.requeue import slurm_job

COMMANDS = ("fit", "validate", "test", "predict", "download")
HELP = """usage: python train.py COMMAND --config CONFIG [--key value …]

  fit        train, and keep the best and the last checkpoint in runs/<config>/version_<n>/
  validate   score the best checkpoint of the newest run on the validation split
  test       score it on the test split; prints the reference beside the result
  predict    write predictions.csv for new data
  download   fetch the data of a config, for machines whose nodes have no network

  --config FILE             an experiment, configs/*.yaml; later files are layered over earlier ones
  --ckpt_path best|last|FILE   the checkpoint to start from; with fit, last resumes
  --key value               any value of the config by its dotted name; what is typed wins over the files
  --print_config            print what a command would run with, and run nothing

python train.py fit --help              the keys of a command
python train.py fit --model.net.help UNet    the arguments of a class

examples:
  python train.py fit --config configs/vit_digits.yaml
  python train.py fit --config configs/vit_digits.yaml --model.net.depth 2 --trainer.max_epochs 5
  python train.py test --config configs/vit_digits.yaml"""


@dataclass
class CommandLine:
    """The typed arguments, config files first, so that a value typed anywhere wins over every file.

    Args:
        subcommand: the command, or None when only help can follow.
        configs: config files, later ones layered over earlier ones.
        options: everything else, in the order it was typed.
        sizes: arguments that the data decide, since nobody stated them.
    """

    subcommand: str | None
    configs: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, argv: Sequence[str], classes: Mapping[str, str]) -> "CommandLine":
        """Sort what was typed, and give the laboratory's classes their full paths.

        Args:
            argv: the arguments after ``train.py``.
            classes: the full path of each class by its short name.

        Raises:
            LabError: when the command is unknown, or a config file is not there.
        """
        if not argv or argv[0] in ("-h", "--help"):
            return cls(None, options=["--help"])
        if argv[0] not in COMMANDS:
            hint = nearest(argv[0], COMMANDS)
            raise LabError(f'"{argv[0]}" is no command: choose one of {", ".join(COMMANDS)}{hint}')
        line, rest = cls(argv[0]), iter(argv[1:])
        for word in rest:
            if word in ("-c", "--config"):
                line.configs.append(next(rest, ""))
            elif word.startswith("--config="):
                line.configs.append(word.removeprefix("--config="))
            else:
                key, equals, value = word.rpartition("=")
                line.options.append(key + equals + classes.get(value, value))
        for config in line.configs:
            check_config(config)
        return line

    @property
    def arguments(self) -> list[str]:
        return [*self._assemble([]), *self.sizes]

    @property
    def run(self) -> Path | None:
        """The run folder whose own config.yaml was named, or None."""
        files = self._experiments()
        return files[0].parent if files and _is_saved(files[0]) else None

    def layered(self, **parts: dict[str, Any] | None) -> list[str]:
        """The arguments with parts, such as ``model=…``, layered over the files and under the typed values."""
        layered = self._assemble([f"--{key}={json.dumps(part)}" for key, part in parts.items() if part is not None])
        return layered if parts.get("model") else [*layered, *self.sizes]

    @property
    def overrides(self) -> dict[str, Any]:
        """The config files, the typed values by their keys as YAML reads them, and the SLURM job that does it."""
        values, options = {}, iter(self.options)
        for word in options:
            key, equals, value = word.removeprefix("--").partition("=")
            value = value if equals else next(options, "")
            values[key] = from_cli(value)
        return {"configs": self.configs, "values": values, **slurm_job()}

    @property
    def stated(self) -> dict[str, Any]:
        """What the config files and the typed values state, by their keys; a class by the key of its instance."""
        plain = {
            re.sub(r"\.(init_args|class_path)(?=\.|$)", "", key): of for key, of in self.overrides["values"].items()
        }
        return {
            key: value for of in (*map(load_config_file, self.configs), plain) for key, value in values_of(of).items()
        }

    @property
    def followed_mode(self) -> list[str]:
        """What is typed behind it all where ``monitor_mode`` follows the name of the metric; nothing elsewhere."""
        layers = [*map(load_config_file, self.configs), self.overrides["values"]]
        mode = followed_mode(layers) if self.subcommand else None
        return [f"--monitor_mode={mode}"] if mode else []

    def run_name(self, config: Any) -> str:
        """The name of the experiment: that of its config file, or of its classes when it has none."""
        files = self._experiments()
        if not files:
            return "-".join(str(config[key].class_path).rsplit(".", 1)[-1] for key in ("model", "data"))
        name = files[0].resolve().parent.parent.name if _is_saved(files[0]) else files[0].stem
        if name in ("", ".", ".."):  # the run would lie outside the folder of runs
            raise LabError(f'a run is named after its config, but {files[0]} gives it the name "{name}": rename it.')
        return name

    def _experiments(self) -> list[Path]:
        return [Path(path) for path in self.configs if Path(path).parent.name != "presets"]

    def _assemble(self, layer: list[str]) -> list[str]:
        files = [word for config in self.configs for word in ("--config", config)]
        return [*([self.subcommand] if self.subcommand else []), *files, *layer, *self.options]


def _is_saved(config: Path) -> bool:
    """Whether a file is the config.yaml of a run folder."""
    return config.name == "config.yaml" and bool(re.fullmatch(r"version_\d+", config.resolve().parent.name))
