"""The machinery around a run: command line, run folders, error sentences, figure files."""

from typing import Any

from lab.figures import save_figure
from lab.run_folder import read_metrics

__all__ = ["load_or_train", "load_run", "read_metrics", "save_figure"]


def __getattr__(name: str) -> Any:
    """What a notebook loads runs with comes from the floor above, which imports Lightning, once it is asked for."""
    if name in ("load_or_train", "load_run"):
        from lab.evaluation import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
