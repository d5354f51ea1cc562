"""What distinguishes the experiments of a study: the values in which their configs differ."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab.config_files import read_config
from lab.overrides import FREE, typed, values_of

LONGEST = 80  # characters of a value
ABSENT = "–"


def differences(experiments: Sequence[tuple[str, Path]]) -> tuple[list[str], list[list[str]]]:
    """The keys in which the configs of runs differ, and a row of their values for each run, its name first.

    What repeats of an experiment may differ in, such as seeds and folders, is left out.

    Args:
        experiments: the name and a run folder of every experiment.

    Returns:
        the keys, none where nothing differs, and the rows.
    """
    configs = [
        (name, {key: _told(value) for key, value in values_of(read_config(run)).items()}) for name, run in experiments
    ]
    keys = sorted({key for _, values in configs for key in values if not FREE.match(key)})
    differing = [key for key in keys if len({values.get(key, ABSENT) for _, values in configs}) > 1]
    return differing, [[name, *(values.get(key, ABSENT) for key in differing)] for name, values in configs]


def _told(value: Any) -> str:
    text = typed(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
