"""What a picture or a table is of: a run, its data and, of several replicas, which."""

from typing import TYPE_CHECKING, Literal

from lab.run_folder import RunFolder, run_dir

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer

REPLICAS = {"first": "replica 0 of {}", "mean": "mean of {} replicas", "all": "all {} replicas"}


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
    return " on ".join(filter(None, (RunFolder(folder).name if folder else "", data_name(trainer))))


def replicas_of(pl_module: "LightningModule", shown: Literal["first", "mean", "all"]) -> str:
    """Which of a task's replicas are shown, such as "replica 0 of 3"; empty where there is one."""
    count = getattr(pl_module, "num_replicas", 1)
    return REPLICAS[shown].format(count) if count > 1 else ""


def joined(*parts: str) -> str:
    """The parts of a title that are not empty, such as "Cora, test, all 3 replicas"."""
    return ", ".join(filter(None, parts))
