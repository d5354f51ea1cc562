"""Checkpoints are read as data: nothing in them is run."""

from pathlib import Path
from typing import Any

from lab.errors import LabError


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint without unpickling anything but tensors and plain values.

    Raises:
        LabError: when the file is no checkpoint of Lightning's.
    """
    import torch

    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what its unpickler, zip reader and storage reader happen to raise
        raise LabError(f"{path} is no checkpoint that can be loaded safely ({_first_line(error)}).") from error
    needed = {"state_dict", "global_step", "pytorch-lightning_version"}
    if not isinstance(checkpoint, dict) or not needed <= set(checkpoint):
        raise LabError(f"{path} is no checkpoint of train.py: it does not hold {', '.join(sorted(needed))}.")
    return checkpoint


def _first_line(error: Exception) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:120]
