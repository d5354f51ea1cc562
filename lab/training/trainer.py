"""Lightning's Trainer with one more command, the config that a run keeps, and which process speaks."""

import os
from collections.abc import Callable
from enum import Enum
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser, SaveConfigCallback
from lightning.pytorch.plugins.io import TorchCheckpointIO

from lab.files import write_yaml
from lab.metrics import is_replica_metric
from lab.run_folder import run_dir
from lab.training.checkpoint_callback import AtomicCheckpointIO
from lab.training.fingerprints import describe_data, note_data
from lab.training.lightning_internals import (
    PredictionLoop,
    attributes_of,
    filter_results,
    resume_steps_like_epochs,
    wrap_validation_check,
)

# An argument whose default is an enum, such as the interval of Lightning's Timer, is saved by its value.
yaml.SafeDumper.add_multi_representer(Enum, lambda dumper, item: dumper.represent_data(item.value))


class LabTrainer(Trainer):
    """Lightning's Trainer, a command that only fetches data, and of replicas' results a table of their means.

    A run that is to stop validates when it is due, and not because it stops: a resumed run would have validated, and
    perhaps found its best state, where an uninterrupted one does not. And a run of so many steps is resumed as one of
    so many epochs is, where Lightning's begins an epoch that had ended once more.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if type(self.strategy.checkpoint_io) is TorchCheckpointIO:
            self.strategy.checkpoint_io = AtomicCheckpointIO()
        attributes_of(self).callbacks.sort(key=lambda callback: not getattr(callback, "comes_first", False))
        self.predict_loop = SharedPredictionLoop(self, inference_mode=self.predict_loop.inference_mode)
        filter_results(self, lambda name: not is_replica_metric(name))  # metrics.csv has those
        resume_steps_like_epochs(self)
        wrap_validation_check(self, self._is_validation_due)

    def _is_validation_due(self, ask: Callable[[Any], bool], data_fetcher: Any) -> bool:
        stops, self.should_stop = self.should_stop, False
        try:
            return ask(data_fetcher)
        finally:
            self.should_stop = stops

    def download(self, model: Any, datamodule: Any) -> None:
        """Download the data of a config without training, for a cluster whose nodes have no network."""
        datamodule.prepare_data()
        for stage in ("fit", "test"):  # read it too: here is the place to learn that a file is damaged
            datamodule.setup(stage)
        print("The data is in place.")


class SharedPredictionLoop(PredictionLoop):
    """A prediction in which a process without samples takes part, since the others wait for it where they gather."""

    @property
    def skip(self) -> bool:
        """Whether no process has a batch."""
        return self.trainer.strategy.reduce_boolean_decision(super().skip, all=True)


class SaveConfig(SaveConfigCallback):
    """Saves what repeats the run: the whole configuration, less the checkpoint that it was resumed from.

    Beside it, once, ``overrides.yaml``, the config files and the values that were typed, and ``data.yaml``, what the
    data hold.
    """

    def __init__(
        self, parser: LightningArgumentParser, config: Namespace, overrides: dict[str, Any], **kwargs: Any
    ) -> None:
        config = config.clone()
        config.pop("ckpt_path", None)
        self.overrides, self.data = overrides, config.data.as_dict()
        super().__init__(parser, config, overwrite=True, **kwargs)

    def save_config(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        folder = run_dir(trainer)  # trainer.log_dir would wait for the other processes, which do not come here
        if folder is None:
            return
        if not (folder / "overrides.yaml").exists():  # a resumed run is still what it was started as
            write_yaml(folder / "overrides.yaml", self.overrides)
        note_data(folder, describe_data(attributes_of(trainer).datamodule, self.data, trainer.world_size))

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        if stage == "fit":
            super().setup(trainer, pl_module, stage)


def rank() -> int:
    """Which of several processes this is, as their launcher says; all files are written by the first."""
    names = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
    return int(next((os.environ[name] for name in names if name in os.environ), 0))


def rank_zero_print(text: str) -> None:
    """Print once, also when a launcher starts this program in several processes."""
    if rank() == 0:
        print(text, flush=True)
