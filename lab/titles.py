"""What a picture or a table is of: a run, its data and, of several replicas, which."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from lab.run_folder import run_dir

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

REPLICAS = {"first": "replica 0 of {}", "mean": "mean of {} replicas", "all": "all {} replicas"}

# What changes no data that are tested on: their place, their order, and how they are served and varied in training.
SAME_DATA = re.compile(r"\.(seed|root|batch_size|eval_batch_size|num_neighbors|augmentation(\..+)?|num_written|names)$")


def data_name(trainer: "Trainer") -> str:
    """The ``name`` of the datamodule, else that of its class without "DataModule"; empty where there is none."""
    data = getattr(trainer, "datamodule", None)
    name = getattr(data, "name", None)
    if name and isinstance(name, str):
        return name
    return "" if data is None else type(data).__name__.removesuffix("DataModule")


def title_of(trainer: "Trainer") -> str:
    """The run and its data, such as "gcn_cora on CiteSeer": data may be others than a config's name says."""
    folder = run_dir(trainer)
    return " on ".join(filter(None, (folder.parent.name if folder else "", data_name(trainer))))


def replicas_of(pl_module: "LightningModule", shown: Literal["first", "mean", "all"]) -> str:
    """Which of a task's replicas are shown, such as "replica 0 of 3"; empty where there is one."""
    count = getattr(pl_module, "num_replicas", 1)
    return REPLICAS[shown].format(count) if count > 1 else ""


def reference_line(reference: str, *typed: Mapping[str, Any] | None) -> str:
    """What a result is held against, and where it was stated for other data than those of the run, what these are.

    Args:
        reference: as the config states it.
        *typed: what was typed to start the run and in this command, its ``values`` by their keys; None where not known.
    """
    values = {key: value for of_command in typed if of_command for key, value in of_command["values"].items()}
    of_data = {key: value for key, value in values.items() if re.match(r"data(\.|$)", key)}
    of_data = {key: value for key, value in of_data.items() if not SAME_DATA.search(key)}
    words = " ".join(f"--{key} {value}" for key, value in of_data.items())
    return f"Reference: {reference}" + (f" (stated for the data of the config, not for {words})" if words else "")


def joined(*parts: str) -> str:
    """The parts of a title that are not empty, such as "Cora, test, all 3 replicas"."""
    return ", ".join(filter(None, parts))
