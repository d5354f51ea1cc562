"""What a notebook begins with: a trained network and its data."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lab.checkpoints import newest_checkpoint
from lab.errors import LabError
from lab.files import HOUSE
from lab.runs import load_run, run_versions

if TYPE_CHECKING:
    from lightning.pytorch import LightningDataModule, LightningModule


def load_or_train(
    name: str, root: str | Path = "runs", words: Sequence[str] = ()
) -> "tuple[LightningModule, LightningDataModule]":
    """Load the newest run of a config that has a best checkpoint; it is trained first where there is none.

    A training without a validation leaves a last checkpoint alone, which is loaded right after it.

    Args:
        name: the name of the config, that of ``configs/<name>.yaml``.
        root: the folder of the runs, from the root of the repository.
        words: what to type behind ``python train.py fit --config configs/<name>.yaml`` if it must be trained.

    Returns:
        what ``load_run`` returns.

    Raises:
        LabError: when there is no such config, or its training leaves no checkpoint.
    """
    config = HOUSE / "configs" / f"{name}.yaml"
    if not config.is_file():
        raise LabError(f"there is no configs/{name}.yaml: give the name of a config, such as vit_digits.")
    run = _newest(HOUSE / root, name, "best")
    if run is None:
        command = ["train.py", "fit", "--config", str(config), "--trainer.default_root_dir", str(root), *words]
        print("$ python " + " ".join(command), flush=True)
        subprocess.run([sys.executable, *command], cwd=HOUSE, check=False)
        run = _newest(HOUSE / root, name)
    if run is None:
        raise LabError(f"the training of {name} left no checkpoint: type the command above in a terminal to see why.")
    return load_run(run)


def _newest(root: Path, name: str, kind: str | None = None) -> Path | None:
    found = newest_checkpoint([run for _, run in run_versions(root, name)], kind)
    return found and found.parent.parent
