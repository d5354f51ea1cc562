"""How the commands other than train.py read their arguments."""

import argparse
from typing import Any, NoReturn

from lab.errors import LabError


class Parser(argparse.ArgumentParser):
    """An ``argparse`` parser, for commands other than ``train.py``, whose errors are printed like all others."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(allow_abbrev=False, **arguments)

    def error(self, message: str) -> NoReturn:
        raise LabError(f"{message}; see {self.prog} --help.")
