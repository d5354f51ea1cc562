"""The entry of train.py: what was typed goes in, an exit status comes out, mistakes are reported in one sentence."""

import logging
import os
import sys
import warnings
from collections.abc import Sequence

from lab.commands.command_line import HELP, CommandLine
from lab.errors import LabError
from lab.packages import ClassPaths, import_packages


def main(argv: Sequence[str]) -> int:
    """Run a command.

    With the environment variable ARCHLAB_TRACEBACK set, a mistake shows its traceback instead of a sentence.

    Args:
        argv: the arguments after ``train.py``.

    Returns:
        0 after success, 1 after a mistake that was reported in one sentence.

    Raises:
        SystemExit: with status 130 after Ctrl-C, 143 after SIGTERM.
    """
    try:
        command_line = CommandLine.read(argv, ClassPaths())
        if command_line.subcommand is None:
            print(HELP)
            return 0
        return _run(command_line)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped by Ctrl-C before the run began.", file=sys.stderr)
        raise SystemExit(130) from None


def _run(command_line: CommandLine) -> int:
    """What needs Lightning, which takes seconds to import."""
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # they concern Lightning's own calls
    from lab.commands.cli import LabCLI
    from lab.commands.messages import explain

    _quieten()
    import_packages()
    try:
        LabCLI(command_line)
    except Exception as error:
        sentence = explain(error, LabCLI.known_keys)
        if sentence is None or os.environ.get("ARCHLAB_TRACEBACK"):
            raise
        print(f"error: {sentence}", file=sys.stderr)
        return 1
    return 0


def _quieten() -> None:
    """Silence what is no news: an advertisement, and advice that does not hold for data in memory."""
    rank_zero = logging.getLogger("lightning.pytorch.utilities.rank_zero")
    rank_zero.addFilter(lambda record: "Tip:" not in record.getMessage())
    warnings.filterwarnings("ignore", message=".*args parameter is intended to run from within Python.*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*your dataloader is not resumable.*")  # ResumableSampler is
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")  # we log by epochs
    warnings.filterwarnings("ignore", message=".*Sparse CSR tensor support is in beta.*")
    warnings.filterwarnings("ignore", message=".*torch.jit.script.*is deprecated.*")  # by PyG, at its import
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")  # a resumed run's own folder
    warnings.filterwarnings(
        "ignore", message="The dirpath has changed from.*"
    )  # a run was moved, or its results lie apart
