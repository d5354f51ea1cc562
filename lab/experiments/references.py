"""The reference of a result: it belongs to a config, its data and its rule of selection."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from lab.config_files import load_config_file, values_of
from lab.directions import MONITOR
from lab.experiments.callback_values import callback_options
from lab.experiments.variants import normalized_values, start_of
from lab.run_folder import RunFolder

# What changes no data that are tested on: their order, and how they are served and varied in training.
SAME_DATA = re.compile(
    r"\.(batch_size|eval_batch_size|num_neighbors|augmentation(\..+)?|num_written|names|texts|predict_\w+)$"
)
SELECTION = re.compile(
    r"(monitor|monitor_mode|trainer\.(enable_checkpointing|limit_val_batches|check_val_every_n_epoch|"
    r"val_check_interval))$"
)


class Reference(NamedTuple):
    """A reference; where it is empty although a config states one, why."""

    text: str
    why_none: str = ""


def reference_of(folder: RunFolder) -> Reference:
    """The reference of a result: what was typed, else what its config states for these data and this selection.

    Args:
        folder: a run folder, or that of one of its evaluations.
    """
    start = start_of(folder)
    if own := load_config_file(folder / "reference.yaml").get("reference") or start.overrides.get("reference"):
        return Reference(str(own))
    files = [load_config_file(file) for file in (start.config, *start.layers)]
    last = max((number for number, file in enumerate(files) if file.get("reference")), default=None)
    reference = files[last]["reference"] if last is not None else None
    if reference is None and not Path(start.config).is_file():  # the file is gone, but its own config has it
        reference = folder.config.get("reference")
    if not reference:
        return Reference("")
    about = {key: value for file in files[: (last or 0) + 1] for key, value in values_of(file).items()}
    if other := _of_evaluation(folder) or _others(folder, about, start):
        return Reference("", f"none for this result: the config's is not about {', '.join(other)}")
    return Reference(str(reference))


def changes_data(key: str) -> bool:
    """Whether a key chooses the data that are tested on; their place and the seed of their split do not."""
    is_data = re.match(r"data(\.|$)", key) and key not in ("data.root", "data.seed")
    return bool(is_data) and not SAME_DATA.search(key)


def _others(folder: RunFolder, about: dict[str, Any], start: Any) -> list[str]:
    """The keys of data and selection in which a run is another than the files that state its reference."""
    ran, stated = normalized_values(folder.config), normalized_values({"monitor": MONITOR, **about})
    later = {**start.stated, **start.overrides}  # as typed, or stated by files after the one that states the reference
    keys = {key for key, value in stated.items() if key in ran and ran[key] != value}
    keys |= {key for key in later.keys() - stated.keys() if ran.get(key) is not None}
    others = [key for key in sorted(keys) if changes_data(key) or SELECTION.match(key)]
    data, root = folder.data, later.get("data.root")
    if root not in (None, about.get("data.root")) and data.get("fingerprint") not in (None, data.get("usual")):
        others.append("data.root")
    callbacks = ran.get("trainer.callbacks")
    known = about.get("trainer.callbacks") if Path(start.config).is_file() else callbacks
    changed = "trainer.callbacks" in ran and callback_options(known, callbacks)
    return others + (["trainer.callbacks"] if changed else [])


def _of_evaluation(folder: RunFolder) -> list[str]:
    of = folder.evaluation
    return [*of.get("overrides", {}), *(["these files of data"] if of.get("data") else [])]
