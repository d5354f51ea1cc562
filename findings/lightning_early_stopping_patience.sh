#!/usr/bin/env bash
# lightning 2.6.6: EarlyStopping keeps its patience in the checkpoint, and a resumed run takes it from there: the patience
# that is given to the new callback is passed over without a word, so that a run cannot be given more of it.
# Seen: patience 1 after 5 was given.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 lightning==2.6.6
cd "$folder"
"$folder/venv/bin/python" - 2> log.txt <<'PYTHON'
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from torch.utils.data import DataLoader


class Constant(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        self.log("level", 1.0, on_epoch=True)
        return self.layer(batch).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(patience, **resumed):
    stopping = EarlyStopping("level", patience=patience, check_on_train_epoch_end=True)
    silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = Trainer(accelerator="cpu", max_epochs=9, callbacks=[stopping], enable_checkpointing=False, **silent)
    trainer.fit(Constant(), DataLoader(torch.ones(2, 1)), **resumed)
    return trainer, stopping


trainer, _ = fit(1)
trainer.save_checkpoint("ended.ckpt")
_, stopping = fit(5, ckpt_path="ended.ckpt", weights_only=True)
print("patience", stopping.patience)
raise SystemExit(stopping.patience != 1)
PYTHON
