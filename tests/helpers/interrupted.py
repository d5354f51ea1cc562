"""Runs of train.py in processes of their own, some of which are killed, or train together."""

import os
import signal
import socket
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

CONTEXT = get_context("forkserver")
CONTEXT.set_forkserver_preload(["interrupted", "train", "lab.commands.cli", "lab.training.trainer", "torchmetrics"])


class DataOrder(Callback):
    """Writes a number for every training batch, in the order in which they come: data, augmentation and all."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        tensor = batch.targets if hasattr(batch, "targets") else batch[0]
        weights = torch.linspace(1, 2, tensor.numel(), dtype=torch.float64)
        with Path("order.txt").open("a") as file:
            file.write(f"{trainer.global_step} {float(weights @ tensor.flatten().double()):.10e}\n")


class KillAt(Callback):
    """Kills its own process at a hook, as nobody can prevent.

    Args:
        hook: the name of the hook.
        step: the global step at which it must be called.
        name: the signal.
        rank: which of several processes.
    """

    def __init__(self, hook: str, step: int, name: str = "SIGKILL", rank: int = 0) -> None:
        self.step, self.name, self.rank = step, name, rank
        setattr(self, hook, self._kill)

    def _kill(self, trainer: Trainer, *args: Any) -> None:
        if (trainer.global_step, trainer.global_rank) == (self.step, self.rank) and not trainer.sanity_checking:
            os.kill(os.getpid(), getattr(signal, self.name))


class StopAt(Callback):
    """Stops a run behind a training batch.

    Args:
        kind: "should_stop", "error" or "signal".
        batch: how many batches are trained before it stops, in all epochs.
    """

    def __init__(self, kind: str, batch: int) -> None:
        self.kind, self.batch = kind, batch

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if trainer.fit_loop.total_batch_idx + 1 != self.batch:
            return
        if self.kind == "error":
            raise RuntimeError("stopped here")
        if self.kind == "signal":
            os.kill(os.getpid(), signal.SIGTERM)
        trainer.should_stop = self.kind == "should_stop"


def run(folder: Path, *words: str, torn: tuple[str, int] | None = None) -> int:
    """Run train.py's ``main`` in a process of its own.

    Args:
        folder: where it is run.
        *words: what is typed.
        torn: "checkpoint" or "rows" of metrics.csv, and which of them is written halfway when the process is killed.

    Returns:
        its exit status, −9 when it was killed.
    """
    process = CONTEXT.Process(target=_main, args=(str(folder), words, torn))
    process.start()
    process.join()
    return process.exitcode


def run_together(folder: Path, *words: str) -> list[int]:
    """Run train.py's ``main`` in two processes that know of each other, as a cluster starts them; their statuses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        together = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    ranks = [{**together, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
    processes = [CONTEXT.Process(target=_main, args=(str(folder), words, None, rank)) for rank in ranks]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


def _main(
    folder: str, words: tuple[str, ...], torn: tuple[str, int] | None, environment: dict[str, str] | None = None
) -> None:
    os.environ.pop("ARCHLAB_RUN_DIR", None)  # of a run in the process of the tests
    os.environ.update(environment or {})
    from lab.commands.main import main
    from lab.training.checkpoint_callback import ThrottledCheckpoint

    os.chdir(folder)
    torch.set_num_threads(1)
    ThrottledCheckpoint.WAIT = 0  # write whenever there is something to write
    if torn is not None:
        {"checkpoint": _tear_checkpoint, "rows": _tear_rows}[torn[0]](torn[1])
    with Path("log.txt").open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        raise SystemExit(main(list(words)))


def _tear_checkpoint(number: int) -> None:
    """Let the process die when half of a checkpoint is on the disk."""
    save, count = torch.save, 0

    def torn(state: Any, path: Path) -> None:
        nonlocal count
        count += 1
        save(state, path)
        if count == number:
            os.truncate(path, Path(path).stat().st_size // 2)
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = torn


def _tear_rows(number: int) -> None:
    """Let the process die when half of a row of metrics.csv is on the disk."""
    from lab.training.loggers import AppendingCSVWriter

    save, count = AppendingCSVWriter.save, 0

    def torn(writer: AppendingCSVWriter) -> None:
        nonlocal count
        count += bool(writer.metrics)
        save(writer)
        if count == number:
            with writer.path.open("a") as file:
                file.write("0.12")
            os.kill(os.getpid(), signal.SIGKILL)

    AppendingCSVWriter.save = torn
