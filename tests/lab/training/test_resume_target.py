"""Two models held against each other."""

from pathlib import Path

import pytest

from lab.errors import LabError
from lab.training.resume_target import checkpoint_path, compare_models, refuse_resplit, refuse_restored

HERE = Path("runs/x/version_0/checkpoints/best.ckpt")


def model(depth: int = 4, net: str = "nets.VisionTransformer", lr: float = 0.1) -> dict:
    return {
        "class_path": "lit_models.LitImageClassifier",
        "init_args": {
            "net": {"class_path": net, "init_args": {"depth": depth}},
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": lr, "betas": [0.9, 0.99]}},
        },
    }


def test_equal_models_need_no_word():
    assert compare_models(HERE, model(), model(), "x") is None
    refuse_restored(model(), model())


def test_a_run_of_the_same_experiment_decides_and_says_so():
    note = compare_models(HERE, model(depth=2), model(), "x")
    assert note == "Model values from the checkpoint: net.depth 2 (config: 4)."


def test_another_network_or_another_experiment_is_refused():
    with pytest.raises(LabError, match=r"of another model: net.class_path nets.UNet"):
        compare_models(HERE, model(net="nets.UNet"), model(), "x")
    with pytest.raises(LabError, match=r"net.depth 2 \(config: 4\); use --config runs/x/version_0/config.yaml"):
        compare_models(HERE, model(depth=2), model(), "y")


def test_the_state_of_an_optimizer_is_not_overruled():
    with pytest.raises(LabError, match=r"--model.optimizer.lr cannot change from 0.1 to 0.5 in a resumed run"):
        refuse_restored(model(lr=0.5), model())


def test_a_schedule_may_become_longer_but_no_other():
    def scheduled(**arguments):
        scheduler = {"class_path": "torch.optim.lr_scheduler.CosineAnnealingLR", "init_args": arguments}
        return {"class_path": "lit_models.LitImageClassifier", "init_args": {"scheduler": scheduler}}

    refuse_restored(scheduled(T_max=4, eta_min=0.0), scheduled(T_max=2, eta_min=0.0))
    with pytest.raises(LabError, match=r"--model.scheduler.eta_min cannot change from 0.0 to 0.1 in a resumed run"):
        refuse_restored(scheduled(T_max=4, eta_min=0.1), scheduled(T_max=2, eta_min=0.0))


def test_other_samples_beside_a_checkpoint_are_refused():
    saved = {"seed_everything": 0, "data": {"class_path": "D", "init_args": {"seed": 0, "val_fraction": 0.1}}}
    refuse_resplit(0, saved["data"], saved)
    refuse_resplit(None, saved["data"], saved)
    other = {"class_path": "D", "init_args": {"seed": 1, "val_fraction": 0.1}}
    with pytest.raises(LabError, match=r"--data.seed cannot change from 0 to 1 beside this checkpoint"):
        refuse_resplit(None, other, saved)
    for key, value in {"test_fraction": 0.5, "deduplicate": False, "source": "files", "fold": 2}.items():
        other = {"class_path": "D", "init_args": {**saved["data"]["init_args"], key: value}}
        with pytest.raises(LabError, match=rf"--data.{key} cannot change from None to {value} beside"):
            refuse_resplit(None, other, saved)
    with pytest.raises(LabError, match=r"--seed_everything cannot change from 0 to 1"):
        refuse_resplit(1, saved["data"], saved)


def test_a_checkpoint_is_a_path_or_a_word(tmp_path):
    assert checkpoint_path("fit", None, tmp_path, "x") is None
    assert checkpoint_path("fit", "last", tmp_path, "x") is None
    with pytest.raises(LabError, match=r"no run of x in .* has a best checkpoint"):
        checkpoint_path("fit", "best", tmp_path, "x")
    for version in (1, 2):
        path = tmp_path / "x" / f"version_{version}" / "checkpoints" / "last.ckpt"
        path.parent.mkdir(parents=True)
        path.touch()
    assert checkpoint_path("fit", "last", tmp_path, "x") == path
    older = path.parents[2] / "version_1"
    assert checkpoint_path("fit", "last", tmp_path, "x", older) == older / "checkpoints" / "last.ckpt"


def test_without_a_word_it_is_the_best_or_else_the_last_of_the_newest_run(tmp_path):
    folders = [tmp_path / "x" / f"version_{version}" / "checkpoints" for version in (0, 1, 2)]
    for folder in folders:
        folder.mkdir(parents=True)
    (folders[0] / "best.ckpt").touch()
    (folders[1] / "last.ckpt").touch()  # and the newest run has none yet
    assert checkpoint_path("test", None, tmp_path, "x") == folders[1] / "last.ckpt"
    assert checkpoint_path("test", "best", tmp_path, "x") == folders[0] / "best.ckpt"
    (folders[1] / "best.ckpt").touch()
    assert checkpoint_path("predict", None, tmp_path, "x") == folders[1] / "best.ckpt"
    with pytest.raises(LabError, match=r"has a best checkpoint: .*last.ckpt is there: give it, or --ckpt_path last"):
        folders[1].joinpath("best.ckpt").unlink()
        checkpoint_path("test", "best", tmp_path, "x", folders[1].parent)
