"""Several processes stop together, whichever of them is told to."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from running import DIGITS, FEW, ROOT

TOLD_AT, LATEST = 2, 4


def test_two_processes_stop_before_the_same_batch_and_save(tmp_path: Path) -> None:
    arguments = {"hook": "on_before_optimizer_step", "step": TOLD_AT, "name": "SIGTERM", "rank": 1}
    callbacks = json.dumps([{"class_path": "interrupted.KillAt", "init_args": arguments}])
    preset = str(ROOT / "configs" / "presets" / "two_processes.yaml")
    words = [*DIGITS, "--config", preset, *FEW, "--trainer.limit_train_batches=9", f"--trainer.callbacks={callbacks}"]
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "train.py"), "fit", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    print(done.stdout, done.stderr)  # for pytest to show when the test fails
    assert done.returncode == 143 and "Stopped by SIGTERM at step" in done.stdout
    (last,) = tmp_path.glob("runs/vit_digits/version_0/checkpoints/last.ckpt")
    assert TOLD_AT < torch.load(last, weights_only=True)["global_step"] <= LATEST
