"""How long training took, noted in the run folder."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer

from lab.files import write_yaml
from lab.run_folder import run_dir


class FitTimer(Callback):
    """Writes the seconds that training took into the run folder; a resumed run goes on counting.

    It asks a Timer and is none: where a callback is one, Lightning passes over ``trainer.max_time``.
    """

    def __init__(self) -> None:
        self.timer = Timer(verbose=False)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.timer.on_train_start(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.timer.on_train_end(trainer, pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        folder = run_dir(trainer)
        if folder is not None and trainer.is_global_zero:
            write_yaml(folder / "duration.yaml", {"fit_seconds": round(self.timer.time_elapsed("train"), 3)})

    def state_dict(self) -> dict[str, Any]:
        return self.timer.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.timer.load_state_dict(state_dict)
