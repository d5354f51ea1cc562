"""The machinery around a run: command line, run folders, error sentences, figure files."""

from lab.figures import save_figure
from lab.runs import load_run, read_metrics
from lab.trained import load_or_train

__all__ = ["load_or_train", "load_run", "read_metrics", "save_figure"]
