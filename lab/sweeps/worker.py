"""How one run of a sweep is run, in a process that may do others after it."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from lab.config_files import read_config
from lab.files import HOUSE
from lab.run_folder import read_metrics, score_metric
from lab.sweeps.folder import SweepFolder


class Told:
    """Handles SIGTERM: Lightning stops a run that trains after its batch; otherwise it is stopped at once."""

    def __init__(self) -> None:
        self.to_stop = self.running = False

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        first, self.to_stop = not self.to_stop, True
        if first and self.running and signal.getsignal(signal.SIGTERM) is self:  # otherwise Lightning called this
            raise KeyboardInterrupt


def perform(folder: SweepFolder, number: int, told: Told) -> str:
    """Do a run that has begun, go on with it where it was stopped before, and note how it ended.

    Args:
        folder: the sweep.
        number: which of its runs.
        told: the handler of SIGTERM.

    Returns:
        "done", "failed" or "stopped".
    """
    run, log = folder.runs[number], folder.log(number)
    told.running = True
    began = folder.status(number).get("checkpoint")
    status, run_dir = run_one(run.words_from(Path(began) if began else None), log, append=True)
    told.running = False
    if status == 0:
        folder.end(number, "done", run=str(run_dir), score=score_of(run_dir, run.metric))
        return "done"
    state = "stopped" if told.to_stop or status in (130, 143) else "failed"
    kept = run_dir if run_dir and run_dir.is_dir() else ""  # the folder of a run that measured nothing is removed
    folder.end(number, state, run=str(kept), error=last_line(log) if state == "failed" else "")
    return state


def run_one(words: list[str], log: Path, append: bool = False) -> tuple[int, Path | None]:
    """Run ``train.py`` with these words in this process, which says all to a log file; its status and its run folder.

    The status is that of ``train.py``, 2 after an error that it has no sentence for.
    Processes that Lightning starts for further devices get the command line of ``train.py``, not of this process.
    """
    import torch.distributed as dist

    from lab.commands.main import main as train

    out, err, environment = os.dup(1), os.dup(2), dict(os.environ)
    os.environ.pop("ARCHLAB_RUN_DIR", None)
    run_dir = None
    with log.open("a" if append else "w", encoding="utf-8") as file, _as_train_py(words):
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            status = train(words)
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
            os.environ.clear()
            os.environ.update(environment)
    return status, Path(run_dir) if run_dir else None


@contextlib.contextmanager
def house_on_path() -> Iterator[None]:
    """Processes that are started find the laboratory, whatever their working directory is."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HOUSE), *([before] if before else [])])
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


@contextlib.contextmanager
def _as_train_py(words: list[str]) -> Iterator[None]:
    main, typed = sys.modules["__main__"], sys.argv
    spec = getattr(main, "__spec__", None)
    main.__spec__, sys.argv = None, [str(HOUSE / "train.py"), *words]
    try:
        yield
    finally:
        main.__spec__, sys.argv = spec, typed


def score_of(run_dir: Path, metric: str = "") -> str:
    """The test of a run in a few words: one metric, that of its monitor where there is one; nothing without a test."""
    measured = read_metrics(run_dir) if (run_dir / "metrics.csv").is_file() else {}
    name = score_metric(measured, str(read_config(run_dir).get("monitor", "")), (metric,))
    return f"{name} {measured[name][1][-1]:.4g}" if name else ""


def last_line(log: Path) -> str:
    """The last line of a log that says anything."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.is_file() else []
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")
