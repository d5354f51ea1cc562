"""Templates: every character as its language takes it, the best in bold, what else is known beside it."""

import re
from pathlib import Path

import pytest
from result_samples import EVIL, benchmark, experiment, grid, results
from running import ROOT

from lab.reports.rendering import IN_MATH, in_latex, in_markdown, rendered, write_rendered
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
    _, _, about, note, *lines = rendered("tables.tex", studies=[STUDY], machine="A machine").splitlines()
    assert about == "% python sweep.py x; A machine" and note == "% a note"
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
    write_rendered("tables.tex", tmp_path / "report" / "tables.tex", studies=[STUDY, STUDY], machine="A")
    text = (tmp_path / "report" / "tables.tex").read_text(encoding="utf-8")
    assert text.count(r"\begin{table}") == text.count(r"\end{table}") == 2
    assert not set(IN_MATH) & set(re.sub(r"^%.*$", "", text, flags=re.M))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a | b", r"a \| b"),
        (r"largest \|cos\| of two", r"largest \|cos\| of two"),  # as a grid of one's own may have it
        ("<script> and k < 20", r"\<script> and k < 20"),
        ("`fit --a '<b>|c_*'` <i>", r"`fit --a '<b>\|c_*'` \<i>"),
        ("AT&T &amp; R&D", r"AT&T \&amp; R&D"),
        ("test_acc, _this_ and 2 * 3", r"test_acc, \_this\_ and 2 \* 3"),
        ("two\n  lines", "two lines"),
    ],
)
def test_what_markdown_would_mistake_is_escaped_once(text: str, written: str) -> None:
    assert in_markdown(text) == in_markdown(in_markdown(text)) == written


def test_every_place_of_the_results_page_is_escaped() -> None:
    cells = [[Measured(EVIL, EVIL, EVIL, EVIL, (0.5, 0.7), best=True)]]
    texts = {"title": EVIL, "machine": EVIL}
    parts = (
        experiment(f"x {EVIL}", 0, reference=EVIL, machine=EVIL, metric=EVIL, command=EVIL),
        grid("g", 1, **texts, rows=cells, reference=EVIL, notes=[EVIL]),
        benchmark(**texts, columns=[EVIL, EVIL], rows=[[EVIL, EVIL]], verdict=EVIL),
    )
    page, escaped = rendered("RESULTS.md", results=results(*parts)), in_markdown(EVIL)
    in_code = EVIL.replace("|", r"\|")
    assert page.count(escaped) == 18 and page.count(in_code) == 1 and f"`{in_code}`" in page
    assert EVIL not in page and "**0.60 ± 0.14**" in page
    overview = rendered("experiments.md", results=results(*parts))
    assert overview.count(escaped) == 8 and f"`{in_code}`" in overview and EVIL not in overview


def test_every_place_of_the_tables_of_a_paper_is_escaped() -> None:
    cells = [[Measured(EVIL, "", EVIL, EVIL, (0.5,))]]
    text = rendered("tables.tex", studies=[Study("s", EVIL, cells, {}, EVIL, EVIL, [EVIL])], machine=EVIL)
    comments, shown = (
        [line for line in text.splitlines() if line.startswith("%") is wanted] for wanted in (True, False)
    )
    assert sum(line.count(EVIL) for line in comments) == 3 and EVIL not in "\n".join(shown)
    assert "\n".join(shown).count(in_latex(EVIL)) == 4


def test_a_page_without_results_has_its_head_alone() -> None:
    assert rendered("RESULTS.md", results=results()).endswith(" that states\nmore runs than there are.\n")
