"""What a notebook begins with: a trained network and its data."""

import importlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import LabError
from lab.files import PROJECT_ROOT
from lab.printed_commands import command_line
from lab.run_folder import RunFolder, runs_of
from lab.training.loading import load_checkpoint
from lab.training.resume_target import newest_checkpoint

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule, LightningModule


def load_or_train(
    name: str, root: str | Path = "runs", options: Sequence[str] = ()
) -> "tuple[LightningModule, LightningDataModule]":
    """Load the newest run of a config that has a best checkpoint; it is trained first where there is none.

    A training without a validation leaves a last checkpoint alone, which is loaded right after it.

    Args:
        name: the name of the config, that of ``configs/<name>.yaml``.
        root: the folder of the runs, from the root of the repository.
        options: what to type behind ``python train.py fit --config configs/<name>.yaml`` if it must be trained.

    Returns:
        what ``load_run`` returns.

    Raises:
        LabError: when there is no such config, or its training leaves no checkpoint.
    """
    config = PROJECT_ROOT / "configs" / f"{name}.yaml"
    if not config.is_file():
        raise LabError(f"there is no configs/{name}.yaml: give the name of a config, such as vit_digits.")
    run = _newest(PROJECT_ROOT / root, name, "best")
    if run is None:
        command = ["train.py", "fit", "--config", str(config), "--trainer.default_root_dir", str(root), *options]
        print("$", command_line(*command), flush=True)
        subprocess.run([sys.executable, *command], cwd=PROJECT_ROOT, check=False)
        run = _newest(PROJECT_ROOT / root, name)
    if run is None:
        raise LabError(f"the training of {name} left no checkpoint: type the command above in a terminal to see why.")
    return load_run(run)


def load_run(run_dir: str | Path) -> "tuple[LightningModule, LightningDataModule]":
    """The trained module and the datamodule of a finished run, for a notebook.

    The module has the weights of the best checkpoint (the last one when there is no best), is on the CPU and in
    evaluation mode; the datamodule has yet to be set up (``datamodule.prepare_data(); datamodule.setup("test")``).

    Args:
        run_dir: a run folder, ``runs/<config name>/version_<n>``, as ``train.py fit`` leaves it.

    Raises:
        LabError: when the folder holds no ``config.yaml`` or no checkpoint, or one that is damaged or no mere data.
    """
    from jsonargparse import ArgumentParser
    from lightning.pytorch import LightningDataModule

    run = RunFolder(Path(run_dir))
    checkpoint = run.checkpoint("best") or run.checkpoint("last")
    if checkpoint is None or not run.config:
        raise LabError(f"{run} is no finished run: it must hold config.yaml and checkpoints/best.ckpt.")
    config, saved = run.config, load_checkpoint(checkpoint)
    room, class_name = config["model"]["class_path"].rsplit(".", 1)
    module_class = getattr(importlib.import_module(room), class_name)
    module = module_class.load_from_checkpoint(checkpoint, map_location="cpu", weights_only=True)
    parser = ArgumentParser()
    parser.add_subclass_arguments(LightningDataModule, "data")
    datamodule = parser.instantiate(parser.parse_object({"data": config["data"]})).data
    state = saved.get(type(datamodule).__qualname__)
    if state:
        datamodule.load_state_dict(state)  # what the numbers of the classes stand for
    if hasattr(module, "use_best"):
        module.use_best()
    return module.eval(), datamodule


def _newest(root: Path, name: str, kind: str | None = None) -> Path | None:
    found = newest_checkpoint(runs_of(root, name), kind)
    return found and found.parent.parent
