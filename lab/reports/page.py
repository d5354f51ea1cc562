"""The page report/index.html: everything that was measured, in one file that needs no network."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import LabError
from lab.machine import machine
from lab.reports.differences import differences
from lab.reports.grid_tables import values_of_runs
from lab.reports.images import Picture, drawn_picture, pictures_of_runs, within
from lab.reports.reading import readable
from lab.reports.rendering import write_rendered
from lab.reports.statistics import Summary
from lab.reports.studies import Measured, Study, best_experiment, cell_name
from lab.run_folder import RunFolder, fit_minutes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LIMIT = 12_000_000  # characters of the runs' pictures, so that a page stays below 15 MB
Drawn = Mapping[str, Sequence[tuple[str, "Figure"]]]


@dataclass
class Chapter:
    """A study as the page shows it.

    Args:
        study: the study.
        pictures: what compares its rows.
        of_runs: pictures of its runs.
        left_out: how many pictures of runs did not fit.
    """

    study: Study
    pictures: list[Picture] = field(default_factory=list)
    of_runs: list[Picture] = field(default_factory=list)
    left_out: int = 0

    @property
    def groups(self) -> list[tuple[str, int]]:
        """The columns of the table and how many metrics each has; none where there is but one column without a name."""
        columns = [(name or "").strip(": ") for name in (cell.column for cell in self.study.rows[0])]
        return [(name, len(list(cells))) for name, cells in groupby(columns)] if any(columns) else []

    @property
    def headings(self) -> list[Measured]:
        return self.study.rows[0]

    @cached_property
    def differing(self) -> tuple[list[str], list[list[str]]]:
        return differences([(cell_name(*key), runs[0]) for key, runs in self.study.runs.items() if runs])

    @property
    def summary(self) -> str:
        """How many runs and repeats there are, in words."""
        runs, repeats = self.study.all_runs, self.study.repeats
        of_each = "1 repeat" if repeats == "1" else f"{repeats} repeats"
        if len(runs) == 1:
            return f"one, {fit_minutes(runs)}; {of_each}"
        return f"{len(runs)} of {fit_minutes(runs)} each; {of_each} of each experiment"

    @cached_property
    def best(self) -> Measured | None:
        return best_experiment(self.study.rows)

    @property
    def runs(self) -> list[dict[str, Any]]:
        """The run folders with what one asks of them."""
        metric = self.best.metric if self.best else ""
        return [
            {
                "experiment": cell_name(*key),
                "folder": str(run),
                "score": Summary.of(values_of_runs([run.metrics], metric)).text if metric else "–",
                "seed": run.config.get("seed_everything", "–"),
                "minutes": fit_minutes([run]),
                "version": _version(run),
            }
            for key, runs in self.study.runs.items()
            for run in runs
        ]


def write_page(
    studies: Sequence[Study],
    path: Path,
    drawn: Drawn | None = None,
    reproduced: Sequence[Path] = (),
    limit: int = LIMIT,
) -> None:
    """Write all studies as one page.

    Args:
        studies: what was measured.
        path: the HTML file.
        drawn: by the name of a study, captions and figures that compare its rows.
        reproduced: files of ``lab.sweeps.reproduce``; those that are not there have no section.
        limit: characters of all pictures of runs; the others are left out, and their number is printed.
    """
    chapters = _chapters(studies, drawn or {}, limit)
    write_rendered(
        "page.html",
        path,
        chapters=chapters,
        budgets=[of for file in reproduced if file.is_file() and (of := readable(_budget, file))],
        machine=machine(),
        written=datetime.now().astimezone(),
        num_runs=sum(len(study.all_runs) for study in studies),
    )


def _chapters(studies: Sequence[Study], drawn: Drawn, limit: int) -> list[Chapter]:
    """The studies with their pictures; each has its share of what the ones before left of the limit."""
    chapters = []
    for number, study in enumerate(studies):
        files = [(f"{row}: {name}", file) for row, name, file in pictures_of_runs(study)]
        of_runs, left_out = within(files, limit // (len(studies) - number))
        limit -= sum(len(picture.uri) for picture in of_runs)
        pictures = [drawn_picture(caption, figure) for caption, figure in drawn.get(study.name, ())]
        chapters.append(Chapter(study, pictures, of_runs, left_out))
    return chapters


def _budget(file: Path) -> dict[str, Any]:
    """What ``lab.sweeps.reproduce`` wrote, and how often each status came."""
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        outcomes, on = list(written["outcomes"].values()), written["machine"]
        given = Counter(outcome["status"] for outcome in outcomes)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LabError(f"{file} is damaged, so that no reproduction is known: run `make reproduce` again.") from error
    counts = ", ".join(f"{given[status]} {status}" for status in ("passed", "failed", "no data") if given[status])
    return {"name": file.stem, "machine": on, "outcomes": outcomes, "counts": counts}


def _version(run: RunFolder) -> str:
    """The version of Lightning that the first line of a run's config names."""
    path = run / "config.yaml"
    first = path.read_text(encoding="utf-8").partition("\n")[0] if path.is_file() else ""
    return first.partition("==")[2] if first.startswith("# lightning") else "–"
