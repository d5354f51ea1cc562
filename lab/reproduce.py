"""The entry of `make reproduce`: run every experiment and say of each whether it meets what is expected of it."""

import argparse
import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import active_children, get_context
from pathlib import Path
from threading import Event

from lab.errors import LabError, nearest
from lab.expectations import Experiment, read_experiments
from lab.files import written_whole
from lab.grids import FIRST
from lab.machine import machine
from lab.runs import read_metrics
from lab.sweep_runs import run_one

EXPERIMENTS = Path("configs/reproduce/experiments.yaml")
RUNS = Path("runs")
ROOT = RUNS / "reproduce"  # the runs of a reduced budget lie here, apart from those that a study counts
ROOMS = ["callbacks", "datamodules", "lit_models", "nets"]
STOPPED = Event()  # in a process whose run was told to stop: the pool has another one ready for it
WORDS = {"passed": "pass", "failed": "FAIL", "no data": "no data"}


@dataclass(frozen=True)
class Outcome:
    """What came of an experiment.

    Args:
        name: its name.
        status: "passed", "failed" or "no data".
        metric: what was measured.
        value: its value; None where the run did not end well.
        expected: what it should be, in words.
        source: where the expectation comes from.
        seconds: the wall-clock of the run, its data and its test.
        note: why there is no value; empty where there is one.
        run: the run folder; empty where there is none.
    """

    name: str
    status: str
    metric: str
    value: float | None
    expected: str
    source: str
    seconds: float
    note: str = ""
    run: str = ""

    @property
    def line(self) -> str:
        """The outcome as one line of progress."""
        value = self.note if self.value is None else f"{self.metric} {self.value:.4g}, expected {self.expected}"
        return f"{WORDS[self.status]:>7}  {self.name}: {value} ({self.seconds:.0f} s)"


def main(typed: Sequence[str]) -> int:
    """Run the experiments of ``configs/reproduce`` and write what came of them for ``report.py``.

    Args:
        typed: the words after ``python -m lab.reproduce``.

    Returns:
        0 when every experiment with data met its expectation, 1 when one did not or after a mistake that was told in
        one sentence, 130 after Ctrl-C or SIGTERM.
    """
    arguments = _parse(typed)
    try:
        experiments = _chosen(read_experiments(EXPERIMENTS, arguments.full), arguments.only)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    root = RUNS if arguments.full else ROOT
    file = ROOT / f"{'full' if arguments.full else 'reduced'}.json"
    outcomes: dict[str, Outcome] = {}

    def finished(outcome: Outcome) -> None:
        outcomes[outcome.name] = outcome
        print(f"[{len(outcomes)}/{len(experiments)}] {outcome.line}", flush=True)
        _write(file, outcomes.values(), keep=bool(arguments.only))

    started = time.perf_counter()
    budget = "full" if arguments.full else "reduced"
    print(f"{len(experiments)} experiments at the {budget} budget, {arguments.jobs} at a time.", flush=True)
    if not _run_all(experiments, root, arguments.jobs, finished):
        print("Stopped; the runs that finished are kept.")
        return 130
    counts = {status: sum(outcome.status == status for outcome in outcomes.values()) for status in WORDS}
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    print(f"{told} in {(time.perf_counter() - started) / 60:.1f} min; python report.py")
    return int(counts["failed"] > 0)


