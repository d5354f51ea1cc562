"""How the commands other than train.py read what is typed, and the short names of the laboratory's classes."""

import argparse
from collections.abc import Sequence
from types import ModuleType
from typing import Any, NoReturn

from lab.errors import LabError


class Parser(argparse.ArgumentParser):
    """An ``argparse`` parser, for commands other than ``train.py``, whose errors are told like all others."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(allow_abbrev=False, **arguments)

    def error(self, message: str) -> NoReturn:
        raise LabError(f"{message}; see {self.prog} --help.")


def short_names(rooms: Sequence[ModuleType]) -> dict[str, str]:
    """The full path of each public class of some packages by its short name."""
    return {name: f"{room.__name__}.{name}" for room in rooms for name in room.__all__ if name[0].isupper()}
