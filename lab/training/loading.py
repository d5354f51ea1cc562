"""Checkpoints are read as data: nothing in them is run."""

import zipfile
from pathlib import Path
from typing import Any

from lab.errors import LabError

ZIP = b"PK\x03\x04"  # what every checkpoint begins with


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint without unpickling anything but tensors and plain values.

    Raises:
        LabError: when the file is damaged, or no checkpoint of Lightning's.
    """
    import torch

    _refuse_torn(path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its unpickler, zip reader and storage reader happen to raise
        raise LabError(f"{path} is no checkpoint that can be loaded safely ({_first_line(error)}).") from error
    needed = {"state_dict", "global_step", "pytorch-lightning_version"}
    if not isinstance(checkpoint, dict) or not needed <= set(checkpoint):
        raise LabError(f"{path} is no checkpoint of train.py: it does not hold {', '.join(sorted(needed))}.")
    return checkpoint


def _refuse_torn(path: Path) -> None:
    """Raise LabError where the end of a checkpoint is missing: torch would say but that an argument is invalid."""
    with path.open("rb") as file:
        start = file.read(len(ZIP))
    if start and (start != ZIP or zipfile.is_zipfile(path)):
        return
    others = ", ".join(str(other) for other in sorted(path.parent.glob("[!.]*.ckpt")) if other != path)
    hint = f"beside it there is {others}" if others else "there is no other beside it, so fit anew"
    raise LabError(
        f"{path} is no checkpoint that can be loaded safely: it is damaged, since its end is missing "
        f"({path.stat().st_size} bytes); {hint}."
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:120]
