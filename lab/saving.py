"""Checkpoints that cost next to nothing, however short the epochs are."""

import time
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor
from torch.utils._pytree import tree_map_only

MADE_ANEW = ("loops", "hyper_parameters", "datamodule_hyper_parameters")  # parts of each state that hold no tensors


class SparingCheckpoint(ModelCheckpoint):
    """A ModelCheckpoint that spends at most a fiftieth of a run on writing its file.

    After a write it waits for fifty times as long as that took, and keeps what it should write in the CPU's memory,
    until it is due or the run ends in whatever way but by a killed process, which goes on from an earlier epoch.
    Several processes write every time, since they would have to agree on the time.

    Args:
        earlier: a checkpoint to write first, so that no file knows of a best state that no file holds.
        **arguments: those of ModelCheckpoint.
    """

    WAIT = 50

    def __init__(self, earlier: "SparingCheckpoint | None" = None, **arguments: Any) -> None:
        super().__init__(enable_version_counter=False, **arguments)
        self.earlier, self._free_at = earlier, float("-inf")
        self._kept: tuple[str, dict[str, Any]] | None = None

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        if trainer.world_size > 1:
            super()._save_checkpoint(trainer, filepath)
            return
        self._last_global_step_saved, self._last_checkpoint_saved = trainer.global_step, filepath
        state = trainer._checkpoint_connector.dump_checkpoint(self.save_weights_only)
        due = time.monotonic() >= self._free_at
        self._kept = (filepath, state if due else _frozen(state))
        if due:
            self.write_kept(trainer)

    def write_kept(self, trainer: Trainer) -> None:
        """Write what is kept in memory, if there is anything."""
        if self._kept is None:
            return
        if self.earlier is not None:
            self.earlier.write_kept(trainer)
        (filepath, state), self._kept = self._kept, None
        started = time.monotonic()
        trainer.strategy.save_checkpoint(state, filepath)
        for logger in trainer.loggers:
            logger.after_save_checkpoint(self)
        now = time.monotonic()
        self._free_at = now + self.WAIT * (now - started)

    def save_now(self, trainer: Trainer) -> None:
        """Write the state of this moment instead of what is kept, which is older."""
        if self.earlier is not None:
            self.earlier.write_kept(trainer)
        self._kept = None
        trainer.save_checkpoint(Path(self.dirpath) / f"{self.filename}.ckpt")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        self.write_kept(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        super().on_exception(trainer, pl_module, exception)
        self.write_kept(trainer)


def _frozen(state: dict[str, Any]) -> dict[str, Any]:
    """A copy of a state that goes on changing; ``copy.deepcopy`` takes ten times as long for small tensors."""
    changing = {name: value for name, value in state.items() if name not in MADE_ANEW}
    frozen = {**state, **tree_map_only(Tensor, lambda tensor: tensor.detach().to("cpu", copy=True), changing)}
    if hasattr(state["state_dict"], "_metadata"):  # the versions of the modules
        frozen["state_dict"]._metadata = state["state_dict"]._metadata
    return frozen
