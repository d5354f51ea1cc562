"""Every experiment runs: each config for two batches, with and without the presets; the demo begins as committed."""

import struct
from pathlib import Path

import numpy as np
import pytest
from first_losses import first_losses
from image_files import write_classes, write_membrane, write_pets, write_png
from planetoid_raw import write_planetoid
from running import DIGITS

from lab import read_metrics

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
PRESETS = sorted((ROOT / "configs" / "presets").glob("*.yaml"))
TWO_BATCHES = ["--trainer.limit_train_batches=2", "--trainer.limit_val_batches=2", "--trainer.max_epochs=1"]
TWO_BATCHES += ["--trainer.limit_test_batches=2", "--trainer.limit_predict_batches=2", "--trainer.accelerator=cpu"]
SMALLER = {
    "shapes": ["--data.num_train=64", "--data.num_eval=16"],
    "surname_classifier": ["--model.net.hidden_size=16"],
}
SMALLER |= {"image_folder": ["--data.folder=pictures"], "image_pairs": ["--data.folder=membrane/train"]}


@pytest.fixture(scope="module")
def data_root(tmp_path_factory) -> Path:
    """A folder of data sets in the layout of the real ones, with a few random images."""
    root = tmp_path_factory.mktemp("data")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split, length in {"train": 256, "t10k": 32}.items():
        header = struct.pack(">4B3I", 0, 0, 8, 3, length, 28, 28)
        (raw / f"{split}-images-idx3-ubyte").write_bytes(header + rng.bytes(length * 784))
        labels = (np.arange(length) % 10).astype(np.uint8).tobytes()
        (raw / f"{split}-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, length) + labels)
    write_planetoid(root / "Planetoid" / "Cora" / "raw", num_features=1433)
    write_membrane(root, num_slices=10, size=256)
    write_pets(root)
    write_classes(root / "pictures", dict.fromkeys("abcdefghij", 6))
    write_png(root / "pictures" / "a" / "0.png", rng.integers(256, size=(40, 30, 3)))
    return root


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_a_config_runs_two_batches_of_every_stage(lab, data_root, monkeypatch, coarse_figures, config):
    monkeypatch.setenv("ARCHLAB_DATA", str(data_root))
    smaller = [word for part, words in SMALLER.items() if part in config.stem for word in words]
    words = ["--config", str(config), *TWO_BATCHES, *smaller]
    assert lab("fit", *words, "--test_after_fit=true") == 0, lab.err  # it validates too, and draws its pictures
    assert lab("predict", *words, "--trainer.callbacks=[]") == 0, lab.err  # from its checkpoint
    results = lab.run(config.stem) / "evaluations"  # of a part of the batches
    assert any(name.startswith("test/") for name in read_metrics(results / "limit_test_batches=2"))
    assert (results / "limit_predict_batches=2" / "predictions.csv").is_file()


@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_a_preset_layers_over_a_config(lab, preset):
    if preset.stem == "two_processes":  # run for real in tests/lab/commands/test_main.py
        assert lab("fit", *DIGITS, "--config", str(preset), "--print_config") == 0
        return
    words = ["--trainer.callbacks=[]", "--model.net.depth=1", "--data.batch_size=512", "--trainer.max_epochs=1"]
    assert lab("fit", *DIGITS, "--config", str(preset), *words) == 0, lab.err
    assert lab.run().is_dir() == (preset.stem != "debug")


def test_overfit_learns_its_batches_by_heart(lab):
    preset = ROOT / "configs" / "presets" / "overfit.yaml"
    assert lab("fit", *DIGITS, "--config", str(preset), "--trainer.callbacks=[]", "--data.augmentation=null") == 0
    assert read_metrics(lab.run())["train/loss"][1][-1] < 0.2


def test_the_first_losses_are_those_committed():
    committed = (Path(__file__).parent / "first_losses.txt").read_text().split()
    assert first_losses() == pytest.approx([float(loss) for loss in committed], rel=2e-3)
