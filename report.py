"""Finished runs as tables and pictures: python report.py [run folder …] writes report/, RESULTS.md and docs/.

``report/index.html`` shows all that has run here, in one file that needs no network; ``report/tables.csv`` has its
numbers. RESULTS.md and the pictures of docs/ are updated: a study without runs here stays as it is, and so does one of
which they show more than has run here, unless ``--overwrite`` is typed.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from matplotlib.figure import Figure

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
from lab.grids import Grid, read_grid
from lab.overrides import config_file, overrides_of, read_config
from lab.report import all_runs, read_finished, write_results, write_tables
from lab.report_page import write_page
from lab.report_studies import Study, replica_values
from lab.runs import load_run, read_metrics

DOCS, RUNS, REPORT = Path("docs"), Path("runs"), Path("report")
REPRODUCED = [RUNS / "reproduce" / f"{budget}.json" for budget in ("reduced", "full")]
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


class Drawing(NamedTuple):
    """A figure, what it shows, and its name in ``docs``; empty where it is for the page alone."""

    name: str
    caption: str
    figure: Figure


def draw_saturation(runs: Sequence[Path]) -> list[Drawing]:
    """Draw what the factor 1/√D does to attention, from the newest tested run with it and the newest without."""
    columns = {}
    for name in WITH_AND_WITHOUT_SCALE:
        repeats = [run for run in runs if run.parent.name == name and (run / "metrics.csv").is_file()]
        for run, overrides in zip(reversed(repeats), reversed(overrides_of(repeats, config_file(name))), strict=True):
            metrics = read_metrics(run)
            if not overrides and "test/acc" in metrics and any(key.startswith("attention/") for key in metrics):
                columns[f"{name}: test accuracy {metrics['test/acc'][1][-1]:.4f}"] = metrics
                break
    if len(columns) < len(WITH_AND_WITHOUT_SCALE):
        return []
    caption = "The scores of attention and the entropy of its rows over training, with the scale and without."
    return [Drawing("attention_saturation", caption, draw_attention_statistics(columns))]


def draw_curves(study: Study, metric: str, label: str) -> Figure | None:
    """Draw a metric over training, a panel a group of rows and a column, a line a row; None where none was logged.

    What stands before the first comma of a row's name groups rows, where all groups have the same rows.
    """
    panels: dict[str, dict[str, list]] = {}
    names = [row.partition(", ") for row, _ in study.runs]
    lines = [{line for other, _, line in names if other == group} for group, _, _ in names]
    grouped = all(line for _, _, line in names) and all(of_group == lines[0] for of_group in lines)
    for (row, column), runs in study.runs.items():
        group, _, line = row.partition(", ") if grouped else ("", "", row)
        curves = [curve for run in runs for curve in replica_values(read_metrics(run), metric)]
        if curves and set.intersection(*(set(steps) for steps, _ in curves)):
            panels.setdefault(", ".join(filter(None, (group, column))), {})[line] = curves
    return draw_repeats(panels, label) if panels else None


def curves_of(study: Study, grid: Grid | None) -> list[Drawing]:
    """The curves that a grid asks for; of another study those of the monitored metric, for the page alone."""
    asked = dict(grid.curves) if grid else {}
    monitored = read_config(study.all_runs[0]).get("monitor", "val/loss")
    drawings = []
    for metric, label in (asked or {monitored: monitored}).items():
        if figure := draw_curves(study, metric, label):
            name = f"{grid.name}_{metric.replace('/', '_')}" if metric in asked else ""
            drawings.append(Drawing(name, f"{label} over training: mean and range of the repeats.", figure))
    return drawings


def draw_reconstructions_of(study: Study) -> list[Drawing]:
    """Draw what every experiment of a grid makes of the same test images, a block a column, a line a row."""
    blocks: dict[str, dict[str, torch.Tensor]] = {}
    for (row, column), runs in study.runs.items():
        for run in runs[:1]:
            task, data = load_run(run)
            data.setup("test")
            with torch.no_grad(), torch.random.fork_rng():
                rows, _ = reconstruct(task, data.datasets["test"].tensors[0][:SHOWN], SHOWN)
            block = blocks.setdefault(column, {name: rows[name] for name in rows if name != "reconstruction"})
            block[row] = rows["reconstruction"]
    figure = draw_reconstruction_grid(blocks, data.image_shape)
    return [Drawing("autoencoder_mnist_reconstructions", "The same test images after each network.", figure)]


def draw_superposition_of(study: Study) -> list[Drawing]:
    """Draw WᵀW of every sparsity, and how many features are kept; of the repeats, the one of least loss comes first."""
    weights = {}
    for (row, _), runs in study.runs.items():
        for run in runs:
            task, _ = load_run(run)
            losses = [values[-1] for _, values in replica_values(read_metrics(run), "test/loss")]
            nets = [net for _, net in sorted(zip(losses, task.replicas(), strict=True), key=lambda pair: pair[0])]
            weights[row] = [net.weight.detach() for net in nets]
    return [Drawing("superposition", "WᵀW of each sparsity, and the features kept.", draw_superposition(weights))]


def draw_gradient_flow_of(study: Study) -> list[Drawing]:
    """Draw the gradient through time of every row, before training and at its end, a colour a column."""
    panels: dict[str, dict[str, tuple[list[float], str, str]]] = {}
    columns = list(dict.fromkeys(column for _, column in study.runs))
    for (row, column), runs in study.runs.items():
        for run in runs[:1]:
            norms = gradients_of(read_metrics(run))[1]["grad_norm"]
            colour = f"C{columns.index(column)}"
            for when, style, step in (("at the start", "-", min(norms)), ("trained", "--", max(norms))):
                ratios = [norm / (norms[step][-1] or 1.0) for norm in norms[step]]
                panels.setdefault(row, {})[f"loss: {column}, {when}"] = (ratios, colour, style)
    figure = draw_gradient_norms(panels, "Gradients through time", "‖∂L/∂h_t‖ / ‖∂L/∂h_T‖")
    return [Drawing("gradient_flow", "The gradient of each step in units of the last one's.", figure)]


def draw_distortions_of(study: Study) -> list[Drawing]:
    """Draw the accuracy under each distortion, a figure a column, a line a row."""
    by_column: dict[str, dict[str, dict[str, list]]] = {}
    for (row, column), runs in study.runs.items():
        for run in runs:
            for distortion, curve in distortion_curves(read_metrics(run)).items():
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
            task, data = load_run(run)
            data.setup("test")
            image, mask = data.datasets["test"][0]
            with torch.no_grad():
                predictions[row.rpartition(", ")[2]] = task.segment(image[None]).argmax(dim=1)[0][CROP]
    images, masks = [image[(slice(None), *CROP)]] * len(predictions), [mask[CROP]] * len(predictions)
    names, given = list(data.class_names), list(predictions.values())
    figure = draw_segmentation_maps(images, masks, given, names, task.ignore_index, list(predictions))
    return [Drawing("unet_membrane_crop", "One crop of a test image, and what each network makes of it.", figure)]


COMPARED = {  # grid: what draws its rows side by side
    "autoencoder_mnist": draw_reconstructions_of,
    "superposition": draw_superposition_of,
    "gradient_flow": draw_gradient_flow_of,
    "cnn_shapes": draw_distortions_of,
    "unet_membrane": draw_crop_of,
}


def drawings_of(study: Study, grid: Grid | None) -> list[Drawing]:
    """All that compares the experiments of a study; data that are not here are told, and their drawing is left out."""
    drawings = curves_of(study, grid)
    if study.name in COMPARED:
        try:
            drawings += COMPARED[study.name](study)
        except LabError as error:
            print(f"Not drawn: what compares the rows of {study.name}: {error}")
    return drawings


def copy_figures(studies: Mapping[str, Study]) -> None:
    """Copy what the first run of a row drew to ``docs``, by ``COPIED``."""
    for name, (of_grid, row, pattern) in COPIED.items():
        found = studies[of_grid].runs.items() if of_grid in studies else ()
        runs = [run for (of_row, _), folders in found if of_row == row for run in folders]
        for drawn in [path for run in runs[:1] for path in (run / "figures").glob(pattern)][:1]:
            path = DOCS / f"{name}{drawn.suffix}"
            with written_whole(path) as part:
                shutil.copyfile(drawn, part)
            print(f"Copied: {path}")


def save_drawings(drawings: Sequence[Drawing]) -> None:
    """Save the drawings that have a name to ``docs``."""
    for drawing in drawings:
        if drawing.name:
            path = DOCS / f"{drawing.name}.png"
            with written_whole(path) as part:
                drawing.figure.savefig(part, dpi=110, bbox_inches="tight")
            print(f"Drawn: {path}")


def main(typed: Sequence[str]) -> int:
    """Write the page, the tables, RESULTS.md and the pictures of docs; 1 after a mistake told in one sentence."""
    parser = argparse.ArgumentParser(prog="report.py", description="Tables and pictures of finished runs.")
    parser.add_argument("runs", nargs="*", type=Path, help="run folders of experiments outside grids; all when none")
    parser.add_argument("--overwrite", action="store_true", help="replace also what RESULTS.md has of more runs")
    arguments = parser.parse_args(typed)
    grids = {path.stem: read_grid(path) for path in sorted(Path("configs/grids").glob("*.yaml"))}
    finished = read_finished(arguments.runs or all_runs(RUNS), RUNS, list(grids.values()))
    if not finished.studies and not any(file.is_file() for file in REPRODUCED):
        raise LabError("no run here has been tested yet: run `python train.py fit` and `python train.py test` first.")
    written, kept = write_results(finished, Path("RESULTS.md"), RUNS / "benchmarks", arguments.overwrite)
    drawings = {study.name: drawings_of(study, grids.get(study.name)) for study in finished.studies}
    drawings.setdefault("vit_digits", []).extend(draw_saturation(finished.tested))
    for name in (*written, "vit_digits"):
        save_drawings(drawings[name])
    copy_figures({study.name: study for study in finished.grids if study.name in written})
    if not (DOCS / "beam_search.png").is_file():
        save_drawings([Drawing("beam_search", "", draw_search_tree(HANDOUT_TREE, HANDOUT_WORDS, beam_width=2))])
    figures = {name: [(drawing.caption, drawing.figure) for drawing in of] for name, of in drawings.items()}
    write_page(finished.studies, REPORT / "index.html", figures, REPRODUCED)
    write_tables(finished.studies, REPORT / "tables.csv")
    for sentence in kept:
        print(f"Kept in RESULTS.md: {sentence} (--overwrite replaces it).")
    print(f"Written: RESULTS.md, {REPORT / 'tables.csv'}, {REPORT / 'index.html'}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        sys.exit(f"error: {error}")
