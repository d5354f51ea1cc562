"""The entry of `make reproduce`: run every experiment and compare its result with what is expected of it."""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import LabError, nearest
from lab.files import atomic_write
from lab.machine import machine
from lab.metrics import Metric
from lab.parser import Parser
from lab.printed_commands import command_line
from lab.run_folder import read_metrics
from lab.sweeps.expectations import Experiment, read_experiments
from lab.sweeps.folder import SweepFolder, SweepRun, new_sweep_path, refuse_running, resumable_runs
from lab.sweeps.jobs import run_jobs
from lab.sweeps.local import LocalJobs
from lab.sweeps.progress import Progress
from lab.sweeps.status import RunStatus
from lab.sweeps.worker import last_line, train_in_process

EXPERIMENTS = Path("configs/reproduce/experiments.yaml")
RUNS = Path("runs")
ROOT = RUNS / "reproduce"  # runs of a reduced budget, apart from those that a study counts
LABELS = {"passed": "pass", "failed": "FAIL", "no data": "no data"}


@dataclass(frozen=True)
class Outcome:
    """The outcome of an experiment.

    Args:
        name: its name.
        status: "passed", "failed" or "no data".
        metric: what was measured.
        value: its value; None where the run did not end well.
        expected: its bounds, "at least 0.9".
        source: where the expectation comes from.
        seconds: the wall-clock time of the run with its data and its test.
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
        return f"{LABELS[self.status]:>7}  {self.name}: {value} ({self.seconds:.0f} s)"


def main(argv: Sequence[str]) -> int:
    """Run the experiments of ``configs/reproduce`` and write their outcomes for ``report.py``.

    Args:
        argv: the arguments of ``python -m lab.sweeps.reproduce``.

    Returns:
        0 when every experiment with data met its expectation, 1 when one did not or after an error of the user, 130
        after Ctrl-C, or SIGTERM while they run.
    """
    try:
        arguments = _parse(argv)
        experiments = _chosen(read_experiments(EXPERIMENTS, arguments.full), arguments.only)
        return _reproduce(experiments, arguments)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped by Ctrl-C.", file=sys.stderr)
        return 130


def _reproduce(experiments: list[Experiment], arguments: argparse.Namespace) -> int:
    root = RUNS if arguments.full else ROOT
    started = time.perf_counter()
    budget = "full" if arguments.full else "reduced"
    print(f"{len(experiments)} experiments at the {budget} budget, {arguments.jobs} at a time.", flush=True)
    judge = Judge(experiments, root, ROOT / f"{budget}.json", keep=bool(arguments.only))
    if not (judge.look_for_data() and judge.run(arguments.jobs)):
        left = [experiment.name for experiment in experiments if experiment.name not in judge.outcomes]
        again = command_line("-m", "lab.sweeps.reproduce", *(["--full"] if arguments.full else []), "--only", *left)
        print("Stopped; the runs that finished are kept." + (f" What is left: {again}" if left else ""))
        return 130
    counts = {status: sum(outcome.status == status for outcome in judge.outcomes.values()) for status in LABELS}
    summary = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    print(f"{summary} in {(time.perf_counter() - started) / 60:.1f} min; python report.py")
    return int(counts["failed"] > 0)


class Judge:
    """Runs experiments as a sweep does, and compares each result with what is expected.

    Args:
        experiments: what to run.
        root: the folder of their runs.
        file: where the outcomes are written, whenever there is a new one.
        keep: whether the outcomes of other experiments in that file are kept.
    """

    def __init__(self, experiments: Sequence[Experiment], root: Path, file: Path, keep: bool) -> None:
        self.experiments, self.root, self.file, self.keep = list(experiments), root, file, keep
        self.outcomes: dict[str, Outcome] = {}
        self.path = new_sweep_path(ROOT)

    def look_for_data(self) -> bool:
        """Fetch the data of the experiments that need any, and skip those without; False after Ctrl-C."""
        for experiment in [experiment for experiment in self.experiments if experiment.data]:
            started, log = time.time(), self.path / f"data_{experiment.name}.log"
            status, _ = train_in_process(["download", *experiment.argv(self.root)], log)
            if status in (130, 143):
                return False
            if status:  # 1 is an error of the user, such as missing files
                kind, note = "no data" if status == 1 else "failed", last_line(log).removeprefix("error: ")
                print(self._add(_outcome(experiment, kind, time.time() - started, note=note)), flush=True)
                self.experiments.remove(experiment)
        return True

    def run(self, jobs: int) -> bool:
        """Run the experiments, a few at a time; False when they were stopped.

        Raises:
            LabError: when one of them is still under way elsewhere.
        """
        resumable, runs = resumable_runs(ROOT), []
        for experiment in self.experiments:
            argv = ["fit", "--test_after_fit=true", *experiment.argv(self.root)]
            metric = Metric.parse(experiment.metric).name
            runs.append(SweepRun(experiment.name, argv, metric, resumable.get(tuple(argv))))
        refuse_running(ROOT, [run.argv for run in runs])
        folder = SweepFolder(self.path, runs)

        def describe(number: int, status: RunStatus) -> str:
            if status.state == "stopped":
                return f"stopped  {runs[number].name}"
            return self._add(judged(self.experiments[number], status, folder.log(number)))

        return not runs or run_jobs(LocalJobs(folder, jobs), Progress(folder, describe))

    def _add(self, outcome: Outcome) -> str:
        self.outcomes[outcome.name] = outcome
        _write(self.file, self.outcomes.values(), self.keep)
        return outcome.line


def judged(experiment: Experiment, status: RunStatus, log: Path) -> Outcome:
    """The outcome of an experiment whose run has ended.

    Args:
        experiment: what was run.
        status: how its run ended.
        log: the log file of the run.
    """
    seconds, run = status.seconds or 0.0, status.run
    if status.state == "failed":
        error = status.error.removeprefix("error: ")
        return _outcome(experiment, "failed", seconds, note=f"{error} (see {log})", run=run)
    metrics, metric = read_metrics(Path(run)), Metric.parse(experiment.metric)
    name = metric.name
    if name not in metrics:
        return _outcome(experiment, "failed", seconds, note=f"the run logged no {name} (see {log})", run=run)
    value = metric.of(metrics[name][1])
    if not math.isfinite(value):
        return _outcome(experiment, "failed", seconds, note=f"{name} is not finite (see {log})", run=run)
    return _outcome(experiment, "passed" if experiment.met_by(value) else "failed", seconds, value, run=run)


def _outcome(
    experiment: Experiment, status: str, seconds: float, value: float | None = None, note: str = "", run: str = ""
) -> Outcome:
    about = (experiment.metric, value, experiment.expected, experiment.source)
    return Outcome(experiment.name, status, *about, seconds, note, run)


def _write(path: Path, outcomes: Iterable[Outcome], keep: bool) -> None:
    """Write outcomes by name, over those of the same names where the others are to be kept."""
    try:
        earlier = json.loads(path.read_text(encoding="utf-8"))["outcomes"] if keep else {}
    except (FileNotFoundError, json.JSONDecodeError):
        earlier = {}
    given = {outcome.name: asdict(outcome) for outcome in outcomes}
    with atomic_write(path) as part:
        part.write_text(json.dumps({"machine": machine(), "outcomes": {**earlier, **given}}, indent=1))


def _chosen(experiments: list[Experiment], names: Sequence[str]) -> list[Experiment]:
    known = [experiment.name for experiment in experiments]
    for name in names:
        if name not in known:
            raise LabError(
                f'"{name}" is no experiment of this budget{nearest(name, known)}; there are {", ".join(known)}.'
            )
    return [experiment for experiment in experiments if not names or experiment.name in names]


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python -m lab.sweeps.reproduce", description="Run every experiment and judge it.")
    parser.add_argument("--full", action="store_true", help="at the budgets of the configs, with the real data too")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these experiments alone")
    parser.add_argument("--jobs", type=int, default=2, help="runs at the same time, each with its share of the cores")
    arguments = parser.parse_args(argv)
    if arguments.jobs < 1:
        parser.error(f"--jobs must be at least 1, but it is {arguments.jobs}")
    return arguments


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
