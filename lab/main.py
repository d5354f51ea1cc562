"""The entry of train.py: what was typed goes in, an exit status comes out, mistakes are told in one sentence."""

import importlib
import os
import sys
import warnings
from collections.abc import Sequence

ROOMS = ("callbacks", "datamodules", "lit_models", "nets")


def main(typed: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        typed: the words after ``train.py``; those of the process when None.

    Returns:
        0 after success, 1 after a mistake that was told in one sentence, 2 after one in the arguments,
        130 after Ctrl-C, 143 after SIGTERM.
    """
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # Lightning's own calls
    from lightning.pytorch.utilities.exceptions import SIGTERMException

    from lab.arguments import CommandLine
    from lab.cli import LabCLI
    from lab.messages import explain

    warnings.filterwarnings("ignore", message=".*does not have many workers.*")  # batches are slices of tensors
    sys.path.insert(0, os.getcwd())
    for room in ROOMS:  # so that their classes are known by their short names
        importlib.import_module(room)
    typed = list(sys.argv[1:] if typed is None else typed)
    sys.argv = sys.argv[:1]
    stopped_by = None
    try:
        LabCLI(CommandLine.read(typed, list(LabCLI.subcommands())))
    except SIGTERMException:
        return 130 if stopped_by else 143
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        sentence = explain(error)
        if sentence is None or os.environ.get("ARCHLAB_TRACEBACK"):
            raise
        print(f"error: {sentence}", file=sys.stderr)
        return 1
    return 0
