"""The machinery around a run: command line, run folders, error sentences, figure files."""

from lab.figures import save_figure
from lab.runs import load_run, read_metrics

__all__ = ["load_run", "read_metrics", "save_figure"]
