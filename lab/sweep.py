"""The entry of sweep.py: a grid of experiments, run one after another in a few processes that start but once."""

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from pathlib import Path
from types import ModuleType

from lab.errors import LabError
from lab.grids import Cell, Grid, read_grid

ROOT = Path("runs")


def main(typed: Sequence[str], rooms: Sequence[ModuleType]) -> int:
    """Run what is missing of a grid.

    Args:
        typed: the words after ``sweep.py``.
        rooms: packages whose public classes are known by their short names.

    Returns:
        0 when every run of the grid is there, 1 when one failed, or after a mistake that was told in one sentence; 130
        after Ctrl-C or SIGTERM, which the runs under way are told too.
    """
    arguments = _parse(typed)
    try:
        grid = read_grid(Path(arguments.grid))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    missing = missing_runs(grid)
    total = len(grid.cells) * max(1, len(grid.seeds))
    print(f"{grid.title}: {total} runs, {total - len(missing)} of them finished.", flush=True)
    if arguments.dry_run:
        for cell, seed in missing:
            print(shlex.join(["python", "train.py", *_words(cell, seed)]))
        return 0
    return _run_all(grid, missing, arguments.jobs, [room.__name__ for room in rooms])


def missing_runs(grid: Grid) -> list[tuple[Cell, int | None]]:
    """The cells and seeds of a grid without a finished run; the seed is None where the config's own is meant."""
    missing: list[tuple[Cell, int | None]] = []
    for cell in grid.cells:
        done = grid.runs(cell, ROOT)
        missing += [(cell, seed) for seed in grid.seeds if seed not in done]
        missing += [] if grid.seeds or done else [(cell, None)]
    return missing


def _run_all(grid: Grid, missing: list[tuple[Cell, int | None]], jobs: int, rooms: list[str]) -> int:
    logs = ROOT / grid.name / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    threads = max(1, len(os.sched_getaffinity(0)) // jobs) if hasattr(os, "sched_getaffinity") else 1
    failed, started = [], time.perf_counter()
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_start, initargs=(threads,)) as pool:
        waiting: dict[Future, tuple[str, Path]] = {}
        for cell, seed in missing:
            name = ", ".join(part for part in (cell.row, cell.column, "" if seed is None else f"seed {seed}") if part)
            log = logs / f"{name.replace('/', '-')}.log"
            waiting[pool.submit(run_one, _words(cell, seed), rooms, log)] = (name, log)
        before = signal.signal(signal.SIGTERM, _stop)
        try:
            for number, done in enumerate(as_completed(waiting), start=1):
                name, log = waiting[done]
                try:
                    status, seconds = done.result()
                except BrokenExecutor:
                    status, seconds = 1, float("nan")  # somebody killed the process, or the memory was not enough
                print(f"[{number}/{len(waiting)}] {name}: {'done' if status == 0 else 'FAILED'} in {seconds:.0f} s")
                if status in (130, 143):
                    raise KeyboardInterrupt
                if status:
                    failed.append(f"{name}: {_last_line(log)} (see {log})")
        except KeyboardInterrupt:
            pool.shutdown(wait=True, cancel_futures=True)
            print("Stopped; the same command goes on with what is missing.")
            return 130
        finally:
            signal.signal(signal.SIGTERM, before)
    print(f"{len(waiting) - len(failed)} runs in {(time.perf_counter() - started) / 60:.1f} min; python report.py")
    for line in failed:
        print(f"failed: {line}", file=sys.stderr)
    return int(bool(failed))


def run_one(words: list[str], rooms: list[str], log: Path) -> tuple[int, float]:
    """Run ``train.py`` with these words in this process, which says all to a log file; its status and its seconds."""
    import importlib

    from lab.main import main as train

    started, (out, err) = time.perf_counter(), (os.dup(1), os.dup(2))
    with log.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            status = train(words, [importlib.import_module(room) for room in rooms])
        except SystemExit as stopped:
            status = int(stopped.code or 0)
        except Exception as error:
            print(f"error: {type(error).__name__}: {error}", file=sys.stderr)
            status = 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for saved, number in ((out, 1), (err, 2)):
                os.dup2(saved, number)
                os.close(saved)
    return status, time.perf_counter() - started


def _start(threads: int) -> None:
    import torch

    torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(*_: object) -> None:
    for worker in active_children():
        worker.terminate()
    raise KeyboardInterrupt


def _words(cell: Cell, seed: int | None) -> list[str]:
    return ["fit", "--config", cell.config, "--test_after_fit=true", *cell.words(seed)]


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else ["it never started, or was killed"]
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def _parse(typed: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sweep.py", description="Run what is missing of a grid of experiments.")
    parser.add_argument("grid", help="a file of configs/grids")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time, each with its share of the cores")
    parser.add_argument("--dry-run", action="store_true", help="print the commands instead")
    arguments = parser.parse_args(typed)
    if arguments.jobs < 1:
        parser.error(f"--jobs must be at least 1, but it is {arguments.jobs}.")
    return arguments
