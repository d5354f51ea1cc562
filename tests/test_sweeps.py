"""Sweeps for real: they go on after a failure and after a killed process, and where they were stopped."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from running import ROOT, Lab
from sweeping import NOISY, QUICK, Sweep, a_person

from lab import read_metrics

BROKEN = {**QUICK, "model.corruption.std": -1}
KILLED = {**NOISY, "trainer.callbacks": [{"class_path": "hindrances.Killed"}]}
RUNS = Path("runs", "autoencoder_digits")


@pytest.fixture
def sweep(lab: Lab, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Sweep]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests" / "helpers"))  # for hindrances.py
    yield from a_person(lab, capsys)


def test_a_sweep_goes_on_after_a_failure_and_after_a_killed_process(sweep: Sweep) -> None:
    sweep.write(rows={"broken": BROKEN, "killed": KILLED, "quiet": QUICK})
    assert sweep() == 1
    assert "] broken: FAILED in " in sweep.out and "] killed: FAILED in " in sweep.out
    assert "] quiet: done in " in sweep.out and ", test/loss 0." in sweep.out
    broken, killed = sweep.err.splitlines()
    log = RUNS / "sweep_0" / "000_broken.log"
    assert broken.startswith("failed: broken: error: ") and broken.endswith(f" (see {log})")
    assert "std must be a finite number ≥ 0, but it is -1" in broken
    assert "failed: killed: its process was killed, or ran out of memory (see " in killed
    done = sweep.summary()["runs"][2]
    assert len(read_metrics(done["run"])["test/loss"][1]) == 1 and done["state"] == "done"
    assert "test/loss" in log.with_name("002_quiet.log").read_text()
    assert sweep("--dry-run") == 0
    assert ["std=-1" in command for command in sweep.out.splitlines()[1:]] == [True, False]


def write_slow(sweep: Sweep, **others: Any) -> Path:
    """Write a grid of one run that is slow while a file is there."""
    slow = sweep.folder / "slow"
    slow.touch()
    callback = {"class_path": "hindrances.SlowWhile", "init_args": {"path": str(slow)}}
    sweep.write(
        rows={"quiet": {**QUICK, "trainer.limit_train_batches": 1.0, "trainer.callbacks": [callback], **others}}
    )
    return slow


def test_a_killed_run_is_gone_on_with_from_what_it_had_saved(sweep: Sweep) -> None:
    write_slow(sweep, save_every_minutes=0)
    checkpoint = RUNS / "version_0" / "checkpoints" / "last.ckpt"

    def kill() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not checkpoint.is_file():
            time.sleep(0.1)
        status = json.loads((RUNS / "sweep_0" / "000_quiet.json").read_text())
        os.kill(status["process"]["process"], signal.SIGKILL)

    threading.Thread(target=kill).start()
    assert sweep() == 1 and "failed: quiet: its process was killed" in sweep.err
    assert sweep("--dry-run") == 0 and sweep.out.rstrip().endswith(f"--ckpt_path={checkpoint}")


def test_a_stopped_sweep_goes_on_with_the_run_that_was_under_way(sweep: Sweep) -> None:
    slow = write_slow(sweep)

    def stop() -> None:
        log, until = RUNS / "sweep_0" / "000_quiet.log", time.monotonic() + 60
        while time.monotonic() < until and not (log.is_file() and "params" in log.read_text()):
            time.sleep(0.1)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=stop).start()
    assert sweep() == 130
    assert "Stopping: the runs under way save their last checkpoint." in sweep.out
    assert "] quiet: stopped in " in sweep.out and sweep.summary()["runs"][0]["state"] == "stopped"
    slow.unlink()
    assert sweep("--dry-run") == 0
    checkpoint = Path(sweep.summary()["runs"][0]["run"], "checkpoints", "last.ckpt")
    assert sweep.out.rstrip().endswith(f"--ckpt_path={checkpoint}")
    assert sweep() == 0
    assert sweep.summary(1)["runs"][0]["run"] == str(checkpoint.parent.parent)
    assert f"Checkpoint: {checkpoint}" in (RUNS / "sweep_1" / "000_quiet.log").read_text()
    assert sweep() == 0 and "1 runs, 1 of them finished" in sweep.out
