"""The first 20 training losses of the demo, as text.

python tests/helpers/first_losses.py > tests/first_losses.txt renews them after a change that is meant to alter them.
"""

import sys
from pathlib import Path

import torch
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer, seed_everything

ROOT = Path(__file__).resolve().parent.parent.parent


class Losses(Callback):
    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, *args) -> None:
        self.values.append(outputs["loss"].item())


def first_losses(count: int = 20) -> list[float]:
    """Train configs/vit_digits.yaml for a few steps."""
    config = yaml.safe_load((ROOT / "configs" / "vit_digits.yaml").read_text())
    seed_everything(config["seed_everything"], verbose=False)
    parser = ArgumentParser()
    parser.add_subclass_arguments(LightningModule, "model")
    parser.add_subclass_arguments(LightningDataModule, "data")
    parts = parser.instantiate(parser.parse_object({key: config[key] for key in ("model", "data")}))
    losses = Losses()
    trainer = Trainer(
        accelerator="cpu", max_epochs=config["trainer"]["max_epochs"], limit_val_batches=0, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[losses, StopAfter(count)],
    )  # fmt: skip
    trainer.fit(parts.model, datamodule=parts.data)
    return losses.values[:count]


class StopAfter(Callback):
    def __init__(self, count: int) -> None:
        self.count = count

    def on_train_batch_end(self, trainer, *args) -> None:
        trainer.should_stop = trainer.global_step >= self.count


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    torch.set_num_threads(1)
    print("\n".join(f"{loss:.5f}" for loss in first_losses()))
