"""The command line: help, two processes that score and train as one."""

import re
import subprocess
import sys

import pytest
from interrupted import run_together
from running import DIGITS, ROOT, SMALL

from lab import read_metrics


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
    words = [*DIGITS, "--config", preset, "--data.eval_batch_size=50"]
    assert run_together(lab.folder, "test", *words) == [0, 0], (lab.folder / "log.txt").read_text()
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
    assert run_together(lab.folder, "fit", *config, "--config", preset) == [0, 0], (lab.folder / "log.txt").read_text()
    run = lab.run("autoencoder_digits")
    assert lab("test", *config) == 0
    assert "probe/test_acc_std" in lab.out and "_replica_" not in lab.out  # metrics.csv has those
    metrics = read_metrics(run)
    for name in ("probe/test_acc", "probe/test_acc_replica_2", "pca/test_acc", "test/loss"):
        two, one = metrics[name][1]
        assert abs(one - two) < 1e-4, name


def test_help_fits_a_screen_and_its_examples_can_be_typed(lab):
    (lab.folder / "configs").symlink_to(ROOT / "configs")
    for words in ([], ["--help"], ["-h"]):
        assert lab(*words) == 0
    assert lab.out.count("\n") <= 24 and max(map(len, lab.out.splitlines())) <= 110
    examples = [line.split() for line in lab.out.splitlines() if line.startswith("  python train.py fit")]
    assert len(examples) == 2
    for example in examples:
        assert lab(*example[2:], "--print_config") == 0, lab.err


@pytest.mark.parametrize(
    "words", [["--help"], ["fitt"], ["fit", "--config", "configs/vit_digit.yaml"]], ids=["help", "command", "path"]
)
def test_what_needs_no_network_imports_none(words):
    code = f"import sys; from lab.commands.main import main; main({words}); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
