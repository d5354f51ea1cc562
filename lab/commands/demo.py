"""The demo of `make demo`: train and test a vision transformer on real digits, then say what came of it and where."""

import subprocess
import sys
import time
from pathlib import Path

from lab.printed_commands import command_line
from lab.run_folder import runs_of

CONFIG = "configs/vit_digits.yaml"


def main() -> int:
    """Run fit, then test, as a person would type them, and print a table; the exit status of what failed, else 0."""
    from rich.console import Console
    from rich.table import Table

    started = time.perf_counter()
    for command in ("fit", "test"):
        words = [sys.executable, "train.py", command, "--config", CONFIG]
        print("$", command_line(*words[1:]), flush=True)
        if status := _wait(subprocess.Popen(words)):
            return status
    seconds = time.perf_counter() - started
    run = runs_of(Path("runs"), Path(CONFIG).stem)[0]
    table = Table(show_header=False, title="A vision transformer reads handwritten digits")
    table.add_row("test accuracy", f"{run.metrics['test/acc'][1][-1]:.4f}")
    table.add_row("wall-clock of fit and test", f"{seconds:.1f} s")
    table.add_row("run folder", str(run))
    for picture in sorted((run / "figures").glob("*.png")):
        table.add_row("picture", str(picture))
    Console(width=120).print(table)  # a path that is cut cannot be copied
    return 0


def _wait(process: subprocess.Popen) -> int:
    """The exit status of a command; Ctrl-C reaches it too, and it is given the time to save."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


if __name__ == "__main__":
    sys.exit(main())
