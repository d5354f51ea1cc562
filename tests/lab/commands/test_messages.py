"""Bad input: one sentence that names the key, the value and the remedy, status 1, nothing lost."""

import json
import re

import pytest
import torch
import yaml
from running import DIGITS, ROOT, SMALL

ONCE = [*DIGITS, *SMALL, "--trainer.max_epochs=1"]

TYPED = {
    "a misspelt command": (["fti"], '"fti" is no command: choose one of .*; did you mean "fit"'),
    "a missing config": (
        ["fit", "--config", str(ROOT / "configs" / "vit_digit.yaml")],
        'does not exist. .* holds .*vit_digits.yaml, .*; did you mean "vit_digits.yaml"',
    ),
    "no config": (["fit"], "model is missing: give a config, such as --config configs/vit_digits.yaml"),
    "an unknown key": (["fit", *ONCE, "--trainr.max_epochs=3"], 'trainr.max_epochs is no key .* "trainer.max_epochs"'),
    "an unknown argument": (
        ["fit", *ONCE, "--model.net.dept=3"],
        'model.net.dept is not an argument of nets.VisionTransformer; did you mean "depth"',
    ),
    "an unknown argument of the data": (
        ["fit", *ONCE, "--data.batchsize=3"],
        'data.batchsize is not an argument of datamodules.DigitsDataModule; did you mean "batch_size"',
    ),
    "a value of a wrong type": (["fit", *ONCE, "--model.net.depth=three"], 'net.depth must be .* int, .* is "three"'),
    "a name that YAML takes for False": (
        ["predict", "--config", str(ROOT / "configs" / "surname_classifier.yaml"), "--data.names=[Smith, No]"],
        r"data.names must be .*False.* \(No, Yes, Null and the like are no words to YAML: put them in quotes\)",
    ),
    "a misspelt class": (
        ["fit", *ONCE, "--model.net=VisionTransfomer"],
        '"VisionTransfomer", which does not exist; did you mean "nets.VisionTransformer"',
    ),
    "a misspelt task": (["fit", *ONCE, "--model=LitImageClasifier"], 'did you mean "lit_models.LitImageClassifier"'),
    "a misspelt optimizer": (["fit", *ONCE, "--model.optimizer=AdmW"], 'did you mean "torch.optim.AdamW"'),
    "a misspelt module": (["fit", *ONCE, "--model.net=net.UNet"], 'the module "net", .* did you mean "nets"'),
    "a patch that does not divide": (
        ["fit", *ONCE, "--model.net.patch_size=3"],
        "patch_size=3 does not divide image_size=8: choose a patch_size of 1, 2, 4, 8",
    ),
    "too few classes": (
        ["fit", *ONCE, "--model.num_classes=5", "--model.net.num_classes=5"],
        "the data has 10 classes, the task num_classes=5 and the network 5 outputs: set .* to 10",
    ),
    "images of another size": (["fit", *ONCE, "--model.net.image_size=16"], "images must have the shape"),
    "a share out of range": (["fit", *ONCE, "--data.val_fraction=2"], "val_fraction must be in"),
    "a metric that is not logged": (["fit", *ONCE, "--monitor=val/accc"], 'monitor names "val/accc", .*val/acc'),
    "a validation that an epoch is too short for": (
        ["fit", *ONCE, "--trainer.val_check_interval=50"],
        r"val_check_interval 50 is more than the \d+ training batches of an epoch: lower it, or count the",
    ),
    "no such checkpoint": (["test", *DIGITS, "--ckpt_path=nope.ckpt"], "nope.ckpt does not exist: give a file, or"),
    "no data": (
        ["fit", "--model=LitImageClassifier", "--model.net=VisionTransformer"],
        "data is missing: give a config",
    ),
    "another strategy": (["fit", *ONCE, "--trainer.strategy=dpp"], "strategy"),
    "no GPU": (["fit", *ONCE, "--trainer.accelerator=gpu"], "asks for a GPU, .* use --trainer.accelerator auto"),
}


SEEN_LATE = ("too few classes", "images of another size", "a metric that is not logged")  # once the run has begun


@pytest.mark.parametrize("mistake", TYPED)
def test_a_mistake_is_one_sentence(lab, mistake):
    if mistake == "no GPU" and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    words, sentence = TYPED[mistake]
    assert lab(*words) == 1
    told = lab.err.split("error: ")[1]
    assert told.count("\n") == 1 and "Traceback" not in lab.err
    assert mistake in SEEN_LATE or not (lab.folder / "runs").exists()
    assert re.search(sentence, told), told


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("embed_dim", "embed_dims", 'model.net.embed_dims is not .*; did you mean "embed_dim"'),
        ("seed_everything", "seed_everthing", 'seed_everthing is no key .*; did you mean "seed_everything"'),
        ("nets.VisionTransformer", "nets.VisionTransfomer", 'did you mean "nets.VisionTransformer"'),
        ("depth: 4", "depth: [4", "no valid YAML at line 3[0-9]"),
    ],
)
def test_a_mistake_in_a_file(lab, before, after, sentence):
    text = (ROOT / "configs" / "vit_digits.yaml").read_text()
    (lab.folder / "mine.yaml").write_text(text.replace(before, after))
    assert lab("fit", "--config", "mine.yaml") == 1
    assert re.search(sentence, lab.err), lab.err


@pytest.mark.parametrize("content", [b"", b"no checkpoint"], ids=["empty", "text"])
def test_what_is_no_checkpoint_is_not_loaded(lab, content):
    (lab.folder / "x.ckpt").write_bytes(content)
    assert lab("test", *DIGITS, "--ckpt_path=x.ckpt") == 1
    assert "x.ckpt is no checkpoint that can be loaded safely" in lab.err


def test_a_checkpoint_of_another_experiment_is_refused(lab):
    assert lab("fit", *ONCE) == 0
    other = yaml.safe_load((ROOT / "configs" / "vit_digits.yaml").read_text())
    other["model"]["init_args"]["net"]["init_args"]["embed_dim"] = 32
    (lab.folder / "other.yaml").write_text(json.dumps(other))
    path = str(lab.run() / "checkpoints" / "best.ckpt")
    assert lab("test", "--config", "other.yaml", "--ckpt_path", path) == 1
    assert "is of another model: net.embed_dim 64 (config: 32)" in lab.err and "use --config" in lab.err


def test_a_typed_value_beside_a_checkpoint_is_refused_or_wins(lab):
    assert lab("fit", *ONCE) == 0
    assert lab("fit", *ONCE, "--ckpt_path=last", "--model.optimizer.lr=0.5") == 1
    assert re.search(r"--model.optimizer.lr cannot change from [\d.]+ to 0.5 in a resumed run", lab.err)
    assert lab("fit", *ONCE, "--ckpt_path=last", "--model.net.embed_dim=32") == 1
    assert "is of another model" in lab.err
    words = ["--ckpt_path=last", "--model.label_smoothing=0.1", "--trainer.max_epochs=2"]
    assert lab("fit", *ONCE, *words) == 0
    saved = torch.load(lab.run() / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["hyper_parameters"]["label_smoothing"] == 0.1
    assert saved["epoch"] == 1
