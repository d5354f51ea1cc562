"""Write RESULTS.md from finished runs, and the picture that compares two: python report.py [run folder …]."""

import sys
from collections.abc import Sequence
from pathlib import Path

from callbacks import draw_attention_statistics
from lab.errors import LabError
from lab.files import written_whole
from lab.overrides import config_file, overrides_of
from lab.report import all_runs, write_results
from lab.runs import read_metrics

SATURATION = Path("docs") / "attention_saturation.png"
WITH_AND_WITHOUT_SCALE = ("vit_digits", "vit_digits_unscaled")


def draw_saturation(runs: Sequence[Path]) -> None:
    """Draw what the factor 1/√D does to attention, from the newest tested run with it and the newest without."""
    columns = {}
    for name in WITH_AND_WITHOUT_SCALE:
        repeats = [run for run in runs if run.parent.name == name and (run / "metrics.csv").is_file()]
        for run, overrides in zip(reversed(repeats), reversed(overrides_of(repeats, config_file(name))), strict=True):
            metrics = read_metrics(run)
            if not overrides and "test/acc" in metrics and any(key.startswith("attention/") for key in metrics):
                columns[f"{name}: test accuracy {metrics['test/acc'][1][-1]:.4f}"] = metrics
                break
    if len(columns) == len(WITH_AND_WITHOUT_SCALE):
        with written_whole(SATURATION) as part:
            draw_attention_statistics(columns).savefig(part, dpi=110)
        print(f"Drawn: {SATURATION}")


if __name__ == "__main__":
    try:
        folders = [Path(word) for word in sys.argv[1:]] or all_runs(Path("runs"))
        print(write_results(folders, Path("RESULTS.md"), notes=Path("runs") / "benchmarks"))
        draw_saturation(folders)
    except LabError as error:
        sys.exit(f"error: {error}")
