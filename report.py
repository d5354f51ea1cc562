"""Write RESULTS.md from finished runs, and the pictures that compare several: python report.py [run folder …]."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from callbacks import (
    HANDOUT_TREE,
    HANDOUT_WORDS,
    distortion_curves,
    draw_attention_statistics,
    draw_distortion_curves,
    draw_gradient_norms,
    draw_reconstruction_grid,
    draw_repeats,
    draw_search_tree,
    draw_segmentation_maps,
    draw_superposition,
    gradients_of,
    reconstruct,
)
from lab.errors import LabError
from lab.files import written_whole
from lab.grid_tables import replica_values
from lab.grids import Grid, read_grid
from lab.overrides import config_file, overrides_of
from lab.report import all_runs, write_results
from lab.runs import load_run, read_metrics

DOCS, RUNS = Path("docs"), Path("runs")
WITH_AND_WITHOUT_SCALE = ("vit_digits", "vit_digits_unscaled")
SHOWN = 6  # reconstructions of an experiment
HONEST, COMMUNITIES = "18 languages, no name in two splits", "two communities, the handout's test members"
CROP = (slice(120, 280), slice(160, 320))  # rows and columns of a slice through neurons
COPIED = {  # figure of docs: the grid, its row, and the figure of a run
    "surname_classifier_confusion_matrix_test": ("surname_classifier", HONEST, "confusion_matrix_test_*.png"),
    "surname_classifier_reliability": ("surname_classifier", HONEST, "reliability_*.png"),
    "karate_club": ("gcn_karate_club", COMMUNITIES, "node_embeddings_test_*.png"),
    "karate_club_communities": ("gcn_karate_club", "four communities, one label each", "node_embeddings.gif"),
    "gcn_cora": ("cora", "GCN", "node_embeddings_test_*.png"),
    "gat_attention_entropy": ("cora", "GAT", "graph_attention_entropy_test_*.png"),
    "unet_shapes": ("unet_shapes", "U-Net, with skips", "segmentation_test_*.png"),
    "unet_membrane": ("unet_membrane", "U-Net, with skips", "segmentation_test_*.png"),
    "gat_attention_neighborhood": ("cora", "GAT", "graph_attention_neighborhood_test_*.png"),
}


def draw_saturation(runs: Sequence[Path]) -> None:
    """Draw what the factor 1/√D does to attention, from the newest tested run with it and the newest without."""
    columns = {}
    for name in WITH_AND_WITHOUT_SCALE:
        repeats = [run for run in runs if run.parent.name == name and (run / "metrics.csv").is_file()]
        for run, overrides in zip(reversed(repeats), reversed(overrides_of(repeats, config_file(name))), strict=True):
            metrics = read_metrics(run)
            if not overrides and "test/acc" in metrics and any(key.startswith("attention/") for key in metrics):
                columns[f"{name}: test accuracy {metrics['test/acc'][1][-1]:.4f}"] = metrics
                break
    if len(columns) == len(WITH_AND_WITHOUT_SCALE):
        _save(draw_attention_statistics(columns), "attention_saturation")


def draw_grid(grid: Grid) -> None:
    """Draw the curves of a grid over training, one panel a group of rows and a column, a line a row."""
    for metric, label in grid.curves.items():
        panels: dict[str, dict[str, list]] = {}
        for cell in grid.cells:
            group, _, line = cell.row.partition(", ")
            repeats = [read_metrics(run) for run in grid.runs(cell, RUNS).values()]
            if repeats:
                curves = [curve for metrics in repeats for curve in replica_values(metrics, metric)]
                panels.setdefault(", ".join(filter(None, (group, cell.column))), {})[line] = curves
        if panels:
            _save(draw_repeats(panels, label), f"{grid.name}_{metric.replace('/', '_')}")


def draw_reconstructions_of(grid: Grid) -> None:
    """Draw what every experiment of a grid makes of the same test images, a block a column, a line a row."""
    blocks: dict[str, dict[str, torch.Tensor]] = {}
    for cell in grid.cells:
        for run in list(grid.runs(cell, RUNS).values())[:1]:
            task, data = load_run(run)
            data.setup("test")
            with torch.no_grad(), torch.random.fork_rng():
                rows, _ = reconstruct(task, data.datasets["test"].tensors[0][:SHOWN], SHOWN)
            block = blocks.setdefault(cell.column, {name: rows[name] for name in rows if name != "reconstruction"})
            block[cell.row] = rows["reconstruction"]
    if blocks:
        _save(draw_reconstruction_grid(blocks, data.image_shape), f"{grid.name}_reconstructions")


def draw_superposition_of(grid: Grid) -> None:
    """Draw WᵀW of every sparsity, and how many features are kept; of the repeats, the one of least loss comes first."""
    weights = {}
    for cell in grid.cells:
        for run in grid.runs(cell, RUNS).values():
            task, _ = load_run(run)
            losses = [values[-1] for _, values in replica_values(read_metrics(run), "test/loss")]
            nets = [net for _, net in sorted(zip(losses, task.replicas(), strict=True), key=lambda pair: pair[0])]
            weights[cell.row] = [net.weight.detach() for net in nets]
    if weights:
        _save(draw_superposition(weights), "superposition")


def draw_gradient_flow_of(grid: Grid) -> None:
    """Draw the gradient through time of every row, before training and at its end, a colour a column."""
    panels: dict[str, dict[str, tuple[list[float], str, str]]] = {}
    for cell in grid.cells:
        for run in list(grid.runs(cell, RUNS).values())[:1]:
            norms = gradients_of(read_metrics(run))[1]["grad_norm"]
            colour = f"C{list(grid.columns).index(cell.column)}"
            for when, style, step in (("at the start", "-", min(norms)), ("trained", "--", max(norms))):
                ratios = [norm / (norms[step][-1] or 1.0) for norm in norms[step]]
                panels.setdefault(cell.row, {})[f"loss: {cell.column}, {when}"] = (ratios, colour, style)
    if panels:
        figure = draw_gradient_norms(panels, "Gradients through time", "‖∂L/∂h_t‖ / ‖∂L/∂h_T‖")
        _save(figure, grid.name)


def draw_distortions_of(grid: Grid) -> None:
    """Draw the accuracy under each distortion, a figure a column, a line a row."""
    for column in grid.columns:
        panels: dict[str, dict[str, list]] = {}
        for cell in grid.cells:
            for run in grid.runs(cell, RUNS).values() if cell.column == column else ():
                for distortion, curve in distortion_curves(read_metrics(run)).items():
                    panels.setdefault(distortion, {}).setdefault(cell.row, []).append(curve)
        if panels:
            _save(draw_distortion_curves(panels), f"{Path(grid.path).stem}_{column.strip(':').replace(' ', '_')}")


def draw_crop_of(grid: Grid) -> None:
    """Draw one crop of a test image as every row of a grid segments it."""
    predictions = {}
    for cell in grid.cells:
        for run in list(grid.runs(cell, RUNS).values())[:1]:
            task, data = load_run(run)
            data.setup("test")
            image, mask = data.datasets["test"][0]
            with torch.no_grad():
                predictions[cell.row.rpartition(", ")[2]] = task.segment(image[None]).argmax(dim=1)[0][CROP]
    if predictions:
        images, masks = [image[(slice(None), *CROP)]] * len(predictions), [mask[CROP]] * len(predictions)
        names, given = list(data.class_names), list(predictions.values())
        figure = draw_segmentation_maps(images, masks, given, names, task.ignore_index, list(predictions))
        _save(figure, f"{grid.name}_crop")


def copy_figures(grids: Mapping[str, Grid]) -> None:
    """Copy what the first run of a row drew to ``docs``, by ``COPIED``."""
    for name, (of_grid, row, pattern) in COPIED.items():
        cells = [cell for cell in grids[of_grid].cells if cell.row == row]
        runs = [run for cell in cells for run in grids[of_grid].runs(cell, RUNS).values()]
        for drawn in [path for run in runs[:1] for path in (run / "figures").glob(pattern)][:1]:
            path = DOCS / f"{name}{drawn.suffix}"
            with written_whole(path) as part:
                shutil.copyfile(drawn, part)
            print(f"Copied: {path}")


def _save(figure: object, name: str) -> None:
    path = DOCS / f"{name}.png"
    with written_whole(path) as part:
        figure.savefig(part, dpi=110, bbox_inches="tight")
    print(f"Drawn: {path}")


if __name__ == "__main__":
    try:
        folders = [Path(word) for word in sys.argv[1:]] or all_runs(RUNS)
        grids = {path.stem: read_grid(path) for path in sorted(Path("configs/grids").glob("*.yaml"))}
        print(write_results(folders, Path("RESULTS.md"), notes=RUNS / "benchmarks", grids=list(grids.values())))
        draw_saturation(folders)
        for grid in grids.values():
            draw_grid(grid)
        draw_reconstructions_of(grids["autoencoder_mnist"])
        draw_superposition_of(grids["superposition"])
        draw_gradient_flow_of(grids["gradient_flow"])
        draw_distortions_of(grids["cnn_shapes"])
        draw_crop_of(grids["unet_membrane"])
        copy_figures(grids)
        _save(draw_search_tree(HANDOUT_TREE, HANDOUT_WORDS, beam_width=2), "beam_search")
    except LabError as error:
        sys.exit(f"error: {error}")
