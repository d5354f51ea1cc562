"""A run from end to end: its folder, its checkpoints, and every way to name them."""

import csv
import json
import signal

import pytest
import torch
import yaml
from lightning.pytorch import Callback
from running import DIGITS, FEW, NO_PICTURES, SMALL

from lab import load_run, read_metrics
from lit_models import LitImageClassifier


def test_fit_leaves_a_complete_run_folder_and_says_how_to_test_it(lab):
    assert lab("fit", *DIGITS, *FEW) == 0
    run = lab.run()
    names = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
    assert {"config.yaml", "metrics.csv", "checkpoints/best.ckpt", "checkpoints/last.ckpt"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    drawn = {name.removeprefix("figures/") for name in names if name.startswith("figures/")}
    pictures = (
        "learning_curves",
        "attention_val",
        "attention_rollout_val",
        "attention_statistics",
        "confusion_matrix_val",
        "wrong_examples_val",
    )
    assert drawn == {"data.png", *(f"{name}_6.png" for name in pictures)}
    assert "Best val/loss" in lab.out
    assert f"python train.py test --config {run.relative_to(lab.folder)}/config.yaml" in lab.out
    assert set(read_metrics(run)) >= {"train/loss", "val/loss", "val/acc"}


def test_a_run_folder_repeats_its_run(lab):
    assert lab("fit", *DIGITS, *SMALL) == 0
    assert lab("fit", "--config", str(lab.run() / "config.yaml")) == 0
    first, second = (read_metrics(lab.run(version=version)) for version in (0, 1))
    assert first == second


def test_test_takes_the_best_checkpoint_of_the_newest_run(lab):
    for _ in range(2):
        assert lab("fit", *DIGITS, *SMALL) == 0
    assert lab("test", *DIGITS, NO_PICTURES) == 0
    assert "Checkpoint: runs/vit_digits/version_1/checkpoints/best.ckpt" in lab.out
    assert "Model values from the checkpoint: net.depth 1 (config: 4)." in lab.out
    assert "test/acc" in read_metrics(lab.run(version=1))
    assert len(read_metrics(lab.run(version=1))["val/acc"][1]) == 2  # what fit wrote is still there
    assert not lab.run(version=2).exists()


@pytest.mark.parametrize("command", ["validate", "test", "predict"])
def test_an_untrained_network_is_never_scored(lab, command):
    assert lab(command, *DIGITS) == 1
    assert "no run of vit_digits in runs has a best checkpoint: run `python train.py fit`" in lab.err
    assert not lab.run().exists()


def test_test_after_fit_scores_what_test_scores(lab):
    assert lab("fit", *DIGITS, *SMALL, "--test_after_fit", "true") == 0
    assert lab("test", *DIGITS, NO_PICTURES) == 0
    losses = read_metrics(lab.run())["test/loss"][1]
    assert len(losses) == 2 and losses[0] == losses[1]


def test_validate_scores_the_checkpoint_as_fit_did(lab):
    assert lab("fit", *DIGITS, *SMALL) == 0
    assert lab("validate", *DIGITS, NO_PICTURES, "--ckpt_path", "last") == 0
    losses = read_metrics(lab.run())["val/loss"][1]
    assert losses[-1] == pytest.approx(losses[-2], rel=1e-6)


def test_predict_writes_a_row_an_image(lab):
    assert lab("fit", *DIGITS, *SMALL) == 0
    assert lab("predict", *DIGITS, NO_PICTURES) == 0
    with (lab.run() / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == list(range(360))
    for row in rows:
        probabilities = [float(row[f"probabilities_{label}"]) for label in range(10)]
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)
        assert probabilities[int(row["class"])] == float(row["probability"]) == max(probabilities)


def test_typed_values_win_over_files_wherever_they_stand(lab):
    words = ["--trainer.limit_train_batches=2", "--model.net.depth=1", "--trainer.callbacks=[]"]
    assert lab("fit", "--trainer.max_epochs=1", *DIGITS, *words) == 0
    config = yaml.safe_load((lab.run() / "config.yaml").read_text())
    assert config["trainer"]["max_epochs"] == 1


def test_short_class_names(lab):
    words = ["--model", "LitImageClassifier", "--model.net", "VisionTransformer", "--model.net.image_size=8"]
    data = ["--model.net.patch_size=4", "--model.net.depth=1", "--data", "DigitsDataModule"]
    assert lab("fit", *words, *data, "--trainer.max_epochs=1", "--trainer.limit_train_batches=2") == 0
    assert lab.run("LitImageClassifier-DigitsDataModule").is_dir()


def test_print_config_shows_everything(lab):
    assert lab("fit", *DIGITS, "--print_config") == 0
    printed = yaml.safe_load(lab.out)
    assert printed["model"]["init_args"]["net"]["init_args"]["patch_size"] == 2
    assert not (lab.folder / "runs").exists()


def test_last_on_a_first_run_starts_afresh_and_then_resumes(lab):
    assert lab("fit", *DIGITS, *SMALL, "--ckpt_path", "last") == 0
    assert "starting afresh" in lab.out
    before = read_metrics(lab.run())["val/loss"]
    assert lab("fit", *DIGITS, *SMALL, "--ckpt_path", "last", "--trainer.max_epochs=4") == 0
    steps, values = read_metrics(lab.run())["val/loss"]
    assert steps == [2, 5, 8, 11]
    assert (steps[:2], values[:2]) == before
    assert not lab.run(version=1).exists()


def test_a_resumed_run_ends_as_an_uninterrupted_one(lab):
    words = [*DIGITS, *SMALL, "--model.scheduler=null", "--data.augmentation=null"]
    assert lab("fit", *words, "--trainer.max_epochs=4") == 0
    assert lab("fit", *words, "--trainer.max_epochs=2") == 0
    assert lab("fit", *words, "--trainer.max_epochs=4", "--ckpt_path", "last") == 0
    paths = [lab.run(version=version) / "checkpoints" / "last.ckpt" for version in (0, 1)]
    whole, resumed = (torch.load(path, weights_only=True)["state_dict"] for path in paths)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_run_stopped_within_an_epoch_sees_the_rest_of_it(lab):
    words = [*DIGITS, *SMALL, "--model.scheduler=null", "--data.augmentation=null"]
    watcher = json.dumps({"class_path": f"{__name__}.RaiseSignal", "init_args": {"name": "SIGTERM", "step": 4}})
    assert lab("fit", *words) == 0
    assert lab("fit", *words, f"--trainer.callbacks+={watcher}") == 143
    assert lab("fit", *words, "--ckpt_path", "last") == 0
    paths = [lab.run(version=version) / "checkpoints" / "last.ckpt" for version in (0, 1)]
    whole, resumed = (torch.load(path, weights_only=True)["state_dict"] for path in paths)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_run_folder_is_resumed_by_its_own_config(lab):
    for _ in range(2):
        assert lab("fit", *DIGITS, *SMALL) == 0
    words = ["--config", str(lab.run() / "config.yaml"), "--ckpt_path", "last", "--trainer.max_epochs=3"]
    assert lab("fit", *words) == 0
    assert [len(read_metrics(lab.run(version=version))["val/loss"][1]) for version in (0, 1)] == [3, 2]


def test_a_checkpoint_is_scored_on_the_samples_it_was_kept_from(lab):
    assert lab("fit", *DIGITS, *SMALL, "--data.seed=1") == 0
    assert lab("validate", *DIGITS, NO_PICTURES) == 0
    losses = read_metrics(lab.run())["val/loss"][1]
    assert min(losses[:-1]) == pytest.approx(losses[-1], rel=1e-5)
    assert lab("validate", *DIGITS, NO_PICTURES, "--data.seed=2") == 1
    assert "--data.seed cannot change from 1 to 2 beside this checkpoint" in lab.err


def test_a_checkpoint_reloads_by_itself_and_scores_the_same(lab):
    assert lab("fit", *DIGITS, *SMALL, "--test_after_fit=true") == 0
    path = lab.run() / "checkpoints" / "best.ckpt"
    module = LitImageClassifier.load_from_checkpoint(path, weights_only=True).eval()
    loaded, datamodule = load_run(lab.run())
    datamodule.setup("test")
    images, labels = datamodule.datasets["test"].tensors
    with torch.no_grad():
        logits = module(images)
        assert torch.equal(logits, loaded(images))
    accuracy = (logits.argmax(dim=1) == labels).float().mean().item()
    assert read_metrics(lab.run())["test/acc"][1] == [pytest.approx(accuracy, abs=1e-6)]


def test_the_optimizer_of_a_config_gets_no_argument_of_another(lab):
    words = ["--model.optimizer=null", "--model.optimizer=SGD", "--model.optimizer.lr=0.1", "--model.scheduler=null"]
    assert lab("fit", *DIGITS, *SMALL, *words) == 0
    optimizer = yaml.safe_load((lab.run() / "config.yaml").read_text())["model"]["init_args"]["optimizer"]
    assert optimizer["class_path"] == "torch.optim.SGD"
    assert optimizer["init_args"]["weight_decay"] == 0 and optimizer["init_args"]["momentum"] == 0


class RaiseSignal(Callback):
    """Sends this process a signal after a step, as a scheduler or a person would."""

    def __init__(self, name: str, step: int) -> None:
        self.name, self.step = name, step

    def on_train_batch_end(self, trainer, *args) -> None:
        if trainer.global_step == self.step:
            signal.raise_signal(getattr(signal, self.name))


class Poison(Callback):
    """Makes a weight NaN after a step, as an exploding gradient would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, pl_module, *args) -> None:
        if trainer.global_step == self.step:
            pl_module.net.head.weight.data[0, 0] = float("nan")


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_stops_between_two_batches_and_saves(lab, name, status):
    watcher = json.dumps({"class_path": f"{__name__}.RaiseSignal", "init_args": {"name": name, "step": 4}})
    assert lab("fit", *DIGITS, *SMALL, f"--trainer.callbacks+={watcher}") == status
    assert "is saved" in lab.out and "--ckpt_path runs/vit_digits/version_0/checkpoints/last.ckpt" in lab.out
    saved = torch.load(lab.run() / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 4
    assert lab("fit", *DIGITS, *SMALL, "--ckpt_path", "last") == 0
    assert torch.load(lab.run() / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 6


@pytest.mark.parametrize(
    ("step", "told"),
    [(7, "the loss became nan at step 7 (epoch 2)"), (9, "val/loss became nan (epoch 2)")],
    ids=["within an epoch", "at its last step"],
)
def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint(lab, step, told, monkeypatch):
    # these epochs are too short for each to be kept
    monkeypatch.setattr("lab.training.checkpoint_callback.ThrottledCheckpoint.WAIT", 0)
    watcher = json.dumps({"class_path": f"{__name__}.Poison", "init_args": {"step": step}})
    assert lab("fit", *DIGITS, *SMALL, "--trainer.max_epochs=9", f"--trainer.callbacks+={watcher}") == 1
    assert told in lab.err and "last good checkpoint is" in lab.err
    saved = torch.load(lab.run() / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 6
    assert all(value.isfinite().all() for value in saved["state_dict"].values())


@pytest.mark.parametrize(
    "words",
    [
        ["--trainer.precision=bf16-mixed", "--trainer.accumulate_grad_batches=2"],
        pytest.param(["--compile=true"], marks=pytest.mark.slow),
    ],
)
def test_what_the_trainer_gives_works(lab, words):
    assert lab("fit", *DIGITS, *SMALL, "--test_after_fit=true", *words) == 0, lab.err
    assert 0 <= read_metrics(lab.run())["test/acc"][1][0] <= 1
    assert lab("test", *DIGITS, NO_PICTURES) == 0  # the checkpoint of a compiled network is that of the network


def test_download_fetches_data_and_trains_nothing(lab):
    assert lab("download", *DIGITS) == 0
    assert "The data is in place." in lab.out
    assert not (lab.folder / "runs").exists()
