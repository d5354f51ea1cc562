"""The tables of a paper: every character as LaTeX takes it, the best in bold, what else is known in comments."""

import re
from pathlib import Path

import pytest
from running import ROOT

from lab.reports.latex import IN_MATH, in_latex, latex_table, write_latex
from lab.reports.studies import Measured, Study

ROWS = [
    [Measured("GCN, 5 % noise", "", "test/acc", "test_acc", (0.5, 0.7)), Measured("", None, "b", "best", ())],
    [
        Measured("GAT & friends", "", "test/acc", "test_acc", (0.75, 0.75), best=True),
        Measured("", None, "b", "", (2.0,)),
    ],
]
RUNS = {("GCN, 5 % noise", ""): [], ("GAT & friends", ""): []}
STUDY = Study("cora", "Accuracy on Cora.", ROWS, RUNS, "0.830 ± 0.007: Veličković", "python sweep.py x", ["a\nnote"])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a_b & 5 % of {x} #1 $", r"a\_b \& 5 \% of \{x\} \#1 \$"),
        ("\\~^", r"\textbackslash{}\textasciitilde{}\textasciicircum{}"),
        ("0.5 ± 0.1, 2–3 × 90°, −1", r"0.5 $\pm$ 0.1, 2--3 $\times$ 90$^\circ$, $-$1"),
        ("Veličković", "Veličković"),
        ("--model.net.depth 2 ---", "-{}-model.net.depth 2 -{}-{}-"),
    ],
)
def test_characters_with_a_meaning_lose_it_and_others_stay(text: str, told: str) -> None:
    assert in_latex(text) == told


def test_a_study_is_a_table() -> None:
    about, note, *lines = latex_table(STUDY).splitlines()
    assert about.startswith("% python sweep.py x; ") and "torch" in about and note == "% a note"
    assert lines == [
        r"\begin{table}",
        r"  \centering",
        r"  \caption{Accuracy on Cora. Mean $\pm$ standard deviation over 2 repeats. Reference: 0.830 $\pm$ 0.007: "
        r"Veličković.}",
        r"  \label{tab:cora}",
        r"  \begin{tabular}{lrr}",
        r"    \toprule",
        r"     & test\_acc & best \\",
        r"    \midrule",
        r"    GCN, 5 \% noise & 0.60 $\pm$ 0.14 & -- \\",
        r"    GAT \& friends & \textbf{0.75 $\pm$ 0} & 2 \\",
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]


def test_the_letters_of_all_grids_and_references_are_known() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "configs").rglob("*.yaml")]
    stated = [line for text in texts for line in text.splitlines() if not line.lstrip().startswith("#")]
    told = in_latex("".join(line.partition(" #")[0] for line in stated))
    assert {letter for letter in told if not letter.isascii()} <= set("čćé")  # of names, which LaTeX has


def test_every_letter_that_needs_mathematics_has_some(tmp_path: Path) -> None:
    write_latex([STUDY, STUDY], tmp_path / "report" / "tables.tex")
    text = (tmp_path / "report" / "tables.tex").read_text(encoding="utf-8")
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2
    assert not set(IN_MATH) & set(re.sub(r"^%.*$", "", text, flags=re.M))
