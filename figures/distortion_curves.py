"""The accuracy of classifiers over the strength of a distortion of their images."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from figures.learning_curves import draw_repeats
from figures.metrics import Curve, Metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PREFIX = "distorted_acc/"
LABELS = {
    "translation": "largest shift (of the side)",
    "rotation": "largest rotation (degrees)",
    "scale": "largest change of size",
    "pixel_dropout": "share of missing pixels",
    "noise": "noise (standard deviation)",
    "occlusion": "side of the square in front (of the side)",
}


def distortion_curves_of(metrics: Metrics) -> dict[str, Curve]:
    """The accuracy over the strength of each distortion, from the metrics of a run with ``DistortionCurves``.

    Args:
        metrics: the metrics of the run, by name; of each the last value counts.

    Shapes:
        for each distortion, as many strengths, in increasing order, as accuracies in [0, 1]
    """
    points: dict[str, list[tuple[float, float]]] = {}
    for key, (_, values) in metrics.items():
        if key.startswith(PREFIX):
            name, _, strength = key.removeprefix(PREFIX).rpartition("_")
            points.setdefault(name, []).append((float(strength), float(values[-1])))
    return {
        name: ([strength for strength, _ in sorted(pairs)], [accuracy for _, accuracy in sorted(pairs)])
        for name, pairs in points.items()
    }


def draw_distortion_curves(panels: Mapping[str, Mapping[str, Sequence[Curve]]]) -> "Figure":
    """The accuracy over the strength of every distortion, one panel each.

    Args:
        panels: for each distortion, for each line's label, the strengths and accuracies of every repeat.

    Shapes:
        of each repeat, as many strengths, in the unit of the distortion, as accuracies in [0, 1]
    """
    labels = [LABELS.get(name, name) for name in panels]
    return draw_repeats(dict(zip(labels, panels.values(), strict=True)), "accuracy", xlabels=labels)
