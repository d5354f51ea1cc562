"""Which callbacks of a configuration change what a run learns or measures, and how one types them."""

from collections.abc import Sequence
from typing import Any

from lab.config_files import is_part, to_cli

OBSERVERS = {  # of Lightning's; those of callbacks/ leave training as it is too
    *("DeviceStatsMonitor", "LearningRateMonitor", "ModelCheckpoint", "ModelSummary", "ProgressBar"),
    *("RichModelSummary", "RichProgressBar", "TQDMProgressBar", "ThroughputMonitor"),
}
PROBE = "LinearProbe"  # it measures what a report calls a result, so that its settings count
Entry = dict[str, Any]


def entries(value: Any) -> list[Entry]:
    """The callbacks of a configuration, of which one may stand alone or as a word, as classes with arguments."""
    items = value if isinstance(value, list) else [value] if isinstance(value, str | dict) else []
    return [item if isinstance(item, dict) else {"class_path": item} for item in items if isinstance(item, str | dict)]


def identifying_callbacks(value: Any, stated: Any = None) -> list[Entry]:
    """The callbacks that distinguish runs: all but observers, since nobody knows what those of other people do.

    Args:
        value: ``trainer.callbacks`` of a run.
        stated: that of its config; a probe as it is stated there distinguishes nothing.
    """
    probes = [entry for entry in entries(stated) if _name(entry) == PROBE]
    return [entry for entry in entries(value) if not _observes(entry) and not any(_is(p, entry) for p in probes)]


def callback_options(stated: Any, ran: Any, given: Any = None) -> list[str]:
    """What one types so that a config trains with the callbacks of a run; nothing where it does so by itself.

    Args:
        stated: ``trainer.callbacks`` of the config.
        ran: that of the run, with its defaults filled in.
        given: what was typed for it, a shorter way to say it.
    """
    before = [entry for entry in identifying_callbacks(stated) if _name(entry) != PROBE]
    after = identifying_callbacks(ran, stated)
    kept = len(before) <= len(after) and all(map(_is, before, after))
    if kept and len(before) == len(after):
        return []
    short = [*(entry for entry in entries(stated) if entry.get("init_args")), *entries(given)]
    if not kept:
        return [f"--trainer.callbacks={to_cli([_shortest(entry, short) for entry in after])}"]
    return [f"--trainer.callbacks+={to_cli(_shortest(entry, short))}" for entry in after[len(before) :]]


def stated_callbacks(stated: Any, overrides: dict[str, Any]) -> Any:
    """``trainer.callbacks`` of a config under overrides, which may replace them or add one."""
    value, more = overrides.get("trainer.callbacks", stated), overrides.get("trainer.callbacks+")
    return value if more is None else [*entries(value), *entries(more)]


def _observes(entry: Entry) -> bool:
    path, name = str(entry.get("class_path", "")), _name(entry)
    if name == "Timer":  # it ends a run only where it has a duration
        return not (entry.get("init_args") or {}).get("duration")
    of_house = path.startswith("callbacks.") and name != PROBE
    return of_house or (name in OBSERVERS and path in (name, f"lightning.pytorch.callbacks.{name}"))


def _name(entry: Entry) -> str:
    return str(entry.get("class_path", "")).rpartition(".")[2]


def _is(stated: Entry, ran: Entry) -> bool:
    return _name(stated) == _name(ran) and is_part(stated.get("init_args") or {}, ran.get("init_args") or {})


def _shortest(entry: Entry, known: Sequence[Entry]) -> Entry:
    """The first way to say a callback that was written down by a person; all of its arguments where there is none."""
    written = next((short for short in known if _is(short, entry)), None)
    return entry if written is None else {**written, "class_path": entry["class_path"]}
