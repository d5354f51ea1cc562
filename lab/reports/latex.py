"""The tables of studies for a paper, in LaTeX."""

import re
from collections.abc import Sequence
from pathlib import Path

from lab.files import written_whole
from lab.machine import machine
from lab.reports.studies import Measured, Study

HEAD = r"""% Written by python report.py. Each table needs \usepackage{booktabs}; \input this file, or copy one of them.
"""
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "—": "---"}
SPECIAL |= {character: f"\\{character}" for character in "&%$#_{}"}
SPECIAL |= dict.fromkeys("\u202f\u00a0", "~") | {"…": r"\dots{}", "’": "'", "<": r"$<$", ">": r"$>$", "|": r"$|$"}
IN_MATH = {"±": r"\pm", "×": r"\times", "−": "-", "°": r"^\circ", "√": r"\surd", "²": "^2", "≤": r"\le", "≥": r"\ge"}
IN_MATH |= {
    "→": r"\to",
    "·": r"\cdot",
    "λ": r"\lambda",
    "σ": r"\sigma",
    "ε": r"\varepsilon",
    "δ": r"\delta",
    "π": r"\pi",
}
IN_MATH |= {
    "‖": r"\Vert",
    "ᵀ": r"^\top",
    "₁": "_1",
    "₂": "_2",
    "⁰": "^0",
    "∞": r"\infty",
    "≈": r"\approx",
    "Σ": r"\Sigma",
}
REPLACED = SPECIAL | {character: f"${command}$" for character, command in IN_MATH.items()}
CHARACTERS = re.compile("|".join(map(re.escape, REPLACED)) + "|-(?=-)")


def write_latex(studies: Sequence[Study], path: Path) -> None:
    """Write every study as a table: mean ± standard deviation, the best in bold, the reference in the caption.

    Args:
        studies: what was measured.
        path: the file.
    """
    with written_whole(path) as part:
        part.write_text("\n".join([HEAD, *map(latex_table, studies)]), encoding="utf-8")


def latex_table(study: Study) -> str:
    """A study as a table of ``booktabs``; what else is known of it stands above it in comments."""
    headings = ["", *(in_latex(cell.heading) for cell in study.rows[0])]
    rows = [[in_latex(row[0].row), *map(_cell, row)] for row in study.rows]
    about = [f"{study.command}; {machine()}", *study.notes]
    return "\n".join(
        [
            *(f"% {' '.join(note.split())}" for note in about),
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{in_latex(_caption(study))}}}",
            rf"  \label{{tab:{study.name}}}",
            rf"  \begin{{tabular}}{{l{'r' * len(study.rows[0])}}}",
            r"    \toprule",
            f"    {' & '.join(headings)} \\\\",
            r"    \midrule",
            *(f"    {' & '.join(row)} \\\\" for row in rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def in_latex(text: str) -> str:
    """Text as LaTeX shows it; what pdfLaTeX has no letter for is written in mathematics."""
    return CHARACTERS.sub(lambda found: REPLACED.get(found[0], "-{}"), text)  # two hyphens would make a dash


def _cell(cell: Measured) -> str:
    text = in_latex(cell.text)
    return rf"\textbf{{{text}}}" if cell.best else text


def _caption(study: Study) -> str:
    repeats = f"Mean ± standard deviation over {study.repeats} repeats" if study.repeats != "1" else "One run each"
    reference = "" if study.reference == "–" else f" Reference: {study.reference.rstrip('.')}."
    return f"{study.title.rstrip('.')}. {repeats}.{reference}"
