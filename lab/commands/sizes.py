"""Sizes that the data know: nobody types the number of classes for the data, for the task and for the network.

What a config states or a person types stands. A size that is stated nowhere is that of the datamodule, as if it had
been typed. (jsonargparse's ``link_arguments`` would overwrite what is stated, and add the argument to networks that do
not have it.)
"""

import importlib
import inspect
import json
from collections.abc import Iterator
from typing import Any

from jsonargparse import ArgumentParser
from lightning.pytorch import LightningDataModule

from lab.commands.command_line import CommandLine
from lab.config_files import load_config_file, to_cli

SIZES = {  # an argument of the task or its network: attributes of the datamodule, of which the first known one is taken
    "model.num_classes": ("num_classes",),
    "model.net.num_classes": ("num_classes",),
    "model.net.in_channels": ("in_channels", "num_features"),
    "model.net.image_size": ("image_size",),
    "model.net.vocab_size": ("vocab_size",),
    "model.net.input_size": ("input_size",),
}


def sizes_of_data(command_line: CommandLine) -> list[str]:
    """The sizes that a command line leaves open, as one would type them; those that the data do not know stay open."""
    open_keys = list(_open_keys(command_line))
    data = _datamodule(command_line) if open_keys and command_line.subcommand != "download" else None
    sizes = []
    for key, is_required in open_keys:
        known = (getattr(data, attribute, None) for attribute in SIZES[key])
        size = next((value for value in known if value is not None), None)
        if data is None and is_required:
            size = 1  # no network is needed for a download, nor where the parser is about to refuse the data
        sizes += [] if size is None else [f"--{key}={to_cli(size)}"]
    return sizes


def _open_keys(command_line: CommandLine) -> Iterator[tuple[str, bool]]:
    """The keys of sizes that are not stated but arguments of the classes in use, and whether they are required.

    A network whose ``image_size`` is None by default is for images of any size, and stays so.
    """
    stated = command_line.stated
    for key in SIZES.keys() - stated.keys():
        owner, _, name = key.rpartition(".")
        module, _, class_name = str(stated.get(owner, "")).rpartition(".")
        try:
            parameters = inspect.signature(getattr(importlib.import_module(module), class_name)).parameters
        except (ImportError, AttributeError, ValueError):
            continue  # the parser will say what is wrong with the class
        if name in parameters and (name, parameters[name].default) != ("image_size", None):
            yield key, parameters[name].default is inspect.Parameter.empty


def _datamodule(command_line: CommandLine) -> Any:
    """The datamodule of a command line; None where it cannot be built, of which the parser will say why."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(LightningDataModule, "data")
    files = [content["data"] for file in command_line.configs if (content := load_config_file(file)).get("data")]
    typed = [
        f"--{key}={to_cli(value)}" for key, value in command_line.overrides["values"].items() if key.startswith("data")
    ]
    try:
        return parser.instantiate(parser.parse_args([*(f"--data={json.dumps(data)}" for data in files), *typed])).data
    except Exception:
        return None
