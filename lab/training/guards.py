"""What guards a run: a clean stop on a signal, a stop on a loss that is no number, a line an epoch in a log file."""

import time
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor

from lab.errors import LabError
from lab.metrics import is_replica_metric
from lab.training.checkpoint_callback import ThrottledCheckpoint
from lab.training.exact_resume import ends_early
from lab.training.lightning_internals import attributes_of


class ResumableStop(Callback):
    """Saves ``last.ckpt`` when a run stops between two batches, so that it can go on from there.

    That is when SIGTERM comes (or Ctrl-C, which ``train.py`` turns into it), and when an epoch ends before its last
    batch, by ``max_steps``, ``max_time`` or whatever else stops the Trainer. This one comes first of all callbacks:
    what the others do at the end of an epoch is no part of the state, since a resumed run ends the epoch later.

    Args:
        last: the callback that keeps ``last.ckpt``.
    """

    comes_first = True  # LabTrainer sorts by it

    def __init__(self, last: ThrottledCheckpoint) -> None:
        self.last = last
        self.ended_early = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ended_early = False

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.ended_early = ends_early(trainer)
        if self.ended_early:
            self._save(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        fitting = trainer.state.fn == "fit" and not trainer.sanity_checking
        if isinstance(exception, SIGTERMException) and fitting and not self.ended_early:
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if self.last.dirpath and not attributes_of(trainer).fast_dev_run:
            self.last.save_now(trainer)


class TerminateOnNaN(Callback):
    """Stops a run whose loss is NaN or infinite, before a checkpoint can hold what came of it.

    On a CPU each loss is looked at before its gradient is taken. Elsewhere a look would wait for the device, so
    the losses are collected and looked at together: every ``log_every_n_steps`` and before anything is saved.
    """

    def __init__(self) -> None:
        self.losses: list[tuple[int, Tensor]] = []

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        self.losses.append((trainer.global_step, loss.detach()))
        if loss.device.type == "cpu" or len(self.losses) >= attributes_of(trainer).log_every_n_steps:
            self._look(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The last step of an epoch shows its harm only here; checkpoints are saved after this."""
        for name, value in trainer.callback_metrics.items():
            if name.endswith("/loss") and not value.isfinite() and not trainer.sanity_checking:
                self._stop(trainer, f"{name} became {value.item()}")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._look(trainer)

    def _look(self, trainer: Trainer) -> None:
        steps, losses = [step for step, _ in self.losses], [loss for _, loss in self.losses]
        self.losses = []
        if not losses or torch.stack(losses).isfinite().all():
            return
        step, loss = next((step, loss) for step, loss in zip(steps, losses, strict=True) if not loss.isfinite())
        self._stop(trainer, f"the loss became {loss.item()} at step {step}")

    def _stop(self, trainer: Trainer, what: str) -> None:
        kept = _last_checkpoints(trainer)
        where = f"the last good checkpoint is {kept[0]}" if kept else "no checkpoint had been saved yet"
        raise LabError(
            f"{what} (epoch {trainer.current_epoch}), so the run was stopped; {where}. "
            f"Lower the learning rate (model.optimizer.lr), or set trainer.gradient_clip_val."
        )


def _last_checkpoints(trainer: Trainer) -> list[Path]:
    callbacks = [callback for callback in trainer.checkpoint_callbacks if isinstance(callback, ModelCheckpoint)]
    files = [Path(callback.dirpath) / "last.ckpt" for callback in callbacks if callback.dirpath]
    return [file for file in files if file.is_file()]


class ProgressBar(RichProgressBar):
    """Lightning's rich bar with the loss of the current batch, drawn ten times a second instead of every batch."""

    SECONDS_BETWEEN = 0.1

    def __init__(self) -> None:
        super().__init__()
        self._drawn, self._loss = 0.0, float("nan")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now, is_last = time.perf_counter(), batch_idx + 1 == trainer.num_training_batches
        if now - self._drawn < self.SECONDS_BETWEEN and not is_last:
            return
        self._drawn, self._loss = now, float(outputs["loss"])
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        metrics = {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}
        return {"loss": round(self._loss, 4), **metrics}


class EpochPrinter(Callback):
    """Prints one line an epoch, and of short epochs one a second, where a progress bar would flood a log file.

    The line is printed when the next epoch starts, or training ends: by then the task has logged its metrics. Of
    replicas it shows the mean and the spread.
    """

    SECONDS_BETWEEN = 1.0

    def __init__(self) -> None:
        self.printed = -self.SECONDS_BETWEEN

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started, self.epoch = time.perf_counter(), trainer.current_epoch

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if time.perf_counter() - self.printed >= self.SECONDS_BETWEEN:
            self._print(trainer)
        self.started, self.epoch = time.perf_counter(), trainer.current_epoch

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._print(trainer)

    def _print(self, trainer: Trainer) -> None:
        logged = {name: value for name, value in trainer.callback_metrics.items() if not is_replica_metric(name)}
        metrics = "  ".join(f"{name} {value:.4g}" for name, value in sorted(logged.items()))
        if not metrics or not trainer.is_global_zero:
            return
        total = trainer.max_epochs if trainer.max_epochs and trainer.max_epochs > 0 else "?"
        self.printed = time.perf_counter()
        print(f"epoch {self.epoch + 1}/{total}  {metrics}  {time.perf_counter() - self.started:.1f} s", flush=True)
