"""Checkpoints that cost next to nothing, however short the epochs are, and are complete or not there."""

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO

from lab.errors import LabError
from lab.files import atomic_write
from lab.training.exact_resume import ends_early
from lab.training.lightning_internals import (
    CheckpointBase,
    attributes_of,
    copy_module_versions,
    dump_checkpoint,
    is_accumulating,
    map_tensors,
    validates_after,
)

MADE_ANEW = ("loops", "random_states", "hyper_parameters", "datamodule_hyper_parameters")  # not to be copied
FILES, COPIES = 3, 3  # best, last and the one under way; the weights, and two moments of each in an optimizer
ELSEWHERE = "choose another --trainer.default_root_dir."


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint to a temporary file beside it, which is renamed once it is complete and on the disk.

    Lightning's own goes by the system's folder of temporary files, from which a file is copied to another disk, and
    what is copied halfway is no checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        path = Path(path)
        for part in path.parent.glob(f".{path.stem}.*{path.suffix}"):  # of a process that was killed as it wrote
            part.unlink(missing_ok=True)
        try:
            with atomic_write(path) as part:
                torch.save(checkpoint, part)
        except (OSError, RuntimeError) as error:  # torch's writer raises RuntimeError where the disk is full
            kept = "the file of before is kept" if path.is_file() else "nothing had been saved there before"
            raise LabError(
                f"cannot write the checkpoint {path} ({_reason(error, path)}); {kept}. "
                f"Make room on the disk, or {ELSEWHERE}"
            ) from error


