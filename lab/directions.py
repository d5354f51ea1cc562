"""Which way a metric is better, as its name says: the one place that the best checkpoint, early stopping, a plateau
schedule and the reports ask."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

MORE = {
    *("acc", "accuracy", "auc", "auroc", "dice", "f", "f1", "iou", "kappa", "mcc"),
    *("precision", "psnr", "recall", "sensitivity", "specificity", "ssim"),
}
LESS = {
    *("angle", "bits", "brier", "ece", "error", "loss", "mae", "mse", "nll"),
    *("orthonormality", "perplexity", "residual", "rmse", "rse"),
}

MONITOR = "val/loss"  # what picks the best checkpoint where nothing is stated


def more_is_better(metric: str) -> bool | None:
    """Whether more of a metric is better, by the words of its name; None where they do not say.

    The last word that says something decides: of ``val/dice_loss`` less is better.
    """
    words = re.split(r"[^a-z0-9]+", metric.lower())
    return next((word in MORE for word in reversed(words) if word in MORE | LESS), None)


def mode_of(metric: str) -> str | None:
    """The ``mode`` of what watches a metric, "min" or "max"; None where its name does not say."""
    return {True: "max", False: "min", None: None}[more_is_better(metric)]


def contradiction(watcher: str, metric: str, mode: str | None, argument: str = "mode") -> str | None:
    """A sentence on a mode that contradicts the name of a metric, or None.

    Args:
        watcher: what watches the metric.
        metric: its name.
        mode: "min" or "max" as it is in force; None where nothing states it.
        argument: the name of the argument that states it.
    """
    right = mode_of(metric)
    if None in (mode, right) or mode == right:
        return None
    taken, better = ("lowest", "more") if mode == "min" else ("highest", "less")
    return (
        f"{watcher} takes the {taken} {metric} for the best ({argument} {mode}), although its name says that {better} "
        f"of it is better: state {argument} {right} unless that is meant."
    )


def ask_for_mode(watcher: str, metric: str, how: str) -> str:
    """A sentence that asks which way a metric is better."""
    return (
        f'{watcher} names "{metric}", which does not say whether more of it is better, as val/acc does, or less, as '
        f"val/loss does: {how} min or max."
    )


def followed_mode(sources: Iterable[Mapping[str, Any]]) -> str | None:
    """What to set ``monitor_mode`` to, as one types it, where the mode that is stated is not that of the metric.

    A mode is that of the metric beside it: where a later file or the command line changes ``monitor`` alone, the mode
    of before has no meaning any more.

    Args:
        sources: the values by their keys of the config files and then of the command line.

    Returns:
        "min" or "max", "null" where nobody knows; None where the stated mode stands.
    """
    monitor, mode = MONITOR, None
    for source in sources:
        if str(source.get("monitor", monitor)) != monitor:
            monitor, mode = str(source["monitor"]), None
        mode = source.get("monitor_mode") or mode
    return None if mode else mode_of(monitor) or "null"
