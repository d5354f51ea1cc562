"""Files of results from the templates of ``templates/``, and what each of their languages needs escaped."""

import re
from pathlib import Path
from typing import Any

from lab.files import atomic_write

TEMPLATES = Path(__file__).with_name("templates")
PAGES = {"RESULTS.md": Path("RESULTS.md"), "experiments.md": Path("docs/experiments.md")}  # of all results
IN_LATEX = {  # braces and hashes are frequent in LaTeX
    "variable_start_string": "<<", "variable_end_string": ">>", "block_start_string": "<%", "block_end_string": "%>",
    "comment_start_string": "<#", "comment_end_string": "#>",
}  # fmt: skip
SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "–": "--", "—": "---"}
SPECIAL |= {character: f"\\{character}" for character in "&%$#_{}"}
SPECIAL |= dict.fromkeys("\u202f\u00a0", "~") | {"…": r"\dots{}", "’": "'", "<": r"$<$", ">": r"$>$", "|": r"$|$"}
IN_MATH = {"±": r"\pm", "×": r"\times", "−": "-", "°": r"^\circ", "√": r"\surd", "²": "^2", "≤": r"\le", "≥": r"\ge"}
IN_MATH |= {"→": r"\to", "·": r"\cdot", "∞": r"\infty", "≈": r"\approx", "‖": r"\Vert", "ᵀ": r"^\top", "⁰": "^0"}
IN_MATH |= {"₁": "_1", "₂": "_2", "λ": r"\lambda", "σ": r"\sigma", "ε": r"\varepsilon", "δ": r"\delta", "π": r"\pi"}
IN_MATH |= {"Σ": r"\Sigma"}
REPLACED = SPECIAL | {character: f"${command}$" for character, command in IN_MATH.items()}
# In Markdown: the begin of a tag or of an entity, and what would begin or end an emphasis.
MARKUP = re.compile(r"(?<!\\)(<(?=[A-Za-z/!?])|&(?=#?\w+;)|(?<!\w)_|_(?!\w)|\*)")
CHARACTERS = re.compile("|".join(map(re.escape, REPLACED)) + "|-(?=-)")


def write_rendered(template: str, path: Path, **content: Any) -> None:
    """Write what a template makes of its content.

    Args:
        template: its name without ``.j2``; the suffix before that says the language.
        path: the file.
        content: what the template names.
    """
    with atomic_write(path) as part:
        part.write_text(rendered(template, **content), encoding="utf-8")


def rendered(template: str, **content: Any) -> str:
    """What a template makes of its content."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    delimiters: dict[str, Any] = IN_LATEX if template.endswith(".tex") else {}
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=template.endswith(".html"), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, **delimiters,
    )  # fmt: skip
    environment.filters |= {"md": in_markdown, "latex": in_latex}
    return environment.get_template(f"{template}.j2").render(**content).rstrip() + "\n"


def in_markdown(text: str) -> str:
    """Text as a line or a cell of Markdown: no line break, no bar that would end the cell, no markup outside code."""
    parts = re.sub(r"(?<!\\)\|", r"\|", " ".join(text.split())).split("`")
    parts[::2] = [MARKUP.sub(r"\\\g<0>", part) for part in parts[::2]]
    return "`".join(parts)


def in_latex(text: str) -> str:
    """Text as LaTeX shows it; what pdfLaTeX has no letter for is written in mathematics."""
    return CHARACTERS.sub(lambda found: REPLACED.get(found[0], "-{}"), text)  # two hyphens would make a dash
