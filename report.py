"""Finished runs as tables and pictures: python report.py [run folder …] writes report/.

``report/index.html`` shows all that has run here, in one file that needs no network; ``report/tables.csv`` has its
numbers, ``report/tables.tex`` its tables for a paper. With ``--update-results`` what is in git is updated too: the data
of results/, RESULTS.md and docs/experiments.md, which are rendered from them, and the pictures of docs/. What has not
run here stays there as it is, and so does a study of which more has run than here, unless ``--overwrite`` is typed.
"""

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from figures import HANDOUT_TREE, HANDOUT_WORDS, draw_search_tree, step_of_tree
from lab.errors import LabError
from lab.experiments.grid_files import read_grid
from lab.files import atomic_write
from lab.machine import machine
from lab.parser import Parser
from lab.reports.collect import Finished, read_finished, update_results, write_tables
from lab.reports.drawings import Drawing, draw_saturation, drawings_of
from lab.reports.images import saved_picture
from lab.reports.page import write_page
from lab.reports.reading import all_runs, named_runs, readable
from lab.reports.rendering import write_rendered
from lab.reports.studies import Study
from nets import beam_search

DOCS, RUNS, REPORT = Path("docs"), Path("runs"), Path("report")
REPRODUCED = [RUNS / "reproduce" / f"{budget}.json" for budget in ("reduced", "full")]
HONEST, COMMUNITIES = "18 languages, no name in two splits", "two communities, the handout's test members"
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


def copy_figures(studies: Mapping[str, Study]) -> None:
    """Copy what the first run of a row drew to ``docs``, by ``COPIED``."""
    for name, (of_grid, row, pattern) in COPIED.items():
        found = studies[of_grid].runs.items() if of_grid in studies else ()
        runs = [run for (of_row, _), folders in found if of_row == row for run in folders]
        for drawn in [path for run in runs[:1] for path in (run / "figures").glob(pattern)][:1]:
            if not readable(saved_picture, name, drawn):
                continue
            path = DOCS / f"{name}{drawn.suffix}"
            with atomic_write(path) as part:
                shutil.copyfile(drawn, part)
            print(f"Copied: {path}")


def draw_beam_search(beam_width: int) -> Drawing:
    """Draw the search tree of the handout's example, and the hypotheses that ``nets.beam_search`` keeps in it."""
    depth, start = 1 + max(map(len, HANDOUT_TREE)), torch.zeros(1, dtype=torch.long)
    arguments = (step_of_tree(HANDOUT_TREE), torch.zeros(1, 0, dtype=torch.long), start)
    beam = beam_search(*arguments, beam_width, depth, return_history=True)
    kept = {tuple(row) for level in beam.history for row in level.tokens[0].tolist()}
    exhaustive = beam_search(*arguments, len(HANDOUT_WORDS) ** depth, depth)
    found, best = ((search.tokens[0, 0].tolist(), float(search.log_probs[0, 0])) for search in (beam, exhaustive))
    figure = draw_search_tree(HANDOUT_TREE, HANDOUT_WORDS, beam_width, kept, found, best)
    return Drawing("beam_search", "", figure)


def save_drawings(drawings: Sequence[Drawing]) -> None:
    """Save the drawings that have a name to ``docs``."""
    for drawing in drawings:
        if drawing.name:
            path = DOCS / f"{drawing.name}.png"
            with atomic_write(path) as part:
                drawing.figure.savefig(part, dpi=110, bbox_inches="tight")
            print(f"Drawn: {path}")


def main(argv: Sequence[str]) -> int:
    """Write the page, the tables and, where that is asked for, RESULTS.md and the pictures of docs."""
    arguments = _parse(argv)
    runs = named_runs(arguments.runs) if arguments.runs else all_runs(RUNS)
    grids = {path.stem: read_grid(path) for path in sorted(Path("configs/grids").glob("*.yaml"))}
    finished = read_finished(runs, RUNS, list(grids.values()))
    if not finished.studies and not any(file.is_file() for file in REPRODUCED):
        raise LabError("no run here has been tested yet: run `python train.py fit` and `python train.py test` first.")
    drawings = {study.name: drawings_of(study, grids.get(study.name)) for study in finished.studies}
    drawings.setdefault("vit_digits", []).extend(draw_saturation(finished.tested))
    figures = {name: [(drawing.caption, drawing.figure) for drawing in of] for name, of in drawings.items()}
    write_page(finished.studies, REPORT / "index.html", figures, REPRODUCED)
    write_tables(finished.studies, REPORT / "tables.csv")
    write_rendered("tables.tex", REPORT / "tables.tex", studies=finished.studies, machine=machine())
    print(f"Written: {REPORT / 'tables.csv'}, {REPORT / 'tables.tex'}, {REPORT / 'index.html'}")
    if arguments.update_results or arguments.overwrite:
        update(finished, drawings, arguments.overwrite)
    else:
        print("RESULTS.md and the pictures of docs stay as they are: --update-results writes what is new into them.")
    return 0


def update(finished: Finished, drawings: Mapping[str, Sequence[Drawing]], overwrite: bool) -> None:
    """Update what is in git: results/, RESULTS.md and the pictures of docs."""
    written, kept = update_results(finished, Path(), RUNS / "benchmarks", overwrite)
    for name in (*written, "vit_digits"):
        save_drawings(drawings[name])
    copy_figures({study.name: study for study in finished.grids if study.name in written})
    if not (DOCS / "beam_search.png").is_file():
        save_drawings([draw_beam_search(beam_width=2)])
    for sentence in kept:
        print(f"Kept in RESULTS.md: {sentence} (--overwrite replaces it).")
    if finished.tested or finished.grids:
        print("Written: RESULTS.md and docs/experiments.md, from results/")


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = Parser(prog="python report.py", description="Tables and pictures of finished runs.")
    parser.add_argument("runs", nargs="*", type=Path, help="runs of experiments outside grids, or folders of such; all")
    parser.add_argument("--update-results", action="store_true", help="write also results/, RESULTS.md and docs/")
    parser.add_argument("--overwrite", action="store_true", help="replace there also what is of more runs")
    return parser.parse_args(argv)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        sys.exit(f"error: {error}")
