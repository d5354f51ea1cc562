"""What distinguishes the experiments of a study: the values in which their configs differ."""

from collections.abc import Sequence
from typing import Any

from lab.config_files import to_cli
from lab.experiments.callback_values import identifying_callbacks
from lab.experiments.variants import NON_IDENTIFYING_KEYS
from lab.run_folder import RunFolder

LONGEST = 80  # characters of a value
ABSENT = "–"


def differences(experiments: Sequence[tuple[str, RunFolder]]) -> tuple[list[str], list[list[str]]]:
    """The keys in which the configs of runs differ, and a row of their values for each run, its name first.

    What repeats of an experiment may differ in, such as seeds and folders, is left out.

    Args:
        experiments: the name and a run folder of every experiment.

    Returns:
        the keys, none where nothing differs, and the rows.
    """
    configs = [(name, {key: _told(value) for key, value in _values(run).items()}) for name, run in experiments]
    keys = sorted({key for _, values in configs for key in values if not NON_IDENTIFYING_KEYS.match(key)})
    differing = [key for key in keys if len({values.get(key, ABSENT) for _, values in configs}) > 1]
    return differing, [[name, *(values.get(key, ABSENT) for key in differing)] for name, values in configs]


def _values(run: RunFolder) -> dict[str, Any]:
    """The values of a run, of its callbacks those that distinguish it, and of an evaluation what it was tested with."""
    values = dict(run.values)
    callbacks = identifying_callbacks(values.pop("trainer.callbacks", None))
    names = [str(entry.get("class_path")).rpartition(".")[2] for entry in callbacks]
    return {**values, **run.evaluation.get("overrides", {}), "callbacks": ", ".join(names) or ABSENT}


def _told(value: Any) -> str:
    text = to_cli(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
