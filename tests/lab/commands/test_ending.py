"""A test that was asked for takes place, and it is said of which weights."""

import pytest
import torch
from running import DIGITS, SMALL
from torch.nn.functional import cross_entropy

from lab import load_run, read_metrics

QUICK = [*DIGITS, *SMALL, "--trainer.logger=false"]


@pytest.mark.parametrize(
    "words",
    [["--trainer.limit_val_batches=0"], ["--trainer.check_val_every_n_epoch=5"], ["--trainer.max_steps=2"]],
    ids=["none asked", "none in time", "stopped before"],
)
def test_without_a_validation_the_last_checkpoint_is_tested(lab, words):
    assert lab("fit", *QUICK, *words, "--test_after_fit=true") == 0, lab.err
    assert "No best checkpoint is kept, since val/loss was not measured; the last one is." in lab.out
    last = torch.load(lab.run() / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["global_step"] == (2 if "max_steps" in words[0] else 6)
    metrics = read_metrics(lab.run())
    module, data = load_run(lab.run())
    data.setup("test")
    images, labels = data.datasets["test"].tensors
    with torch.no_grad():
        assert metrics["test/loss"][1] == [pytest.approx(cross_entropy(module(images), labels).item(), rel=1e-5)]


def test_without_a_word_a_command_takes_the_last_checkpoint_where_there_is_no_best(lab):
    assert lab("fit", *QUICK, "--trainer.limit_val_batches=0") == 0
    assert lab("test", *QUICK, "--ckpt_path=best") == 1
    assert "has a best checkpoint: runs/vit_digits/version_0/checkpoints/last.ckpt is there: give it, or" in lab.err
    assert lab("test", *QUICK) == 0, lab.err
    assert "version_0/checkpoints/last.ckpt (no validation has picked a best one)" in lab.out


@pytest.mark.parametrize("words", [["--trainer.enable_checkpointing=false"], ["--trainer.fast_dev_run=2"]])
def test_where_no_checkpoint_is_kept_the_weights_at_hand_are_tested(lab, words):
    assert lab("fit", *QUICK, *words, "--test_after_fit=true") == 0, lab.err
    assert "There is no checkpoint to test: the weights at the end of training are tested." in lab.out
    assert "test/acc" in lab.out and not list(lab.folder.rglob("*.ckpt"))


def test_a_run_that_was_over_says_so(lab):
    assert lab("fit", *QUICK) == 0
    before = (lab.run() / "checkpoints" / "best.ckpt").read_bytes()
    assert lab("fit", *QUICK, "--ckpt_path=last", "--test_after_fit=true") == 0, lab.err
    assert "Nothing was trained, since trainer.max_epochs 2, max_steps -1 and max_time left nothing" in lab.out
    assert "test/acc" in read_metrics(lab.run())
    assert (lab.run() / "checkpoints" / "best.ckpt").read_bytes() == before


def test_an_untrained_network_is_not_tested_after_fit(lab):
    assert lab("fit", *QUICK, "--trainer.max_time=00:00:00:00", "--test_after_fit=true") == 1
    assert "nothing was trained" in lab.err and "test/acc" not in lab.out
