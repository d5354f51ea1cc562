"""The one helper that saves a figure: a file in the run folder first, then every logger that takes images."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.files import atomic_write
from lab.run_folder import run_dir
from lab.titles import joined, title_of

if TYPE_CHECKING:
    import numpy as np
    from lightning.pytorch import Trainer
    from matplotlib.figure import Figure

DOTS_PER_INCH = 150


def save_figure(
    figure: "Figure", name: str, trainer: "Trainer", replicas: str = "", numbered: bool = True
) -> Path | None:
    """Save a figure as ``<run>/figures/<name>_<step>.png``, and show it to the loggers that take images.

    A line below it says which run and which data it is of.

    Args:
        figure: a matplotlib figure, made with ``matplotlib.figure.Figure`` so that no window system is needed.
        name: what the figure shows, such as ``"attention"``.
        trainer: the trainer whose run the figure belongs to.
        replicas: which replicas are shown, as ``lab.titles.replicas_of`` says it; empty where there is one.
        numbered: whether the step is in the name of the file; not of what a run has once.

    Returns:
        the file, or None where none is written: in a fast development run, and in all processes but the first.
    """
    folder = run_dir(trainer)
    if folder is None or not trainer.is_global_zero:
        return None
    # A Trainer that only tests does not count the steps behind its checkpoint; the run's logger knows them.
    step = max([trainer.global_step, *(getattr(logger, "first_step", 0) for logger in trainer.loggers)])
    path = folder / "figures" / (f"{name}_{step}.png" if numbered else f"{name}.png")
    figure.text(0.005, 0.0, joined(title_of(trainer), replicas), fontsize=7, color="0.45", va="top")
    with atomic_write(path) as part:
        figure.savefig(part, dpi=DOTS_PER_INCH, bbox_inches="tight")
    logger: Any  # of whatever kind
    for logger in trainer.loggers:
        if hasattr(logger, "log_image"):  # Weights & Biases, Comet
            logger.log_image(name, [str(path)], step=step)
        elif hasattr(getattr(logger, "experiment", None), "add_image"):  # TensorBoard
            logger.experiment.add_image(name, _pixels(path), step, dataformats="HWC")
    return path


def _pixels(path: Path) -> "np.ndarray":
    """The picture that was saved: to read it back is cheaper than to draw the figure once more."""
    import numpy as np
    from PIL import Image

    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
