"""What watches a metric follows its name: in the config of a run, in what is printed, and in the checkpoint kept."""

import re

import pytest
import torch
import yaml
from running import DIGITS, NO_PICTURES, SMALL

from lab import read_metrics

STOPPING = ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=val/acc"]
KEEPING = ["--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.monitor=val/acc"]
PLATEAU = ["--model.scheduler=lightning.pytorch.cli.ReduceLROnPlateau", "--model.scheduler.monitor=val/acc"]


def printed(lab, *words) -> dict:
    assert lab("fit", *DIGITS, NO_PICTURES, *words, "--print_config") == 0
    return yaml.safe_load(lab.out)


def test_the_best_checkpoint_is_that_of_the_best_epoch(lab):
    assert lab("fit", *DIGITS, *SMALL, "--trainer.max_epochs=3", "--monitor=val/acc", "--model.optimizer.lr=0.1") == 0
    config = yaml.safe_load((lab.run() / "config.yaml").read_text())
    assert (config["monitor"], config["monitor_mode"]) == ("val/acc", "max")
    steps, values = read_metrics(lab.run())["val/acc"]
    kept = torch.load(lab.run() / "checkpoints" / "best.ckpt", weights_only=True)["global_step"]
    assert kept == 1 + steps[values.index(max(values))] and min(values) < max(values)


def test_what_is_printed_is_in_force(lab):
    config = printed(lab, "--monitor=val/acc", *STOPPING, *KEEPING, *PLATEAU)
    assert config["monitor_mode"] == "max"
    assert [watcher["init_args"]["mode"] for watcher in config["trainer"]["callbacks"]] == ["max", "max"]
    assert config["model"]["init_args"]["scheduler"]["init_args"]["mode"] == "max"
    config = printed(lab, *STOPPING, "--trainer.callbacks.mode=min")
    assert (config["monitor_mode"], config["trainer"]["callbacks"][0]["init_args"]["mode"]) == ("min", "min")


def test_a_stated_mode_stays_and_is_told(lab):
    run = lab.folder / "x.yaml"  # as an earlier version wrote its default into the config of a run
    run.write_text("monitor: val/acc\nmonitor_mode: min\n")
    words = [*DIGITS, f"--config={run}", *SMALL, *STOPPING, "--trainer.callbacks.mode=min", *PLATEAU]
    with pytest.warns(UserWarning, match=r"ReduceLROnPlateau takes the lowest val/acc for the best \(mode min\)"):
        assert lab("fit", *words, "--model.scheduler.mode=min") == 0
    told = [line for line in lab.out.splitlines() if "is better" in line]
    assert [line.split(" takes the lowest val/acc for the best ")[0] for line in told] == ["best.ckpt", "EarlyStopping"]
    config = yaml.safe_load((lab.run() / "config.yaml").read_text())
    assert config["monitor_mode"] == "min"
    assert lab("test", *words, "--model.scheduler.mode=min") == 0 and "is better" not in lab.out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--monitor=val/height"], 'error: monitor names "val/height", which .*: add --monitor_mode min or max'),
        ([STOPPING[0], "--trainer.callbacks.monitor=a/b"], 'EarlyStopping names "a/b", .*: add its mode, min'),
        (
            [PLATEAU[0], "--model.scheduler.monitor=a/b"],
            'ReduceLROnPlateau names "a/b", which does not say',
        ),
    ],
)
def test_a_name_that_says_nothing_is_asked_about(lab, words, sentence):
    assert lab("fit", *DIGITS, *SMALL, *words) == 1
    assert not (lab.folder / "runs").exists() and re.search(sentence, lab.err), lab.err
