"""The entry of sweep.py: run what is missing of a grid of experiments, on this machine or on a cluster."""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from lab.errors import LabError
from lab.experiments.grid_files import read_grid
from lab.experiments.grids import Cell, Grid
from lab.files import atomic_write
from lab.metrics import Metric
from lab.packages import ClassPaths
from lab.parser import Parser
from lab.printed_commands import command_line
from lab.sweeps.folder import SweepFolder, SweepRun, new_sweep_path, refuse_running, resumable_runs
from lab.sweeps.grid_options import check_keys, grid_from_options, with_overrides
from lab.sweeps.jobs import Jobs, run_jobs
from lab.sweeps.local import LocalJobs
from lab.sweeps.progress import Progress
from lab.sweeps.slurm import SlurmJobs, slurm_parameters

ROOT = Path("runs")


def main(argv: Sequence[str]) -> int:
    """Run what is missing of a grid.

    Args:
        argv: the arguments of ``sweep.py``.

    Returns:
        0 when every run of the grid is finished, 1 when one failed, or after an error of the user; 130 after Ctrl-C,
        SIGTERM or the end of the terminal, when the runs under way are asked to stop too.
    """
    try:
        arguments = _parse(argv)
        classes = ClassPaths()
        if arguments.config:
            grid = grid_from_options(arguments.config, arguments.grid, arguments.seeds, classes)
        else:
            grid = with_overrides(read_grid(Path(arguments.file)), arguments.set, classes)
        parameters = slurm_parameters(arguments.slurm) if arguments.executor == "slurm" else {}
        missing = missing_runs(grid)
        if missing:
            check_keys([cell for cell, _ in missing], next(iter(grid.seeds), None), classes)
        runs, total = _runs(grid, missing), len(grid.cells) * max(1, len(grid.seeds))
        print(f"{grid.title}: {total} runs, {total - len(missing)} of them finished.", flush=True)
        for run in runs if arguments.dry_run else ():
            print(command_line("train.py", *run.argv_from(run.checkpoint)))
        if arguments.dry_run or not runs:
            return 0
        folder = SweepFolder(new_sweep_path(ROOT / grid.name), runs)
        if arguments.executor == "slurm":
            jobs: Jobs = SlurmJobs(folder, arguments.jobs, parameters)
        else:
            jobs = LocalJobs(folder, arguments.jobs or 1)
        return _run_all(folder, jobs, _description(grid, argv, total - len(missing)))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def missing_runs(grid: Grid) -> list[tuple[Cell, int | None]]:
    """The cells and seeds of a grid without a finished run; the seed is None where the config's own is meant."""
    missing: list[tuple[Cell, int | None]] = []
    finished = grid.finished_runs(ROOT)
    for cell in grid.cells:
        done = finished[cell.row, cell.column]
        missing += [(cell, seed) for seed in grid.seeds if seed not in done]
        missing += [] if grid.seeds or done else [(cell, None)]
    return missing


def _runs(grid: Grid, missing: list[tuple[Cell, int | None]]) -> list[SweepRun]:
    metric = next((name for name in grid.metrics if not Metric.parse(name).at_start), "")
    resumable, runs = resumable_runs(ROOT / grid.name), []
    for cell, seed in missing:
        argv = ["fit", "--config", cell.config, "--test_after_fit=true", *cell.options(seed)]
        parts = (cell.row, cell.column, "" if seed is None else f"seed {seed}")
        name = ", ".join(part for part in parts if part) or cell.name
        runs.append(SweepRun(name, argv, metric, resumable.get(tuple(argv))))
    refuse_running(ROOT / grid.name, [run.argv for run in runs])
    return runs


def _description(grid: Grid, argv: Sequence[str], finished: int) -> dict[str, Any]:
    """What is swept, for sweep.yaml."""
    return {
        "title": grid.title,
        "command": command_line("sweep.py", *argv),
        "config": grid.config,
        **{key: value for key in ("columns", "rows", "seeds") if (value := getattr(grid, key)) and value != {"": {}}},
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "finished_before": finished,
    }


