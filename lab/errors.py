"""The error that a person can mend, and the nearest name to a misspelt one."""

import difflib
from collections.abc import Iterable


class LabError(Exception):
    """A mistake in what came in, said in one sentence: what came, what is allowed, what to do.

    ``train.py`` prints the sentence without a traceback and exits with status 1. Code in ``nets`` and ``theory``
    raises ``ValueError`` instead, so that it stands alone in a notebook.
    """


def nearest(name: str, candidates: Iterable[str]) -> str:
    """A hint such as ``; did you mean "depth"?``, or nothing when no candidate is near."""
    matches = difflib.get_close_matches(name, list(candidates), n=1, cutoff=0.6)
    return f'; did you mean "{matches[0]}"?' if matches else ""
