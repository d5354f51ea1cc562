"""Finished runs as a table: what was measured beside what it is held against."""

import os
import platform
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

from lab.errors import LabError
from lab.files import written_whole
from lab.grid_tables import grid_table, replica_values
from lab.grids import Grid
from lab.overrides import config_file, overrides_of, read_config
from lab.runs import fit_minutes, read_metrics, run_versions

HEADER = "| experiment | result on the test split | seeds | reference | fit, wall-clock | command |"
# What a row shows, the first that the runs have: its name, its digits, and whether more is better.
SCORES = {
    "test/iou": ("mean IoU", ".4f", True),
    "test/acc": ("accuracy", ".4f", True),
    "test/rse": ("relative squared error", ".2g", False),
    "probe/test_acc": ("accuracy of a linear probe", ".4f", True),
}


def write_results(runs: Sequence[Path], path: Path, notes: Path | None = None, grids: Sequence[Grid] = ()) -> str:
    """Write a table of finished runs, a row an experiment, and the tables of ``runs/benchmarks`` below it.

    Args:
        runs: run folders, ``runs/<config name>/version_<n>``; those of one config are its repeats, unless other values
            than the seed were given on the command line: each set of them is a row of its own.
        path: the Markdown file to write.
        notes: a folder of further Markdown tables, or None.
        grids: grids of experiments; each that ran has a table of its own, from the folder of all runs, and the runs of
            its config are no rows of the first table.

    Raises:
        LabError: when none of the folders holds a tested run.
    """
    in_grids = {cell.name for grid in grids for cell in grid.cells}
    tested = [run for run in runs if (run / "metrics.csv").is_file() and _score_name(run)]
    tested = [run for run in tested if run.parent.name not in in_grids]
    grid_tables = [table for grid in grids if (table := grid_table(grid, Path("runs")))]
    if not tested and not grid_tables:
        raise LabError("no run here has been tested yet: run `python train.py fit` and `python train.py test` first.")
    rows = [_row(name, overrides, folders) for (name, overrides), folders in sorted(_repeats(tested).items())]
    tables = grid_tables + [file.read_text() for file in sorted(notes.glob("*.md"))] if notes else grid_tables
    text = "\n".join(
        [
            "# Results",
            "",
            "Written by `python report.py` from finished runs; mean ± standard deviation over seeds.",
            f"Machine: {machine()}.",
            "",
            HEADER,
            "| --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            *tables,
        ]
    )
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")
    return text


def machine() -> str:
    """The processor, the cores, and the versions that a number depends on."""
    import lightning
    import torch

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    processor = names[0] if names else platform.processor() or platform.machine()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, lightning {lightning.__version__}"
    return f"{processor}, {os.cpu_count()} cores{gpu}; {versions}"


def all_runs(root: Path) -> list[Path]:
    """Every run folder below ``root``, oldest first."""
    names = sorted(folder.name for folder in root.glob("*") if folder.is_dir())
    return [run for name in names for _, run in reversed(list(run_versions(root, name)))]


def _row(name: str, overrides: str, folders: list[Path]) -> str:
    score = _score_name(folders[0])
    label, digits, more_is_better = SCORES[score]
    repeats = [replica_values(read_metrics(folder), score) for folder in folders]
    scores = [values[-1] for of_run in repeats for _, values in of_run]
    mean = statistics.mean(scores)
    spread = f" ± {statistics.stdev(scores):{digits}}" if len(scores) > 1 else ""
    firsts = [read_config(folder).get("seed_everything") for folder in folders]
    seeds = ", ".join(  # a replica is the run of the next seed
        str(first) if len(of_run) == 1 else f"{first}–{first + len(of_run) - 1}"
        for first, of_run in zip(firsts, repeats, strict=True)
    )
    minutes = fit_minutes(folders)
    reference = config_file(name).get("reference") or read_config(folders[-1]).get("reference") or "–"
    held = re.match(r"\d+(\.\d+)?(e[+-]?\d+)?", reference)
    if held and (mean < float(held[0]) if more_is_better else mean > float(held[0])):
        spread += f" ({'below' if more_is_better else 'above'} the reference)"
    command = f"`python train.py fit --config configs/{name}.yaml{overrides}`"
    result = f"{label} {mean:{digits}}{spread}"
    return f"| {name}{overrides} | {result} | {seeds} | {reference} | {minutes} | {command} |"


def _repeats(runs: Sequence[Path]) -> dict[tuple[str, str], list[Path]]:
    """The runs by the name of their config and what was typed beside it."""
    by_name: dict[str, list[Path]] = {}
    for run in runs:
        by_name.setdefault(run.parent.name, []).append(run)
    groups: dict[tuple[str, str], list[Path]] = {}
    for name, folders in by_name.items():
        for folder, overrides in zip(folders, overrides_of(folders, config_file(name)), strict=True):
            groups.setdefault((name, overrides), []).append(folder)
    return groups


def _score_name(run: Path) -> str | None:
    """The first of ``SCORES`` that a run was tested for, or None."""
    metrics = read_metrics(run)
    return next((name for name in SCORES if name in metrics), None)
