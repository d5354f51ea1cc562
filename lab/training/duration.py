"""How long training took, noted in the run folder."""

import yaml
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Timer

from lab.files import written_whole
from lab.run_folder import DURATION, run_dir


class FitTimer(Timer):
    """Writes the seconds that training took into the run folder; a resumed run goes on counting."""

    def __init__(self) -> None:
        super().__init__(verbose=False)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        folder = run_dir(trainer)
        if folder is None or not trainer.is_global_zero:
            return
        with written_whole(folder / DURATION) as part:
            part.write_text(yaml.safe_dump({"fit_seconds": round(self.time_elapsed("train"), 3)}), encoding="utf-8")
