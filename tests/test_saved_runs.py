"""Runs of earlier versions are loaded, tested and resumed: those of tests/saved_runs, at least one of each task."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from running import Lab
from save_runs import save_runs

import lit_models
from lab import load_run
from lab.training.exact_resume import ExactResume
from nets.recurrent import FORMER_NAMES

SAVED = Path(__file__).parent / "saved_runs"
RUNS = sorted(path.parent for path in SAVED.glob("*/version_0/config.yaml"))
NO_BEST = SAVED / "gcn_karate_club_without_best"  # of a version that did not keep the best epoch of each replica
FEW = {"limit_train_batches": 2, "limit_val_batches": 1, "limit_test_batches": 1}


def saved(run: Path) -> dict[str, Any]:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def quiet_trainer(**arguments: Any) -> Trainer:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return Trainer(accelerator="cpu", logger=False, callbacks=[ExactResume()], **quiet, **FEW, **arguments)


def by_their_present_names(weights: dict[str, Any]) -> dict[str, Any]:
    parts = {name: name.rpartition(".") for name in weights}
    return {f"{stem}{dot}{FORMER_NAMES.get(end, end)}": weights[name] for name, (stem, dot, end) in parts.items()}


def test_there_is_a_run_of_every_task() -> None:
    tasks = {f"lit_models.{name}" for name in lit_models.__all__ if name.startswith("Lit")} - {"lit_models.LitTask"}
    assert {saved(run)["hyper_parameters"]["_class_path"] for run in RUNS} == tasks


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.parent.name)
def test_a_saved_run_is_loaded_tested_and_resumed(run: Path) -> None:
    path, before = run / "checkpoints" / "last.ckpt", saved(run)
    module, datamodule = load_run(run)
    weights = by_their_present_names(before["state_dict"])
    for name, value in module.net.state_dict().items():
        assert torch.equal(value, weights[f"net.{name}"]), name
    (tested,) = quiet_trainer().test(module, datamodule, ckpt_path=path, weights_only=True, verbose=False)
    assert 0 < tested["test/loss"] < 100
    module, trainer = load_run(run)[0], quiet_trainer(max_epochs=2)
    trainer.fit(module.train(), datamodule=datamodule, ckpt_path=path, weights_only=True)
    assert trainer.global_step == 2 * before["global_step"] > 0
    assert any(not torch.equal(one, weights[f"net.{name}"]) for name, one in module.net.named_parameters())


@pytest.mark.parametrize("command", ["test", "fit"])
def test_replicas_without_a_best_epoch_go_on_from_their_weights(lab: Lab, command: str) -> None:
    shutil.copytree(NO_BEST, lab.folder / "runs" / "gcn_karate_club")
    run = lab.run("gcn_karate_club")
    words = ["--trainer.max_epochs=2", "--trainer.default_root_dir=runs"] if command == "fit" else []
    last = str(run / "checkpoints" / "last.ckpt")
    assert lab(command, "--config", str(run / "config.yaml"), "--ckpt_path", last, *words) == 0, lab.err
    if command == "fit":
        lowest = saved(run)["state_dict"]["best.lowest"]
        assert lowest.shape == (2,) and lowest.isfinite().all()


def test_a_weight_that_is_missing_is_missed(lab: Lab) -> None:
    shutil.copytree(NO_BEST, lab.folder / "runs" / "gcn_karate_club")
    run = lab.run("gcn_karate_club")
    checkpoint = saved(run)
    del checkpoint["state_dict"]["net.layers.0.weight"]
    torch.save(checkpoint, run / "checkpoints" / "last.ckpt")
    words = ["--config", str(run / "config.yaml"), "--ckpt_path", str(run / "checkpoints" / "last.ckpt")]
    assert lab("test", *words) == 1
    assert 'Missing key(s) in state_dict: "net.layers.0.weight"' in lab.err and lab.err.count("\n") == 1


def test_the_script_leaves_runs_like_these(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHLAB_RUN_DIR", "")
    save_runs(tmp_path / "saved", ["rnn_running_average"])
    run = tmp_path / "saved" / "rnn_running_average" / "version_0"
    files = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file())
    assert files == ["checkpoints/last.ckpt", "config.yaml"]
    assert str(tmp_path) not in (run / "config.yaml").read_text()
    assert str(tmp_path).encode() not in (run / "checkpoints" / "last.ckpt").read_bytes()
    assert load_run(run)[0].hparams.keys() == load_run(SAVED / "rnn_running_average" / "version_0")[0].hparams.keys()
