#!/usr/bin/env bash
# lightning 2.6.6: an epoch of four batches that max_steps=2 ends is saved as a finished one. A run that goes on from that
# checkpoint to max_epochs=2 begins epoch 1: it trains six batches instead of eight, and two of epoch 0 are never seen.
# Seen: steps 6. A run stopped by max_time or by a callback's should_stop is saved alike.
set -euo pipefail
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 lightning==2.6.6
cd "$folder"
"$folder/venv/bin/python" - 2> log.txt <<'PYTHON'
import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader


class Line(LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch, batch_idx):
        return self.layer(batch).square().mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def trainer(**limits):
    silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(accelerator="cpu", enable_checkpointing=False, **silent, **limits)


loader = DataLoader(torch.ones(4, 1))
first = trainer(max_steps=2)
first.fit(Line(), loader)
first.save_checkpoint("stopped.ckpt")
second = trainer(max_epochs=2)
second.fit(Line(), loader, ckpt_path="stopped.ckpt", weights_only=True)
print("steps", second.global_step)
raise SystemExit(second.global_step != 6)
PYTHON
