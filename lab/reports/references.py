"""The references of a study: one for each experiment, and one sentence for all."""

from collections.abc import Mapping

from lab.experiments.references import reference_of
from lab.run_folder import RunFolder


def references_of(runs: Mapping[tuple[str, str], list[RunFolder]]) -> tuple[str, dict[tuple[str, str], str]]:
    """The reference of a study, and of each of its experiments; "–" stands for nothing.

    Where they differ, the study says which experiment has which.

    Args:
        runs: the run folders by row and column.
    """
    each = {key: reference_of(folders[-1]).text or "–" for key, folders in runs.items() if folders}
    about: dict[str, list[str]] = {}
    for key, reference in each.items():
        about.setdefault(reference, []).append(", ".join(filter(None, (key[0], key[1].strip(": ")))))
    stated = {reference: names for reference, names in about.items() if reference != "–"}
    if len(about) <= 1:
        return next(iter(about), "–"), each
    return "; ".join(f"{text} ({', '.join(names)})" for text, names in stated.items()) or "–", each
