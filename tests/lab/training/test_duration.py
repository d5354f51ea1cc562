"""The duration of a fit is noted, and goes on in a resumed run."""

import yaml
from lightning.pytorch.callbacks import Timer
from running import DIGITS, SMALL

from lab.run_folder import RunFolder, fit_minutes
from lab.training.duration import FitTimer


def seconds(run) -> float:
    return yaml.safe_load((run / "duration.yaml").read_text())["fit_seconds"]


def test_a_resumed_run_goes_on_counting(lab, monkeypatch):
    clock = iter(range(0, 10**6, 30))  # half a minute passes whenever somebody looks
    monkeypatch.setattr("lightning.pytorch.callbacks.timer.time.monotonic", lambda: next(clock))
    assert lab("fit", *DIGITS, *SMALL, "--trainer.max_epochs=1", "--trainer.limit_train_batches=2") == 0
    first = seconds(lab.run())
    assert first >= 30 and fit_minutes([RunFolder(lab.run())]) == f"{first / 60:.1f} min"
    words = ["--trainer.max_epochs=2", "--trainer.limit_train_batches=2", "--ckpt_path=last"]
    assert lab("fit", *DIGITS, *SMALL, *words) == 0
    assert seconds(lab.run()) > first


def test_a_run_that_leaves_no_files_notes_nothing(lab):
    assert lab("fit", *DIGITS, *SMALL, "--trainer.fast_dev_run=true") == 0
    assert not list(lab.folder.rglob("duration.yaml"))


def test_it_leaves_the_time_limit_of_the_trainer_alone():
    assert not isinstance(FitTimer(), Timer)
