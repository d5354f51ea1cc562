"""Every callback that Lightning exports works from fit to test and resumes, or is refused in a sentence."""

import json

import lightning.pytorch.callbacks as lightning_callbacks
import pytest
import torch
from lightning.pytorch.callbacks import BaseFinetuning
from running import DIGITS, ROOT, SMALL

from lab import read_metrics
from lab.errors import LabError
from lab.training.callback_rules import check_callbacks

REFUSED = {
    "BackboneFinetuning": ({}, r"unfreezes model.backbone, which LitImageClassifier does not have"),
    "BatchSizeFinder": ({}, r"another batch size than config.yaml says: leave it out, type --data.batch_size"),
    "LearningRateFinder": ({}, r"another learning rate than config.yaml says: .* type --model.optimizer.lr"),
    "ModelPruning": ({"pruning_fn": "l1_unstructured"}, r"no checkpoint holds its masks: leave it out"),
    "OnExceptionCheckpoint": ({"dirpath": "broken"}, r"a later fit begin with what an earlier one left"),
    "SpikeDetection": ({}, r"cannot load its own state"),
    "StochasticWeightAveraging": ({"swa_lrs": 0.1}, r"type lightning.pytorch.callbacks.WeightAveraging or"),
}
TOGETHER = {
    "DeviceStatsMonitor": {},
    "EarlyStopping": {"monitor": "val/loss"},
    "GradientAccumulationScheduler": {"scheduling": {"1": 2}},
    "LambdaCallback": {},
    "LearningRateMonitor": {},
    "ModelCheckpoint": {"filename": "{epoch}", "monitor": "val/acc", "mode": "max"},
    "RichModelSummary": {},
    "ThroughputMonitor": {"batch_size_fn": "builtins.len"},
    "Timer": {"duration": "00:01:00:00"},
    "TQDMProgressBar": {},
}
IN_OTHER_TESTS = {
    "EMAWeightAveraging",
    "WeightAveraging",
    "RichProgressBar",
    "ModelSummary",
}  # the last are Lightning's defaults
BASES = {"BaseFinetuning", "BasePredictionWriter", "Callback", "Checkpoint", "ProgressBar"}


class FreezeHead(BaseFinetuning):
    """A person's own callback: the head is learnt in the second epoch and then on."""

    def freeze_before_training(self, pl_module) -> None:
        self.freeze(pl_module.net.head)

    def finetune_function(self, pl_module, epoch, optimizer) -> None:
        if epoch == 1:
            self.unfreeze_and_add_param_group(pl_module.net.head, optimizer)


def test_each_callback_of_lightning_has_its_verdict():
    assert {*REFUSED, *TOGETHER, *IN_OTHER_TESTS, *BASES} == set(lightning_callbacks.__all__)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_work_says_what_to_type(name, make_trainer, tiny_task, tmp_path):
    arguments, sentence = REFUSED[name]
    callback = getattr(lightning_callbacks, name)(**arguments)
    trainer = make_trainer(callbacks=[callback], enable_checkpointing=True, default_root_dir=tmp_path)
    with pytest.raises(LabError, match=rf"the callback {name} .*{sentence}"):
        check_callbacks("fit", trainer, tiny_task(), ())


def test_a_backbone_that_is_there_is_unfrozen(make_trainer, tiny_task):
    task = tiny_task()
    task.backbone = task.net
    check_callbacks("fit", make_trainer(callbacks=[lightning_callbacks.BackboneFinetuning()]), task, ())


@pytest.mark.parametrize(
    ("callback", "settings", "sentence"),
    [
        (
            lambda: lightning_callbacks.EarlyStopping("val/acc"),
            {"limit_val_batches": 0},
            r"but trainer.limit_val_batches is 0",
        ),
        (
            lambda: lightning_callbacks.EarlyStopping("val/acc"),
            {"check_val_every_n_epoch": 2},
            r"check_val_every_n_epoch 2 is more",
        ),
        (
            lambda: lightning_callbacks.ModelCheckpoint(filename="best"),
            {},
            r"would write best.ckpt in .*another filename",
        ),
        (
            lambda: lightning_callbacks.ModelCheckpoint(save_last=True),
            {},
            r"would write last.ckpt in .*without save_last",
        ),
    ],
)
def test_what_a_setting_makes_void_is_told(callback, settings, sentence, make_trainer, tiny_task, tmp_path):
    trainer = make_trainer(callbacks=[callback()], enable_checkpointing=True, default_root_dir=tmp_path, **settings)
    with pytest.raises(LabError, match=sentence):
        check_callbacks("fit", trainer, tiny_task(), ())
    check_callbacks("test", trainer, tiny_task(), ())


def test_the_others_fit_resume_test_and_repeat_their_run(lab):
    callbacks = [
        {"class_path": f"lightning.pytorch.callbacks.{name}", "init_args": TOGETHER[name]} for name in TOGETHER
    ]
    callbacks.append({"class_path": f"{__name__}.FreezeHead"})
    words = [
        *DIGITS,
        *SMALL,
        "--model.scheduler=null",
        *(f"--trainer.callbacks+={json.dumps(item)}" for item in callbacks),
    ]
    assert lab("fit", *words, "--trainer.max_epochs=3", "--test_after_fit=true") == 0, lab.err
    assert lab("fit", *words) == 0, lab.err
    assert lab("fit", *words, "--trainer.max_epochs=3", "--ckpt_path=last", "--test_after_fit=true") == 0, lab.err
    assert lab("fit", "--config", str(lab.run() / "config.yaml")) == 0, lab.err
    for version in (1, 2):
        states = [
            torch.load(lab.run(version=number) / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
            for number in (0, version)
        ]
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
        metrics = [read_metrics(lab.run(version=number)) for number in (0, version)]
        assert metrics[0]["test/loss"] == metrics[1]["test/loss"]


def test_a_metric_that_is_not_logged_stops_early_stopping_with_a_sentence(lab):
    callback = {"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": {"monitor": "val/l_loss"}}
    assert lab("fit", *DIGITS, *SMALL, f"--trainer.callbacks+={json.dumps(callback)}") == 1
    assert "EarlyStopping watches val/l_loss, which is not logged; choose one of `val/loss`" in lab.err


def test_replicas_train_with_callbacks_that_watch(lab):
    config = ["--config", str(ROOT / "configs" / "autoencoder_digits.yaml"), "--trainer.max_epochs=2"]
    names = ("Timer", "LearningRateMonitor", "GradientAccumulationScheduler")
    made = [{"class_path": f"lightning.pytorch.callbacks.{name}", "init_args": TOGETHER[name]} for name in names]
    words = [*config, "--trainer.limit_train_batches=2", "--trainer.accelerator=cpu", "--trainer.callbacks=[]"]
    words += [f"--trainer.callbacks+={json.dumps(item)}" for item in made]
    assert lab("fit", *words) == 0, lab.err
    assert "test/loss" in read_metrics(lab.run("autoencoder_digits"))
