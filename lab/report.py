"""Finished runs as a table: what was measured beside what it is held against."""

import os
import platform
import re
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.files import written_whole
from lab.runs import read_metrics, run_versions

HEADER = "| experiment | test accuracy | seeds | reference | fit, wall-clock | command |"


def write_results(runs: Sequence[Path], path: Path, notes: Path | None = None) -> str:
    """Write a table of finished runs, a row an experiment, and the tables of ``runs/benchmarks`` below it.

    Args:
        runs: run folders, ``runs/<config name>/version_<n>``; those of one config are its repeats.
        path: the Markdown file to write.
        notes: a folder of further Markdown tables, or None.

    Raises:
        LabError: when none of the folders holds a tested run.
    """
    groups: dict[str, list[Path]] = {}
    for run in runs:
        if (run / "metrics.csv").is_file() and "test/acc" in read_metrics(run):
            groups.setdefault(run.parent.name, []).append(run)
    if not groups:
        raise LabError("no run here has been tested yet: run `python train.py fit` and `python train.py test` first.")
    rows = [_row(name, folders) for name, folders in sorted(groups.items())]
    tables = [file.read_text() for file in sorted(notes.glob("*.md"))] if notes else []
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


def _row(name: str, folders: list[Path]) -> str:
    scores = [read_metrics(folder)["test/acc"][1][-1] for folder in folders]
    spread = f" ± {statistics.stdev(scores):.4f}" if len(scores) > 1 else ""
    config = _config(folders[-1])
    seeds = ", ".join(str(_config(folder).get("seed_everything")) for folder in folders)
    times = sorted({f"{_fit_seconds(folder) / 60:.1f}" for folder in folders}, key=float)
    minutes = "–".join(times if len(times) < 2 else (times[0], times[-1]))
    reference = _reference_of(name) or config.get("reference") or "–"
    held = re.match(r"[\d.]+", reference)
    if held and statistics.mean(scores) < float(held[0]):
        spread += " (below the reference)"
    command = f"`python train.py fit --config configs/{name}.yaml`"
    return f"| {name} | {statistics.mean(scores):.4f}{spread} | {seeds} | {reference} | {minutes} min | {command} |"


def _reference_of(name: str) -> str | None:
    """The reference in the config file as it stands now, or None where there is none."""
    import yaml

    path = Path("configs") / f"{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")).get("reference") if path.is_file() else None


def _config(run: Path) -> dict[str, Any]:
    import yaml

    path = run / "config.yaml"
    return yaml.safe_load(path.read_text()) if path.is_file() else {}


def _fit_seconds(run: Path) -> float:
    """From the writing of the config, before the first step, to the last checkpoint."""
    first, last = run / "config.yaml", run / "checkpoints" / "last.ckpt"
    return last.stat().st_mtime - first.stat().st_mtime if first.is_file() and last.is_file() else float("nan")
