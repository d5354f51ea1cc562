"""RESULTS.md as sections: what there is already stays where nothing better has been measured."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

HEADER = ("experiment", "result on the test split", "seeds", "reference", "fit, wall-clock", "command", "machine")
EARLIER_COLUMNS = 6  # before each row said its machine
HEAD = """# Results

Written by `python report.py` from finished runs; mean ± standard deviation over seeds. A section or a row without runs
in the folder of whoever writes stays as it is, and so does one that states more runs than there are.
"""


@dataclass
class Results:
    """What RESULTS.md holds.

    Args:
        rows: the rows of its first table by their first cell, each cell as it is ``escaped``.
        sections: the sections below it by their titles, each from its title on.
    """

    rows: dict[str, list[str]] = field(default_factory=dict)
    sections: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The file."""
        lines = [f"| {' | '.join(row)} |" for row in self.rows.values()]
        table = [f"| {' | '.join(HEADER)} |", "|" + " --- |" * len(HEADER), *lines, ""] if lines else []
        sections = [f"{section.rstrip()}\n" for section in self.sections.values()]
        return "\n".join([HEAD, *table, *sections])


def escaped(text: str) -> str:
    """Text as a line or a cell of Markdown: no line break, no bar that would end the cell, and outside code no tag."""
    parts = re.sub(r"(?<!\\)\|", r"\|", " ".join(text.split())).split("`")
    parts[::2] = [re.sub(r"(?<!\\)<(?=[A-Za-z/!?])", r"\<", part) for part in parts[::2]]
    return "`".join(parts)


def read_results(text: str) -> Results:
    """The rows and sections of RESULTS.md; each says its machine, also where one line said it for all."""
    head, *rest = re.split(r"^(?=### )", text, flags=re.M)
    machine = re.search(r"^Machine: (.+)\.$", head, re.M)
    results = Results()
    for line in head.splitlines():
        cells = _split(line)
        if line.startswith("| ") and cells[0] not in (HEADER[0], "---"):
            unsaid = len(cells) == EARLIER_COLUMNS
            results.rows[cells[0]] = [*cells, machine[1] if machine else "–"] if unsaid else cells
    for section in rest:
        if machine and "`python sweep.py " in section and "\nMachine: " not in section:
            section = f"{section.rstrip()}\n\nMachine: {machine[1]}.\n"
        results.sections[title_of(section)] = section
    return results


def merge(
    results: Results, rows: Sequence[list[str]], sections: Sequence[str], overwrite: bool = False
) -> tuple[Results, list[str]]:
    """Results with what was measured anew, and what was kept instead of it.

    A row takes the place of the row with the same first cell, a section that of the section with the same command or
    title, where it counts as many seeds or runs as that, and has values wherever that has some. New rows are sorted in,
    new sections follow those there are.

    Args:
        results: what there is.
        rows: rows of the first table.
        sections: sections in Markdown.
        overwrite: whether also more complete ones are replaced.

    Returns:
        the results, and a sentence on everything that was kept.
    """
    merged, kept = Results(dict(results.rows), dict(results.sections)), []
    for row in rows:
        there, here = count_seeds(results.rows.get(row[0], ["", "", ""])[2]), count_seeds(row[2])
        if here < there and not overwrite:
            kept.append(f'the row "{row[0]}" is of {there} seeds, and {here} are here')
        else:
            merged.rows[row[0]] = row
    merged.rows = dict(sorted(merged.rows.items()))
    for section in sections:
        title = next((title for title, old in results.sections.items() if same_study(old, section)), None)
        if title is not None and not overwrite and (reason := _loses(results.sections[title], section)):
            kept.append(f'the section "{title}" {reason}')
        else:
            merged.sections = _replaced(merged.sections, title, section)
    return merged, kept


def title_of(section: str) -> str:
    return section.splitlines()[0].removeprefix("### ").strip()


def same_study(one: str, other: str) -> bool:
    """Whether two sections are of the same grid, whatever its title says, or have the same title."""
    commands = [re.search(r"`python sweep\.py [^`]+`", section) for section in (one, other)]
    if all(commands):
        return commands[0][0] == commands[1][0]
    return title_of(one) == title_of(other)


def count_seeds(told: str) -> int:
    """How many seeds a cell tells, such as "0, 1" or "0–2, 7"."""
    count = 0
    for first, last in re.findall(r"(\d+)(?:–(\d+))?", told):
        count += int(last) - int(first) + 1 if last else 1
    return count


def _loses(old: str, new: str) -> str:
    """Why a section would lose something by another, or nothing."""
    there, here = (_count_runs(section) for section in (old, new))
    if there > here:
        return f"is of {there} runs, and {here} are here"
    values, others = _cells(old), _cells(new)
    lost = {row for (row, number), value in values.items() if value != "–" and others.get((row, number)) == "–"}
    return f"has values where no run is here: {', '.join(sorted(lost))}" if lost else ""


def _count_runs(section: str) -> int:
    told = re.search(r"(\d+) runs of ", section)
    return int(told[1]) if told else 0


def _cells(section: str) -> dict[tuple[str, int], str]:
    """The cells of a table in Markdown by their rows' names and their places."""
    rows = [_split(line) for line in section.splitlines() if line.startswith("| ")]
    return {(row[0], number): cell for row in rows for number, cell in enumerate(row[1:])}


def _split(line: str) -> list[str]:
    """The cells of a row of a table, as they are written."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _replaced(sections: Mapping[str, str], title: str | None, section: str) -> dict[str, str]:
    """Sections with one in the place of another, or at the end; that of a grid comes before what is no grid's."""
    if title is not None:
        return {
            title_of(section if name == title else old): section if name == title else old
            for name, old in sections.items()
        }
    is_grid = "`python sweep.py " in section
    ahead = {name: old for name, old in sections.items() if not is_grid or "`python sweep.py " in old}
    return {**ahead, title_of(section): section, **sections}
