"""metrics.csv goes on where it stopped; TensorBoard and Weights & Biases have every metric."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from running import DIGITS, FEW
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lab.loggers import EventLogger, RunLogger, run_dir
from lab.runs import read_metrics


def logger_at(folder) -> RunLogger:
    return RunLogger(folder, name="x", version="version_0")


def test_a_second_logger_continues_the_file(tmp_path):
    for step, metrics in ((1, {"val/loss": 2.0}), (2, {"val/loss": 1.0, "test/acc": 0.5})):
        logger = logger_at(tmp_path)
        logger.log_metrics(metrics, step)
        logger.save()
    assert read_metrics(logger.log_dir) == {"val/loss": ([1, 2], [2.0, 1.0]), "test/acc": ([2], [0.5])}


def test_rows_beyond_the_checkpoint_are_forgotten(tmp_path):
    logger = logger_at(tmp_path)
    for step in range(6):
        logger.log_metrics({"val/loss": float(step)}, step)
    logger.save()
    logger = logger_at(tmp_path)
    logger.forget_after(4)
    logger.log_metrics({"val/loss": 40.0}, 4)
    logger.save()
    assert read_metrics(logger.log_dir)["val/loss"] == ([0, 1, 2, 3, 4], [0.0, 1.0, 2.0, 3.0, 40.0])


def test_the_run_folder_is_that_of_the_run_logger(tmp_path):
    trainer = SimpleNamespace(loggers=[object(), logger_at(tmp_path)])
    assert run_dir(trainer) == tmp_path / "x" / "version_0"
    assert run_dir(SimpleNamespace(loggers=[])) is None


def test_tensorboard_shows_all_metrics_of_a_step_also_after_it_was_closed(tmp_path):
    logger = EventLogger(tmp_path, name="x", version="version_0", default_hp_metric=False)
    logger.log_metrics({"train/loss": 0.5, "val/loss": 2}, 3)
    logger.log_metrics({"train/loss": 0.25}, 4)
    logger.finalize("success")
    logger.log_metrics({"test/loss": 1.5}, 4)
    logger.finalize("success")
    board = EventAccumulator(logger.log_dir).Reload()
    shown = {name: [(event.step, event.value) for event in board.Scalars(name)] for name in board.Tags()["scalars"]}
    assert shown == {"train/loss": [(3, 0.5), (4, 0.25)], "val/loss": [(3, 2.0)], "test/loss": [(4, 1.5)]}


def wandb_history(run: Path) -> list[dict]:
    """What was logged to Weights & Biases, call by call, from the file of its run without a network."""
    (folder,) = (run / "wandb").glob("offline-run-*")
    words = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
    lines = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()
    return [record["history"]["item"] for line in lines if (record := json.loads(line))["type"] == "history"]


def test_wandb_keeps_every_metric_and_figure_without_a_network(lab, monkeypatch, coarse_figures):
    wandb = pytest.importorskip("wandb", reason="wandb is not installed: pip install wandb")
    for name in ("CONFIG", "CACHE", "DATA"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(lab.folder / "wandb_of_the_user"))
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CONSOLE", "off")
    words = ["--trainer.log_every_n_steps=1", "--trainer.callbacks=[callbacks.LearningCurves]"]
    try:
        assert lab("fit", *DIGITS, *FEW, *words, "--trainer.logger=WandbLogger") == 0, lab.err
    finally:
        wandb.finish()  # which train.py leaves to the end of its process
    logged, pictures = {}, set()
    for items in wandb_history(lab.run()):
        for name, value in items.items():
            if name.endswith(".filenames"):
                pictures |= {name.removesuffix(".filenames")}
                (media,) = lab.run().glob(f"wandb/offline-run-*/files/{value[0]}")
                (figure,) = (lab.run() / "figures").glob(f"learning_curves_{items['trainer/global_step']}.png")
                assert media.read_bytes() == figure.read_bytes()
            elif name.partition("/")[0] in ("train", "val"):
                steps, values = logged.setdefault(name, ([], []))
                steps.append(items["trainer/global_step"])
                values.append(value)
    assert pictures == {"learning_curves"}
    assert logged == read_metrics(lab.run())
