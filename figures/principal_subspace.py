"""How gradient descent on a linear autoencoder approaches the closed form of its optimum."""

from typing import TYPE_CHECKING

from figures.metrics import Metrics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_principal_subspace(metrics: Metrics, title: str) -> "Figure":
    """The angle to the principal subspace (degrees), and the excess of the loss over its optimum, over training.

    Args:
        metrics: the metrics of a run with ``PrincipalSubspace``, as ``lab.read_metrics`` gives them.
        title: what was trained.

    Shapes:
        each metric as many optimizer steps as values, the same steps for all of them
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.4, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps, angles = metrics["pca/angle"]
    left.plot(steps, angles, marker=".", color="C0", label=f"largest principal angle: {angles[-1]:.3g}° at the end")
    left.axhline(1.0, color="0.5", linestyle=":", linewidth=1, label="1°")
    left.set_ylabel("degrees")
    (_, losses), (_, optima) = metrics["pca/loss"], metrics["pca/optimum"]
    excess = [max(loss / optimum - 1, 1e-12) for loss, optimum in zip(losses, optima, strict=True)]
    right.plot(steps, excess, marker=".", color="C1", label=f"loss / optimum − 1: {excess[-1]:.2g} at the end")
    others = {"residual": "first-order residual", "orthonormality": "‖W₂ᵀW₂ − I‖", "singular_values": "singular values"}
    for number, (name, label) in enumerate(others.items(), start=2):
        if f"pca/{name}" in metrics:
            values = metrics[f"pca/{name}"][1]
            label = f"{label}: {values[-1]:.2g}"
            right.plot(steps, values, marker=".", linewidth=1, color=f"C{number}", label=label)
    for axes in (left, right):
        axes.set_yscale("log")
        axes.set_xlabel("optimizer step")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9)
    figure.suptitle(f"{title}: gradient descent approaches the closed form", fontsize=12)
    return figure
