"""What a config states for one class and another class does not take: jsonargparse leaves it out without a word."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from lab.commands.command_line import CommandLine
from lab.config_files import load_config_file, values_of


def dropped_keys(command_line: CommandLine, config: Mapping[str, Any]) -> list[str]:
    """A sentence for each class in whose place another came, on the values of its own that are left out.

    What both classes take stays. A part that is replaced as a whole, by null or by a list, is no class and no news.

    Args:
        command_line: the config files, and the values typed beside them.
        config: what the command runs with.
    """
    overrides = command_line.overrides["values"]
    hidden = re.compile(r"\.(init_args|class_path|dict_kwargs)(?=\.|$)")
    plain = {hidden.sub("", key).rstrip("+"): value for key, value in overrides.items()}
    final = dict(_flat(values_of(dict(config))))
    dropped: dict[str, dict[str, None]] = defaultdict(dict)
    for layer in (*map(load_config_file, command_line.configs), plain):
        for key, _ in _flat(values_of(layer)):
            parent = next((part for part in _parents(key) if part in final), None)
            if key not in final and parent is not None and isinstance(final[parent], str):
                dropped[parent][_first_unknown(key, parent)] = None
    return [
        f"Left out, since {parent} is {final[parent]} now: {', '.join(sorted(keys))}."
        for parent, keys in dropped.items()
    ]


def _flat(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The values with what a class takes as ``**kwargs`` among its other arguments."""
    for key, value in values.items():
        if key.endswith(".dict_kwargs") and isinstance(value, dict):
            yield from ((f"{key.removesuffix('dict_kwargs')}{name}", item) for name, item in value.items())
        else:
            yield key, value


def _parents(key: str) -> Iterator[str]:
    """``model.net`` and ``model`` of ``model.net.depth``."""
    while "." in key:
        key = key.rpartition(".")[0]
        yield key


def _first_unknown(key: str, parent: str) -> str:
    """The argument of the class that a key belongs to, for a class within the class that is left out as a whole."""
    return f"{parent}.{key.removeprefix(f'{parent}.').partition('.')[0]}"
