"""Checkpoints: which one is meant, whether it is one, and which model it holds."""

from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.runs import run_of_checkpoint, run_versions

LISTED = 3


def newest_checkpoint(root: Path, name: str, kind: str) -> Path | None:
    """The "best" or "last" checkpoint of the newest run of a config that has one."""
    paths = (folder / "checkpoints" / f"{kind}.ckpt" for _, folder in run_versions(root, name))
    return next((path for path in paths if path.is_file()), None)


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
    if not isinstance(checkpoint, dict) or "state_dict" not in checkpoint:
        raise LabError(f"{path} is no checkpoint of train.py: it holds no state_dict.")
    return checkpoint


def saved_model(checkpoint: dict[str, Any]) -> dict[str, Any] | None:
    """The class path and the arguments of the model in a checkpoint, or None for one saved from Python."""
    hparams = checkpoint.get("hyper_parameters") or {}
    if "_class_path" not in hparams:
        return None
    arguments = {key: value for key, value in hparams.items() if not key.startswith("_")}
    return {"class_path": hparams["_class_path"], "init_args": arguments}


def refuse_restored(model: dict[str, Any], saved: dict[str, Any]) -> None:
    """Refuse a typed value that the restored state of the optimizer or of the schedule would overwrite.

    Args:
        model: the model to build, typed values over those of the checkpoint.
        saved: the model of the checkpoint.

    Raises:
        LabError: when they differ in the optimizer or the scheduler.
    """
    before, after = _flat(saved), _flat(model)
    for key in {**before, **after}:
        if key.startswith(("optimizer", "scheduler")) and before.get(key) != after.get(key):
            raise LabError(
                f"--model.{key} cannot change from {before.get(key)} to {after.get(key)} in a resumed run, since the "
                f"state of the optimizer and its schedule is restored from the checkpoint: leave it out, or leave "
                f"--ckpt_path out to start a new run."
            )


def compare_models(path: Path, saved: dict[str, Any], configured: dict[str, Any], run_name: str) -> str | None:
    """Hold the model to build, that of a checkpoint, against that of the config.

    Returns:
        a note of the values that the checkpoint decides, or None where both agree.

    Raises:
        LabError: when the checkpoint is that of another model.
    """
    before, after = _flat(configured), _flat(saved)
    keys = [key for key in after if before.get(key) != after[key]]
    if not keys:
        return None
    listed = ", ".join(f"{key} {after[key]} (config: {before.get(key)})" for key in keys[:LISTED])
    if len(keys) > LISTED:
        listed += f" and {len(keys) - LISTED} more"
    run = run_of_checkpoint(path)
    foreign = run is not None and run.parent.name != run_name and any(key.startswith("net.") for key in keys)
    if foreign or any(key.endswith("class_path") and key != "scheduler.class_path" for key in keys):
        hint = f"use --config {run / 'config.yaml'}" if run else "use the config that it was trained with"
        raise LabError(f"the checkpoint {path} is of another model: {listed}; {hint}.")
    return f"Model values from the checkpoint: {listed}."


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested arguments as one level of dotted keys, without the class_path/init_args levels in between."""
    flat = {}
    for key, value in tree.items():
        if key == "init_args":
            flat |= _flat(value or {}, prefix)
        elif isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat


def _first_line(error: Exception) -> str:
    return (str(error).strip().split("\n")[0] or type(error).__name__)[:120]
