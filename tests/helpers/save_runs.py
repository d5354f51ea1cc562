"""Small finished runs of every task, as this version leaves them: ``python tests/helpers/save_runs.py FOLDER``.

Those of ``tests/saved_runs`` are kept as they are, so that what later versions cannot load is noticed.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parent.parent.parent
TINY = {
    "vit_digits": ["embed_dim=4", "depth=1", "num_heads=1", "head_dim=4", "mlp_dim=4"],
    "autoencoder_gaussian": ["input_dim=8", "hidden_dims=[2]"],
    "rnn_running_average": ["hidden_size=4", "num_layers=1"],
    "surname_classifier": ["hidden_size=4", "num_layers=1", "dropout=0", "cell=rnn"],
    "surname_generator": ["hidden_size=4", "embed_dim=4", "dropout=0"],
    "gcn_karate_club": ["hidden_channels=[2]"],
    "unet_shapes": ["base_channels=2", "depth=1"],
}
SGD = ["--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.1"]  # of many tensors, no state of each
OTHERS = {
    "vit_digits": SGD,
    "autoencoder_gaussian": ["--data.input_dim=8", "--data.num_high_variance=2", "--data.num_samples=100"],
    "rnn_running_average": ["--data.num_batches=2"],
    "gcn_karate_club": ["--model.num_replicas=2"],
    "unet_shapes": ["--data.num_train=32", "--data.num_eval=4", "--data.image_size=16", *SGD],
}
KEEPS_RANDOM_STATES = ("gcn_karate_club",)
FEW = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1"]
QUIET = [
    "--trainer.accelerator=cpu",
    "--trainer.callbacks=[]",
    "--trainer.logger=false",
    "--trainer.log_every_n_steps=1",
]


def save_runs(folder: Path, names: Iterable[str] = TINY) -> None:
    """Fit configs and leave of each run its config and its last checkpoint, without the folder that it ran in."""
    from lab.commands.main import main

    folder.mkdir(parents=True)
    os.chdir(folder)
    for name in names:
        os.environ.pop("ARCHLAB_RUN_DIR", None)
        net = [f"--model.net.{size}" for size in TINY[name]]
        config = ["--config", str(ROOT / "configs" / f"{name}.yaml"), "--trainer.default_root_dir=."]
        assert main(["fit", *config, *net, *OTHERS.get(name, []), *FEW, *QUIET]) == 0
        run = folder / name / "version_0"
        for file in ("checkpoints/best.ckpt", "overrides.yaml", "metrics.csv", "data.yaml", "duration.yaml"):
            (run / file).unlink()
        last = run / "checkpoints" / "last.ckpt"
        checkpoint = _without_folder(torch.load(last, weights_only=True), f"{folder.resolve()}/")
        if name not in KEEPS_RANDOM_STATES:
            del checkpoint["random_states"]  # half of a small file
        torch.save(checkpoint, last)


def _without_folder(value: Any, folder: str) -> Any:
    if isinstance(value, dict) and not hasattr(value, "_metadata"):
        return {_without_folder(key, folder): _without_folder(item, folder) for key, item in value.items()}
    return value.replace(folder, "") if isinstance(value, str) else value


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    save_runs(Path(sys.argv[1]))
