"""How long training took, noted in the run folder."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Timer

from lab.files import write_yaml
from lab.run_folder import run_dir


class FitTimer(Timer):
    """Writes the seconds that training took into the run folder; a resumed run goes on counting."""

    def __init__(self) -> None:
        super().__init__(verbose=False)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        folder = run_dir(trainer)
        if folder is not None and trainer.is_global_zero:
            write_yaml(folder / "duration.yaml", {"fit_seconds": round(self.time_elapsed("train"), 3)})