class ThrottledCheckpoint(CheckpointBase):
    """A ModelCheckpoint that spends about a hundredth of a run on writing its file, but for its first and last write.

    After a write it waits for a hundred times as long as that took, and keeps what it should write in the CPU's memory,
    until it is due or the run ends in whatever way but by a killed process, which goes on from an earlier state.
    Where even that takes more than a hundredth of very short epochs, it keeps but some of them (a best one always, and
    the last one unless the run ends by an exception).
    Several processes write every time, since they would have to agree on the time.

    What is due is written when training goes on: by then the loggers have the metrics that belong to the state. Two
    that save at the same moment share one state. At an epoch that ends before its last batch nothing is saved here,
    since a run that goes on from there has not ended it.

    Args:
        earlier: a checkpoint to write first, so that no file knows of a best state that no file holds.
        every_minutes: also save within an epoch, when the last write is so many minutes ago, ≥ 0; not when None.
        **arguments: those of ModelCheckpoint.

    Raises:
        LabError: when ``every_minutes`` is negative, or, before training starts, when the files cannot be written.
    """

    WAIT = 100

    def __init__(
        self, earlier: "ThrottledCheckpoint | None" = None, every_minutes: float | None = None, **arguments: Any
    ) -> None:
        if every_minutes is not None and every_minutes < 0:
            raise LabError(f"save_every_minutes must be at least 0, but it is {every_minutes}.")
        super().__init__(enable_version_counter=False, **arguments)
        self.earlier, self.every_minutes = earlier, every_minutes
        self._free_at, self._keeps_at, self._written_at = float("-inf"), float("-inf"), time.monotonic()
        self._passed_over = False
        self._kept: tuple[str, dict[str, Any]] | None = None
        self._due = False
        self._offered: tuple[dict[str, Any], bool] | None = None  # the state of this moment, and whether it is a copy

    def keep(self, trainer: Trainer, filepath: str) -> None:
        started = time.monotonic()
        self._due = trainer.world_size > 1 or started >= self._free_at
        self._passed_over = self.monitor is None and not self._due and started < self._keeps_at
        if not self._passed_over:
            self._kept = (filepath, self._state(trainer))
            self._keeps_at = time.monotonic() + self.WAIT * (time.monotonic() - started)

    def _state(self, trainer: Trainer) -> dict[str, Any]:
        """The state of this moment, a copy of it unless it is written before it changes."""
        state, is_copy = self._offered or (dump_checkpoint(trainer, self.save_weights_only), False)
        if self._offered and "callbacks" in state:  # what this one has found out since
            state = {**state, "callbacks": {**state["callbacks"], self.state_key: self.state_dict()}}
        if not self._due and not is_copy:
            state, is_copy = _frozen(state), True
        if self.earlier is not None:
            self.earlier._offered = (state, is_copy)
        return state

    def write_due(self, trainer: Trainer) -> None:
        """Write what is due, with what came of it since: Lightning steps a scheduler of a metric after it was taken."""
        self._offered = None
        if self.earlier is not None:
            self.earlier.write_due(trainer)
        if not self._due or self._kept is None:
            return
        _, state = self._kept
        if "optimizer_states" in state and any(item.reduce_on_plateau for item in trainer.lr_scheduler_configs):
            state["optimizer_states"] = [trainer.strategy.optimizer_state(item) for item in trainer.optimizers]
            state["lr_schedulers"] = [item.scheduler.state_dict() for item in trainer.lr_scheduler_configs]
        self.write_kept(trainer)

    def write_kept(self, trainer: Trainer) -> None:
        """Write what is kept in memory, if there is anything."""
        if self._kept is None:
            return
        (filepath, state), self._kept, self._due, self._passed_over = self._kept, None, False, False
        if self.earlier is not None:
            self.earlier.write_kept(trainer)
            if "callbacks" in state:  # what is best is found out after this state was taken
                state["callbacks"][self.earlier.state_key] = self.earlier.state_dict()
        started = time.monotonic()
        trainer.strategy.save_checkpoint(state, filepath)
        trainer.strategy.barrier("ThrottledCheckpoint")
        for logger in trainer.loggers:
            logger.after_save_checkpoint(self)
        self._written_at = time.monotonic()
        self._free_at = self._written_at + self.WAIT * (self._written_at - started)

    @property
    def state_key(self) -> str:
        """The name of its state in a checkpoint, which stays that of before."""
        return super().state_key.replace(type(self).__qualname__, "SparingCheckpoint", 1)

    @property
    def _folder(self) -> Path:
        return Path(cast(str, self.dirpath))  # set as the run begins

    def save_now(self, trainer: Trainer) -> None:
        """Write the state of this moment instead of what is kept, which is older."""
        filepath = str(self._folder / f"{self.filename}.ckpt")
        self._kept = (filepath, dump_checkpoint(trainer, self.save_weights_only))
        self.write_kept(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self._written_at = time.monotonic()
        if trainer.is_global_zero and not attributes_of(trainer).fast_dev_run:
            tensors = [*pl_module.parameters(), *pl_module.buffers()]
            check_room(self._folder, FILES * COPIES * sum(tensor.nbytes for tensor in tensors))

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.write_due(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.write_due(trainer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        if self.every_minutes is None or trainer.world_size > 1 or self.skips(trainer):
            return
        now = time.monotonic()
        waits = trainer.is_last_batch or validates_after(trainer) or is_accumulating(trainer)
        if not waits and now >= self._free_at and now - self._written_at >= 60 * self.every_minutes:
            self.save(trainer, str(self._folder / f"{self.filename}.ckpt"))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not ends_early(trainer):
            super().on_train_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        super().on_train_end(trainer, pl_module)
        if self._passed_over:
            self.save_now(trainer)
        self.write_kept(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        super().on_exception(trainer, pl_module, exception)
        self.write_kept(trainer)


def check_room(folder: Path, needed: int) -> None:
    """Raise LabError unless a folder can be written and its disk has room.

    Args:
        folder: where files shall lie; it is made.
        needed: bytes.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        raise LabError(f"cannot write in {folder} ({error.strerror}): {ELSEWHERE}") from error
    if free < needed:
        raise LabError(
            f"the disk of {folder} has {free / 1e6:.0f} MB left, but the checkpoints of this run take about "
            f"{needed / 1e6:.0f} MB: make room, or {ELSEWHERE}"
        )


def _frozen(state: dict[str, Any]) -> dict[str, Any]:
    """A copy of a state that goes on changing; ``copy.deepcopy`` takes ten times as long for small tensors."""
    changing = {name: value for name, value in state.items() if name not in MADE_ANEW}
    frozen = {**state, **map_tensors(lambda tensor: tensor.detach().to("cpu", copy=True), changing)}
    copy_module_versions(state["state_dict"], frozen["state_dict"])
    return frozen


def _reason(error: BaseException, path: Path) -> str:
    free = shutil.disk_usage(path.parent).free  # torch's writer only says that its stream failed
    return getattr(error, "strerror", None) or f"the disk has {free / 1e6:.1f} MB left"
