"""The loss of a run over training."""

from lightning.pytorch import LightningModule, Trainer

from callbacks.draws_at_end import DrawsAtEnd
from callbacks.observing import metrics_so_far
from figures import draw_learning_curves
from lab.figures import save_figure
from lab.titles import joined, replicas_of, title_of


class LearningCurves(DrawsAtEnd):
    """Draws the training and validation loss of the run so far, from its ``metrics.csv``, when training ends.

    Also when it ends by an error or a signal.

    Args:
        metrics: which metrics share the axis.
        ylabel: the label of the axis, with its unit.
    """

    def __init__(
        self, metrics: tuple[str, ...] = ("train/loss", "val/loss"), ylabel: str = "cross-entropy (nats)"
    ) -> None:
        self.metrics, self.ylabel = metrics, ylabel

    def draw(self, trainer: Trainer, pl_module: LightningModule) -> None:
        logged = metrics_so_far(trainer) or {}
        curves = {name: logged[name] for name in self.metrics if name in logged}
        if curves:
            shown = replicas_of(pl_module, "mean")
            figure = draw_learning_curves(curves, joined(title_of(trainer), shown), self.ylabel)
            save_figure(figure, "learning_curves", trainer, shown)