def run_experiment(experiment: Experiment, root: Path) -> Outcome:
    """Run an experiment in this process and hold its result against what is expected.

    Args:
        experiment: what to run.
        root: the folder of runs.

    Raises:
        KeyboardInterrupt: when a person stopped this run, or one before it in this process.
    """
    log = ROOT / "logs" / f"{experiment.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.unlink(missing_ok=True)
    started = time.perf_counter()
    if experiment.data and _train(["download", *experiment.words(root)], log)[0]:
        return _outcome(experiment, "no data", started, note=_last_line(log))
    status, run = _train(["fit", "--test_after_fit=true", *experiment.words(root)], log)
    if status or run is None:
        return _outcome(experiment, "failed", started, note=f"{_last_line(log)} (see {log})")
    metrics, name = read_metrics(run), experiment.metric.removeprefix(FIRST)
    if name not in metrics:
        return _outcome(experiment, "failed", started, note=f"the run logged no {name} (see {log})", run=str(run))
    value = metrics[name][1][0 if experiment.metric.startswith(FIRST) else -1]
    if not math.isfinite(value):
        return _outcome(experiment, "failed", started, note=f"{name} is not finite (see {log})", run=str(run))
    return _outcome(experiment, "passed" if experiment.met_by(value) else "failed", started, value, run=str(run))


def _train(words: list[str], log: Path) -> tuple[int, Path | None]:
    """The status and the run folder of ``train.py``, unless a person stopped it or what this process did before."""
    status, run = (130, None) if STOPPED.is_set() else run_one(words, ROOMS, log)
    if status in (130, 143):
        STOPPED.set()
        raise KeyboardInterrupt
    return status, run


def _outcome(
    experiment: Experiment, status: str, started: float, value: float | None = None, note: str = "", run: str = ""
) -> Outcome:
    seconds = time.perf_counter() - started
    about = (experiment.metric, value, experiment.expected, experiment.source)
    return Outcome(experiment.name, status, *about, seconds, note, run)


def _run_all(experiments: list[Experiment], root: Path, jobs: int, finished: Callable[[Outcome], None]) -> bool:
    """Run experiments in a few processes that start but once; False when a person stopped them."""
    threads = max(1, (os.cpu_count() or 1) // jobs)
    with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_start, initargs=(threads,)) as pool:
        waiting = {pool.submit(run_experiment, experiment, root): experiment for experiment in experiments}
        before = signal.signal(signal.SIGTERM, _stop)
        try:
            for done in as_completed(waiting):
                try:
                    finished(done.result())
                except BrokenExecutor:  # somebody killed a process, or the memory was not enough
                    note = "its process was killed"
                    finished(_outcome(waiting[done], "failed", time.perf_counter(), note=note))
        except KeyboardInterrupt:
            pool.shutdown(wait=True, cancel_futures=True)
            return False
        finally:
            signal.signal(signal.SIGTERM, before)
    return True


def _start(threads: int) -> None:
    import torch

    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(threads)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(*_: object) -> None:
    for worker in active_children():
        worker.terminate()
    raise KeyboardInterrupt


def _write(path: Path, outcomes: Iterable[Outcome], keep: bool) -> None:
    """Write outcomes by name, over those of the same names where the others are to be kept."""
    earlier = json.loads(path.read_text(encoding="utf-8"))["outcomes"] if keep and path.is_file() else {}
    given = {outcome.name: asdict(outcome) for outcome in outcomes}
    with written_whole(path) as part:
        part.write_text(json.dumps({"machine": machine(), "outcomes": {**earlier, **given}}, indent=1))


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line.strip()]
    return lines[-1].strip().removeprefix("error: ") if lines else "it said nothing"


def _chosen(experiments: list[Experiment], names: Sequence[str]) -> list[Experiment]:
    known = [experiment.name for experiment in experiments]
    for name in names:
        if name not in known:
            raise LabError(
                f'"{name}" is no experiment of this budget{nearest(name, known)}; there are {", ".join(known)}.'
            )
    return [experiment for experiment in experiments if not names or experiment.name in names]


def _parse(typed: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lab.reproduce", description="Run every experiment and judge it.")
    parser.add_argument("--full", action="store_true", help="at the budgets of the configs, with the real data too")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these experiments alone")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time, each with its share of the cores")
    arguments = parser.parse_args(typed)
    if arguments.jobs < 1:
        parser.error(f"--jobs must be at least 1, but it is {arguments.jobs}.")
    return arguments


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
