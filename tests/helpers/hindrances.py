"""Callbacks that hinder a run which is started in another process: it takes long, or is killed."""

import os
import signal
import time
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class SlowWhile(Callback):
    """Each batch takes a fifth of a second longer while a file is there."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        if self.path.exists():
            time.sleep(0.2)


class Killed(Callback):
    """The process is killed at once when it starts to train, as where the memory is not enough."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        os.kill(os.getpid(), signal.SIGKILL)
