"""train.py as a process of its own: help, two processes that score as one, status after a signal."""

import os
import re
import subprocess
import sys

from running import DIGITS, ROOT, SMALL

from lab import read_metrics


def python(*words: str, cwd, **environment: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment}
    env.pop("ARCHLAB_RUN_DIR", None)
    return subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=120
    )


def test_help_lists_the_commands(lab):
    assert lab("--help") == 0
    for command in ("fit", "validate", "test", "predict", "download"):
        assert re.search(rf"^ +{command} +\w", lab.out, re.M)
    assert lab("fit", "--help") == 0
    assert "--test_after_fit" in lab.out and "--trainer.max_epochs" in lab.out


def test_two_processes_score_a_checkpoint_exactly_as_one(lab):
    assert lab("fit", *DIGITS, *SMALL, "--trainer.limit_train_batches=20") == 0
    assert lab("test", *DIGITS) == 0
    preset = str(ROOT / "configs" / "presets" / "two_processes.yaml")
    finished = python("test", *DIGITS, "--config", preset, "--data.eval_batch_size=50", cwd=lab.folder)
    assert finished.returncode == 0, finished.stderr[-2000:]
    metrics = read_metrics(lab.run())
    one, two = metrics["test/acc"][1]
    assert one == two
    loss_one, loss_two = metrics["test/loss"][1]
    assert abs(loss_one - loss_two) < 1e-5
    assert not lab.run(version=1).exists()


def test_two_processes_train_and_probe_an_autoencoder(lab):
    config = ["--config", str(ROOT / "configs" / "autoencoder_digits.yaml"), "--trainer.max_epochs=2"]
    config += ["--trainer.callbacks=[callbacks.LinearProbe, callbacks.PCABaseline]"]
    preset = str(ROOT / "configs" / "presets" / "two_processes.yaml")
    finished = python("fit", *config, "--config", preset, cwd=lab.folder)
    assert finished.returncode == 0, finished.stderr[-2000:]
    run = lab.run("autoencoder_digits")
    assert lab("test", *config) == 0
    assert "probe/test_acc_std" in lab.out and "_replica_" not in lab.out  # metrics.csv has those
    metrics = read_metrics(run)
    for name in ("probe/test_acc", "probe/test_acc_replica_2", "pca/test_acc", "test/loss"):
        two, one = metrics[name][1]
        assert abs(one - two) < 1e-4, name
