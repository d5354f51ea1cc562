"""Which weights are frozen is part of a run's state."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class FrozenWeights(Callback):
    """Keeps in every checkpoint which weights are frozen, and takes that up again where a run goes on.

    Lightning's BaseFinetuning freezes what it is to begin with whenever a run is set up; in a resumed run the epoch in
    which it would be unfrozen is past.
    """

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["frozen"] = [name for name, weight in pl_module.named_parameters() if not weight.requires_grad]

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if trainer.state.fn == "fit" and "frozen" in checkpoint:
            for name, weight in pl_module.named_parameters():
                weight.requires_grad_(name not in checkpoint["frozen"])