def _run_all(folder: SweepFolder, jobs: Jobs, description: dict[str, Any]) -> int:
    """Run what is missing; the exit status."""
    started = time.perf_counter()
    completed = run_jobs(jobs, Progress(folder, on_change=lambda: _write_summary(folder, description)))
    return _report(folder, time.perf_counter() - started, interrupted=not completed)


def _report(folder: SweepFolder, seconds: float, interrupted: bool) -> int:
    statuses = folder.statuses()
    states = [status.state for status in statuses]
    print(f"{states.count('done')} runs in {seconds / 60:.1f} min, see {folder.path / 'sweep.yaml'}; python report.py")
    for number, status in enumerate(statuses):
        if status.state == "failed":
            print(f"failed: {folder.runs[number].name}: {status.error} (see {folder.log(number)})", file=sys.stderr)
    if interrupted or {"stopped", "cancelled"} & set(states):
        print("Stopped; the same command goes on with what is missing.")
    return 130 if interrupted else int(states.count("done") < len(states))


def _write_summary(folder: SweepFolder, description: dict[str, Any]) -> None:
    """Write sweep.yaml: what is swept, and of each run its name, its command, its state and its result."""
    runs = []
    for run, status in zip(folder.runs, folder.statuses(), strict=True):
        known = {key: value for key in ("run", "score", "error", "seconds") if (value := getattr(status, key))}
        command = command_line("train.py", *run.argv)
        runs.append({"name": run.name, "command": command, "state": status.state, **known})
    with atomic_write(folder.path / "sweep.yaml") as part:
        content = yaml.safe_dump({**description, "runs": runs}, allow_unicode=True, sort_keys=False, width=10**6)
        part.write_text(content, encoding="utf-8")


class _Once(argparse.Action):
    """Stores a value, and refuses a second one."""

    def __call__(self, parser: Any, given: argparse.Namespace, value: Any, name: str | None = None) -> None:
        if getattr(given, self.dest) is not None:
            parser.error(f"{name} is typed twice, but a sweep takes it once")
        setattr(given, self.dest, value)


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python sweep.py", description="Run what is missing of a grid of experiments.")
    parser.add_argument("file", nargs="?", help="a file of configs/grids")
    parser.add_argument("--config", action=_Once, help="instead of a file: what --grid and --seeds make a grid of")
    parser.add_argument("--grid", nargs="+", action="extend", default=[], metavar="KEY=VALUE,…", help="values of keys")
    parser.add_argument("--seeds", action=_Once, help="0..4 or 0,3,7, each for the weights and the data")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="overrides of a file"
    )
    parser.add_argument("--executor", choices=("local", "slurm"), default="local", help="here, or a SLURM job array")
    parser.add_argument("--jobs", type=int, help="runs at the same time: 1 here, all on SLURM unless given")
    parser.add_argument("--slurm", nargs="+", action="extend", default=[], metavar="KEY=VALUE", help="partition=gpu …")
    parser.add_argument("--dry-run", action="store_true", help="print the commands instead")
    arguments = parser.parse_args(argv)
    if bool(arguments.file) == bool(arguments.config):
        parser.error("give either a file of configs/grids, or --config with --grid or --seeds")
    if arguments.file and (arguments.grid or arguments.seeds is not None):
        parser.error(f"--grid and --seeds go with --config; {arguments.file} states its own")
    if arguments.config and arguments.set:
        parser.error("--set goes with a file of configs/grids; beside --config, --grid takes key=value too")
    if arguments.slurm and arguments.executor != "slurm":
        parser.error("--slurm goes with --executor slurm")
    if arguments.jobs is not None and arguments.jobs < 1:
        parser.error(f"--jobs must be at least 1, but it is {arguments.jobs}")
    return arguments
