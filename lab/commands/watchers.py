"""What watches a metric in a configuration follows the direction that the metric's name says."""

import json
from argparse import ArgumentError
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import yaml
from jsonargparse import ArgumentParser, Namespace

from lab.directions import ask_for_mode, contradiction, mode_of
from lab.errors import LabError


def best_mode(fits: bool, monitor: str, mode: str | None) -> str:
    """The mode of the best checkpoint.

    Raises:
        LabError: in training, when neither the mode nor the name of the metric says it.
    """
    if mode is None and fits:
        raise LabError(ask_for_mode("monitor", monitor, "add --monitor_mode"))
    return mode or "min"


def parse(parser: ArgumentParser, arguments: list[str]) -> Namespace:
    """Parse a command line; classes with a ``monitor`` whose ``mode`` is not stated get that of the metric's name.

    Raises:
        LabError: for ``fit``, when the name does not say it.
    """
    plain = [word for word in arguments if not word.startswith("--print_config")]
    try:
        config = parser.parse_args(plain)
    except ArgumentError:
        if plain == arguments:
            raise
        return parser.parse_args(arguments)  # prints also what is not complete
    followed = _follow(parser, plain, config)
    if plain == arguments:
        return config
    if followed:  # they are in lists, which no word can change
        shown = json.dumps(yaml.safe_load(parser.dump(config))[config.subcommand])
        arguments = [config.subcommand, *(word for word in arguments if word not in plain), f"--config={shown}"]
    return parser.parse_args(arguments)


def contradictions(config: Namespace) -> list[str]:
    """A sentence on each mode in the configuration of a command that contradicts the name of its metric.

    A task reports that of its schedule itself, since it may be built in Python.
    """
    watching = [("best.ckpt", config.monitor, config.monitor_mode, "monitor_mode")]
    watching += [(name, of.monitor, of.mode, "mode") for name, of, _ in _watchers(config.trainer)]
    sentences = (contradiction(*watched) for watched in watching)
    return [sentence for sentence in sentences if sentence]


def _follow(parser: ArgumentParser, arguments: list[str], config: Namespace) -> bool:
    """Set the modes that are not stated; whether there was one."""
    config, followed = config.get(config.get("subcommand") or "", Namespace()), False
    if any(True for _ in _watchers(config)):
        stated = parser.parse_args(arguments, defaults=False)
        for name, watcher, given in _watchers(config, stated[stated.subcommand]):
            if "mode" not in given:
                mode, followed = mode_of(watcher.monitor), True
                if mode is None and arguments[0] == "fit":
                    raise LabError(ask_for_mode(name, watcher.monitor, "add its mode,"))
                watcher.mode = mode or watcher.mode
    return followed


def _watchers(config: Any, stated: Any = None) -> Iterator[tuple[str, Namespace, Any]]:
    """The name, the arguments and the stated arguments of every class in a configuration that watches a metric."""
    if isinstance(config, list):
        for item, given in zip_longest(config, stated if isinstance(stated, list) else []):
            yield from _watchers(item, given)
    if not isinstance(config, Namespace):
        return
    given, arguments = stated if isinstance(stated, Namespace) else Namespace(), config.get("init_args")
    if isinstance(arguments, Namespace) and arguments.get("monitor") and arguments.get("mode") in ("min", "max"):
        yield config.class_path.rpartition(".")[2], arguments, given.get("init_args") or {}
    for key, value in vars(config).items():
        yield from _watchers(value, given.get(key))
