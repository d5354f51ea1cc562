"""Train one run of a sweep inside this process, which may train others after it."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from unittest.mock import patch  # restores os.environ

from lab.files import PROJECT_ROOT
from lab.run_folder import RunFolder
from lab.sweeps.folder import SweepFolder
from lab.sweeps.status import State


class StopRequest:
    """Handler of SIGTERM: Lightning stops a run that trains after its batch; otherwise the run is stopped at once."""

    def __init__(self) -> None:
        self.requested = self.running = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        first, self.requested = not self.requested, True
        if first and self.running and signal.getsignal(signal.SIGTERM) is self:  # otherwise Lightning calls this
            raise KeyboardInterrupt


def execute(folder: SweepFolder, number: int, stop: StopRequest) -> State:
    """Train a run that has begun, from its checkpoint where it has one, and note how it ended.

    Args:
        folder: the sweep.
        number: which of its runs.
        stop: the handler of SIGTERM.

    Returns:
        "done", "failed" or "stopped".
    """
    run, log = folder.runs[number], folder.log(number)
    stop.running = True
    checkpoint = folder.status(number).checkpoint
    argv = run.argv_from(Path(checkpoint) if checkpoint else None)
    status, run_dir = train_in_process(argv, log, append=True)
    stop.running = False
    if status == 0:
        score = score_of(run_dir, run.metric) if run_dir else ""
        folder.end(number, "done", run=str(run_dir or ""), score=score)
        return "done"
    state: State = "stopped" if stop.requested or status in (130, 143) else "failed"
    kept = run_dir if run_dir and run_dir.is_dir() else ""  # the folder of a run that measured nothing is removed
    folder.end(number, state, run=str(kept), error=last_line(log) if state == "failed" else "")
    return state


def train_in_process(argv: list[str], log: Path, append: bool = False) -> tuple[int, Path | None]:
    """Run ``train.py`` inside this process, with a log file as its output; its exit status and its run folder.

    The status is that of ``train.py``, 2 after an error that it has no sentence for. Processes that Lightning starts
    for further devices get the command line of ``train.py``, not of this process.
    """
    import torch.distributed as dist

    from lab.commands.main import main as train

    out, err = os.dup(1), os.dup(2)
    with log.open("a" if append else "w", encoding="utf-8") as file, _as_train_py(argv), patch.dict(os.environ):
        os.environ.pop("ARCHLAB_RUN_DIR", None)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            status = train(argv)
        except SystemExit as stopped:
            status = stopped.code if isinstance(stopped.code, int) else 1
        except KeyboardInterrupt:
            status = 130
        except Exception as error:
            print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
            status = 2
        finally:
            run_dir = os.environ.get("ARCHLAB_RUN_DIR")
            if dist.is_available() and dist.is_initialized():  # the next run has processes of its own
                dist.destroy_process_group()
            sys.stdout.flush()
            sys.stderr.flush()
            for saved, number in ((out, 1), (err, 2)):
                os.dup2(saved, number)
                os.close(saved)
    return status, Path(run_dir) if run_dir else None


@contextlib.contextmanager
def project_on_path() -> Iterator[None]:
    """Processes that are started inside the block can import this project, whatever their working directory is."""
    before = os.environ.get("PYTHONPATH")
    with patch.dict(os.environ, PYTHONPATH=os.pathsep.join([str(PROJECT_ROOT), *([before] if before else [])])):
        yield


@contextlib.contextmanager
def _as_train_py(argv: list[str]) -> Iterator[None]:
    main, before = sys.modules["__main__"], sys.argv
    spec = getattr(main, "__spec__", None)
    main.__spec__, sys.argv = None, [str(PROJECT_ROOT / "train.py"), *argv]
    try:
        yield
    finally:
        main.__spec__, sys.argv = spec, before


def score_of(run_dir: Path, metric: str = "") -> str:
    """A metric of the test of a run, "test/acc 0.97", by default that of its monitor; empty without a test."""
    run = RunFolder(run_dir)
    name = run.score((metric,)) if run.has_metrics else None
    return f"{name} {run.metrics[name][1][-1]:.4g}" if name else ""


def last_line(log: Path) -> str:
    """The last line of a log that is not empty."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return next((line for line in reversed(lines) if line.strip()), "the log is empty")
