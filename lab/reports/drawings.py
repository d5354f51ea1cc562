"""Figures that compare the experiments of a study: their curves over training, and their results side by side."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch

from figures import (
    distortion_curves_of,
    draw_attention_statistics,
    draw_distortion_curves,
    draw_gradient_norms,
    draw_reconstruction_grid,
    draw_repeats,
    draw_segmentation_maps,
    draw_superposition,
    gradients_of,
)
from lab import load_run
from lab.errors import LabError
from lab.experiments.grids import Grid
from lab.experiments.variants import variants_of
from lab.metrics import replica_values
from lab.reconstruct import reconstruct
from lab.reports.studies import Study
from lab.run_folder import RunFolder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITH_AND_WITHOUT_SCALE = ("vit_digits", "vit_digits_unscaled")
SHOWN = 6  # reconstructions of an experiment
KEPT = [f"superposition/{name}" for name in ("kept", "overlap", "positive_overlap", "welch_bound")]
CROP = (slice(120, 280), slice(160, 320))  # rows and columns of a slice through neurons


class Drawing(NamedTuple):
    """A figure, its caption, and its name in ``docs``; empty where it is for the page alone."""

    name: str
    caption: str
    figure: "Figure"


def draw_saturation(runs: Sequence[RunFolder]) -> list[Drawing]:
    """Draw what the factor 1/√D does to attention, from the newest tested run with it and the newest without."""
    columns = {}
    for name in WITH_AND_WITHOUT_SCALE:
        repeats = [run for run in runs if run.name == name and run.has_metrics]
        for run, variant in zip(reversed(repeats), reversed(variants_of(repeats)), strict=True):
            metrics = run.metrics
            if variant.label == name and "test/acc" in metrics and any(key.startswith("attention/") for key in metrics):
                columns[f"{name}: test accuracy {metrics['test/acc'][1][-1]:.4f}"] = metrics
                break
    if len(columns) < len(WITH_AND_WITHOUT_SCALE):
        return []
    caption = "Attention's scores and the entropy of its rows over training: the newest run with the scale and without."
    return [Drawing("attention_saturation", caption, draw_attention_statistics(columns))]


def draw_curves(study: Study, metric: str, label: str) -> "Figure | None":
    """Draw a metric over training, a panel a group of rows and a column, a line a row; None where none was logged.

    What stands before the first comma of a row's name groups rows, where all groups have the same rows.
    """
    panels: dict[str, dict[str, list]] = {}
    names = [row.partition(", ") for row, _ in study.runs]
    lines = [{line for other, _, line in names if other == group} for group, _, _ in names]
    grouped = all(line for _, _, line in names) and all(of_group == lines[0] for of_group in lines)
    for (row, column), runs in study.runs.items():
        group, _, line = row.partition(", ") if grouped else ("", "", row)
        curves = [curve for run in runs for curve in replica_values(run.metrics, metric)]
        if curves and set.intersection(*(set(steps) for steps, _ in curves)):
            panels.setdefault(", ".join(filter(None, (group, column))), {})[line] = curves
    return draw_repeats(panels, label) if panels else None


def curves_of(study: Study, grid: Grid | None) -> list[Drawing]:
    """The curves that a grid asks for; of another study those of the monitored metric, for the page alone."""
    asked = dict(grid.curves) if grid else {}
    monitored = study.all_runs[0].config.get("monitor", "val/loss")
    drawings = []
    for metric, label in (asked or {monitored: monitored}).items():
        if figure := draw_curves(study, metric, label):
            name = f"{grid.name}_{metric.replace('/', '_')}" if grid and metric in asked else ""
            drawings.append(Drawing(name, f"{label} over training: mean and range of the repeats.", figure))
    return drawings


def draw_reconstructions_of(study: Study) -> list[Drawing]:
    """Draw reconstructions of the same images by every experiment: a block for each column, a line for each row."""
    blocks: dict[str, dict[str, torch.Tensor]] = {}
    for (row, column), runs in study.runs.items():
        for run in runs[:1]:
            task, data = load_run(run.path)
            data.setup("test")
            with torch.no_grad(), torch.random.fork_rng():
                rows, _ = reconstruct(task, data.datasets["test"].tensors[0][:SHOWN], SHOWN)
            block = blocks.setdefault(column, {name: rows[name] for name in rows if name != "reconstruction"})
            block[row] = rows["reconstruction"]
    figure = draw_reconstruction_grid(blocks, data.image_shape)
    caption = "The same test images after the first repeat of each network."
    return [Drawing("autoencoder_mnist_reconstructions", caption, figure)]


def draw_superposition_of(study: Study) -> list[Drawing]:
    """Draw WᵀW of every sparsity, and how many features are kept; of the repeats, the one of least loss comes first."""
    weights, kept = {}, {}
    for (row, _), runs in study.runs.items():
        for run in runs:
            task, _ = load_run(run.path)
            metrics = run.metrics
            logged = [[values[-1] for _, values in replica_values(metrics, name)] for name in ("test/loss", *KEPT)]
            of_replicas = zip(zip(*logged, strict=True), task.replicas(), strict=True)
            ordered = sorted(of_replicas, key=lambda pair: pair[0][0])
            weights[row] = [net.weight.detach() for _, net in ordered]
            kept[row] = [values for (_, *values), _ in ordered]
    caption = "WᵀW of each sparsity, of its repeat of least loss; below, the features that every repeat keeps."
    return [Drawing("superposition", caption, draw_superposition(weights, kept))]


def draw_gradient_flow_of(study: Study) -> list[Drawing]:
    """Draw the gradient through time of every row, before training and at its end, a colour a column."""
    panels: dict[str, dict[str, tuple[list[float], str, str]]] = {}
    columns = list(dict.fromkeys(column for _, column in study.runs))
    for (row, column), runs in study.runs.items():
        for run in runs[:1]:
            norms = gradients_of(run.metrics)[1]["grad_norm"]
            colour = f"C{columns.index(column)}"
            for when, style, step in (("at the start", "-", min(norms)), ("trained", "--", max(norms))):
                ratios = [norm / (norms[step][-1] or 1.0) for norm in norms[step]]
                panels.setdefault(row, {})[f"loss: {column}, {when}"] = (ratios, colour, style)
    figure = draw_gradient_norms(panels, "Gradients through time", "‖∂L/∂h_t‖ / ‖∂L/∂h_T‖")
    caption = "The gradient of each step in units of the last one's, of the first repeat of each experiment."
    return [Drawing("gradient_flow", caption, figure)]


def draw_distortions_of(study: Study) -> list[Drawing]:
    """Draw the accuracy under each distortion, a figure a column, a line a row."""
    by_column: dict[str, dict[str, dict[str, list]]] = {}
    for (row, column), runs in study.runs.items():
        for run in runs:
            for distortion, curve in distortion_curves_of(run.metrics).items():
                by_column.setdefault(column, {}).setdefault(distortion, {}).setdefault(row, []).append(curve)
    drawings = []
    for column, panels in by_column.items():
        name = column.strip(":")
        caption = f"Test accuracy under each distortion alone, {name}."
        drawings.append(Drawing(f"{study.name}_{name.replace(' ', '_')}", caption, draw_distortion_curves(panels)))
    return drawings


def draw_crop_of(study: Study) -> list[Drawing]:
    """Draw one crop of a test image as every row of a grid segments it."""
    predictions = {}
    for (row, _), runs in study.runs.items():
        for run in runs[:1]:
            task, data = load_run(run.path)
            data.setup("test")
            image, mask = data.datasets["test"][0]
            with torch.no_grad():
                predictions[row.rpartition(", ")[2]] = task.segment(image[None]).argmax(dim=1)[0][CROP]
    place = (slice(None), *CROP)
    images, masks = [image[place]] * len(predictions), [mask[CROP]] * len(predictions)
    names, given = list(data.class_names), list(predictions.values())
    figure = draw_segmentation_maps(images, masks, given, names, task.ignore_index, list(predictions))
    caption = "One crop of a test image, and what the first repeat of each network makes of it."
    return [Drawing("unet_membrane_crop", caption, figure)]


COMPARED = {  # grid: what draws its rows side by side
    "autoencoder_mnist": draw_reconstructions_of,
    "superposition": draw_superposition_of,
    "gradient_flow": draw_gradient_flow_of,
    "cnn_shapes": draw_distortions_of,
    "unet_membrane": draw_crop_of,
}


def drawings_of(study: Study, grid: Grid | None) -> list[Drawing]:
    """All figures that compare the experiments of a study; one whose data are missing is reported and left out."""
    drawings = curves_of(study, grid)
    if study.name in COMPARED:
        try:
            drawings += COMPARED[study.name](study)
        except LabError as error:
            print(f"Not drawn: what compares the rows of {study.name}: {error}")
    return drawings
