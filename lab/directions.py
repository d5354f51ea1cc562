"""Which way a metric is better, as its name says: the one place that the best checkpoint, early stopping, a plateau
schedule and the reports ask."""

import re

MORE = {
    *("acc", "accuracy", "auc", "auroc", "dice", "f", "f1", "iou", "kappa", "mcc"),
    *("precision", "psnr", "recall", "sensitivity", "specificity", "ssim"),
}
LESS = {
    *("angle", "bits", "brier", "ece", "error", "loss", "mae", "mse", "nll"),
    *("orthonormality", "perplexity", "residual", "rmse", "rse"),
}


def more_is_better(metric: str) -> bool | None:
    """Whether more of a metric is better, by the words of its name; None where they do not say.

    The last word that says something decides: of ``val/dice_loss`` less is better.
    """
    words = re.split(r"[^a-z0-9]+", metric.lower())
    return next((word in MORE for word in reversed(words) if word in MORE | LESS), None)


def mode_of(metric: str) -> str | None:
    """The ``mode`` of what watches a metric, "min" or "max"; None where its name does not say."""
    return {True: "max", False: "min", None: None}[more_is_better(metric)]


def contradiction(watcher: str, metric: str, mode: str) -> str | None:
    """A sentence on a mode that contradicts the name of a metric, or None.

    Args:
        watcher: what watches the metric.
        metric: its name.
        mode: "min" or "max", as it is in force.
    """
    if mode_of(metric) in (None, mode):
        return None
    better, told = ("less", "higher") if mode == "max" else ("more", "lower")
    return (
        f"{watcher} takes the {told} {metric} for the better one (mode {mode}), although its name says that {better} "
        f"of it is better: state mode {mode_of(metric)} unless that is meant."
    )


def ask_for_mode(watcher: str, metric: str, how: str) -> str:
    """A sentence that asks which way a metric is better."""
    return (
        f"{watcher} names the metric {metric}, but its name does not say whether more of it is better, as that of "
        f"val/acc does, or less, as that of val/loss: {how} min or max."
    )
