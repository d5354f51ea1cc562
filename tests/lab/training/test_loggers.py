"""metrics.csv goes on where it stopped; TensorBoard and Weights & Biases have every metric."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from running import DIGITS, FEW
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lab.run_folder import read_metrics, run_dir
from lab.training.loggers import BatchedTensorBoardLogger, RunLogger


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
    logger.experiment.forget(0, 4)
    logger.log_metrics({"val/loss": 40.0}, 4)
    logger.save()
    assert read_metrics(logger.log_dir)["val/loss"] == ([0, 1, 2, 3, 4], [0.0, 1.0, 2.0, 3.0, 40.0])


def test_a_column_whose_rows_are_forgotten_keeps_its_place(tmp_path):
    logger = logger_at(tmp_path)
    logger.log_metrics({"a": 1.0}, 1)
    logger.log_metrics({"b": 2.0}, 2)
    logger.save()
    logger_at(tmp_path).experiment.forget(0, 2)
    logger = logger_at(tmp_path)
    logger.log_metrics({"a": 3.0, "c": 4.0}, 2)
    logger.save()
    assert (tmp_path / "x" / "version_0" / "metrics.csv").read_text().split() == ["a,b,c,step", "1.0,,,1", "3.0,,4.0,2"]
    assert read_metrics(logger.log_dir) == {"a": ([1, 2], [1.0, 3.0]), "c": ([2], [4.0])}


@pytest.mark.parametrize("torn", ["3", "3,0.12", "3,0.125\r", "step,val"])
def test_a_row_that_was_not_written_to_its_end_is_dropped(tmp_path, torn):
    logger = logger_at(tmp_path)
    path = tmp_path / "x" / "version_0" / "metrics.csv"
    path.parent.mkdir(parents=True)
    whole = "" if torn.startswith("step") else "step,val/loss\r\n1,0.5\r\n2,0.25\r\n"
    path.write_text(whole + torn, newline="")
    logger.experiment.forget(0, 3)
    logger.log_metrics({"val/loss": 0.75}, 3)
    logger.save()
    expected = whole or "step,val/loss\r\n"
    assert path.read_bytes().decode() == expected + "3,0.75\r\n"


def test_a_process_killed_as_it_writes_a_new_column_leaves_the_file_of_before(tmp_path, monkeypatch):
    logger = logger_at(tmp_path)
    for step in (1, 2):
        logger.log_metrics({"train/loss": 0.5}, step)
    logger.save()
    path = Path(logger.log_dir) / "metrics.csv"
    before = path.read_bytes()

    class Killed(BaseException):
        pass

    def writerows(writer, rows) -> None:
        raise Killed

    for metrics, forgotten in (({"val/loss": 1.0}, 9), ({"train/loss": 0.25}, 2)):
        again = logger_at(tmp_path)
        again.log_metrics(metrics, 3)
        with monkeypatch.context() as patch:
            patch.setattr("csv.DictWriter.writerows", writerows)
            with pytest.raises(Killed):
                again.experiment.forget(0, forgotten)
                again.save()
        assert path.read_bytes() == before


def test_the_run_folder_is_that_of_the_run_logger(tmp_path):
    trainer = SimpleNamespace(loggers=[object(), logger_at(tmp_path)])
    assert run_dir(trainer) == tmp_path / "x" / "version_0"
    assert run_dir(SimpleNamespace(loggers=[])) is None


def test_tensorboard_shows_all_metrics_of_a_step_also_after_it_was_closed(tmp_path):
    logger = BatchedTensorBoardLogger(tmp_path, name="x", version="version_0", default_hp_metric=False)
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
