"""Checkpoints: which one is meant, whether it is one, and which model it holds."""

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.run_folder import RunFolder, runs_of

LISTED = 3
LENGTHS = ("total_steps", "epochs", "steps_per_epoch", "T_max", "total_iters", "milestones")  # as stated now they count


def checkpoint_path(
    command: str, given: str | Path | None, root: Path, name: str, run: Path | None = None
) -> Path | None:
    """The checkpoint that a command starts from: a path, or the "best" or "last" one of the newest run of a config.

    Args:
        command: fit, validate, test or predict.
        given: what --ckpt_path says; None stands for a fresh start of fit, and elsewhere for the best checkpoint of the
            newest run that has any, or its last one where no validation has picked a best.
        root: the folder of all runs.
        name: the name of the config.
        run: the run folder that "best" and "last" are taken from; the newest run of the config when None.

    Raises:
        LabError: when there is no such file.
    """
    if given is None and command == "fit":
        return None
    if given not in (None, "best", "last"):
        path = Path(given)
        if not path.is_file():
            raise LabError(f"the checkpoint {given} does not exist: give a file, or one of the words best and last.")
        return path
    runs = [RunFolder(run)] if run else runs_of(root, name)
    found = newest_checkpoint(runs, given)
    if found is None and not (command == "fit" and given == "last"):
        other = newest_checkpoint(runs)
        hint = (
            f"{other} is there: give it, or --ckpt_path last"
            if other
            else "run `python train.py fit` with its config first, or give --ckpt_path"
        )
        raise LabError(f"no run of {name} in {root} has a {given or 'best'} checkpoint: {hint}.")
    return found


def newest_checkpoint(runs: Iterable[RunFolder], kind: str | None = None) -> Path | None:
    """The checkpoint of the first of some runs that has one: "best", "last", or when None the best if there is one."""
    kinds = [kind] if kind else ["best", "last"]
    return next((path for run in runs for name in kinds if (path := run.checkpoint(name))), None)


def saved_model(checkpoint: dict[str, Any]) -> dict[str, Any] | None:
    """The class path and the arguments of the model in a checkpoint, or None for one saved from Python."""
    hparams = checkpoint.get("hyper_parameters") or {}
    if "_class_path" not in hparams:
        return None
    arguments = {key: value for key, value in hparams.items() if not key.startswith("_")}
    return {"class_path": hparams["_class_path"], "init_args": arguments}


def refuse_resplit(seed: int | None, data: dict[str, Any], saved: dict[str, Any]) -> None:
    """Refuse values under which a checkpoint would be scored on samples that it was trained on, or another run go on.

    Args:
        seed: ``seed_everything`` of a run to resume, or None where nothing is trained.
        data: the data to build, typed values over those of the run.
        saved: the configuration of the run that the checkpoint is from.

    Raises:
        LabError: when they draw their splits, or their random numbers, differently.
    """
    before, after = _flat(saved["data"]), _flat(data)
    splits = ("seed", "val_fraction", "test_fraction", "deduplicate", "source", "fold", "num_folds", "num_val")
    pairs = {f"data.{key}": (before.get(key), after.get(key)) for key in splits}
    if seed is not None:
        pairs["seed_everything"] = (saved.get("seed_everything"), seed)
    for key, (was, becomes) in pairs.items():
        if was != becomes:
            raise LabError(
                f"--{key} cannot change from {was} to {becomes} beside this checkpoint, whose run had other samples or "
                f"random numbers: leave it out, or leave --ckpt_path out and fit anew."
            )


def refuse_restored(model: dict[str, Any], saved: dict[str, Any]) -> None:
    """Refuse a typed value that the restored state of the optimizer or of the schedule would overwrite.

    How long a schedule takes may change, as the run may.

    Args:
        model: the model to build, typed values over those of the checkpoint.
        saved: the model of the checkpoint.

    Raises:
        LabError: when they differ in the optimizer or the scheduler.
    """
    before, after = _flat(saved), _flat(model)
    for key in {**before, **after}:
        if key.startswith("scheduler.") and key.rpartition(".")[2] in LENGTHS:
            continue
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
    run = RunFolder.of_checkpoint(path)
    foreign = run is not None and run.name != run_name and any(key.startswith("net.") for key in keys)
    if foreign or {"class_path", "net.class_path"} & set(keys):
        hint = (
            f"use --config {shlex.quote(str(run / 'config.yaml'))}"
            if run
            else "use the config that it was trained with"
        )
        raise LabError(f"the checkpoint {path} is of another model: {listed}; {hint}.")
    return f"Model values from the checkpoint: {listed}."


def _flat(tree: Any, prefix: str = "") -> dict[str, Any]:
    """Nested arguments as one level of dotted keys, without the class_path/init_args levels in between."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if key == "init_args":
            flat |= _flat(value or {}, prefix)
        elif isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat
