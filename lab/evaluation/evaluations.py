"""A test on other data, of another checkpoint or of a part of the batches is another result than its run's own."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.config_files import to_cli, values_of
from lab.experiments.references import changes_data
from lab.experiments.repeats import SHOWN
from lab.experiments.variants import start_of
from lab.run_folder import RunFolder
from lab.training.resume_target import newest_checkpoint

LIMITS = {"validate": "limit_val_batches", "test": "limit_test_batches", "predict": "limit_predict_batches"}
LONGEST = 100  # characters of the name of a folder


def evaluation_of(
    command: str,
    run: RunFolder,
    checkpoint: Path | None,
    config: Mapping[str, Any],
    typed: Mapping[str, Any],
    files_fingerprint: str | None,
) -> dict[str, Any]:
    """In what a result is another than the run's own: the content of ``evaluation.yaml``, empty where in nothing.

    Args:
        command: validate, test or predict.
        run: the run folder.
        checkpoint: the weights; None for those at the end of training.
        config: the arguments of the command.
        typed: the values that were typed, by their keys.
        files_fingerprint: the fingerprint of the files of data; None where there are none.

    Returns:
        ``overrides``, what is typed for it, and ``data``, the fingerprint of the files where they are others.
    """
    ran = run.values
    overrides = _of_checkpoint(run, checkpoint) if command != "validate" else {}
    overrides |= _of_data(ran, values_of({"data": config["data"]}) if "data" in ran else {}, typed)
    if command == "test":
        plain = {re.sub(r"\.(init_args|class_path)(?=\.|$)", "", key) for key in typed}
        values = values_of({"model": config["model"], "trainer": {"precision": config["trainer"].get("precision")}})
        asked = [key for key in values if key in ran and _is_tested_with(key, plain)]
        overrides |= {key: values[key] for key in asked if ran[key] != values[key]}
    limit = f"trainer.{LIMITS[command]}"
    part, stated = config["trainer"].get(LIMITS[command]), start_of(run).stated.get(limit)
    if part not in (None, stated) and not (isinstance(part, float) and part == 1.0):
        overrides[limit] = part
    files = _of_files(run, ran, config, files_fingerprint)
    overrides |= {"data.root": config["data"]["init_args"]["root"]} if files and "data.root" in typed else {}
    return {
        **({"overrides": overrides} if overrides else {}),
        **({"data": files_fingerprint} if files and files_fingerprint else {}),
    }


def evaluation_folder(run: RunFolder, evaluation: Mapping[str, Any]) -> Path:
    """``<run>/evaluations/<name>``, the same for the same evaluation; the run itself where it is its own."""
    if not evaluation:
        return run.path
    overrides = dict(evaluation.get("overrides", {}))
    if "data" in evaluation:
        overrides["data"] = evaluation["data"][:SHOWN]
        overrides.pop("data.root", None)  # the same files in another place are the same data
    parts = [f"{key.removeprefix('trainer.')}={to_cli(value)}" for key, value in overrides.items()]
    text = ",".join(parts).replace("ckpt_path=", "")
    name = re.sub(r"[^\w.,=+-]+", "_", text).strip(".")
    if name != text or len(name) > LONGEST:
        name = f"{name[:LONGEST]}-{hashlib.sha256(text.encode()).hexdigest()[:SHOWN]}"
    return run / "evaluations" / name


def why_another(folder: Path, evaluation: Mapping[str, Any]) -> str:
    """A sentence on where a result goes, and why not to its run."""
    overrides = " ".join(f"--{key} {to_cli(value)}" for key, value in evaluation.get("overrides", {}).items())
    return (
        f"Written to {folder}: with {overrides or 'other files of data'} this is another result than that of the run, "
        f"which is kept as it is."
    )


def _of_checkpoint(run: RunFolder, checkpoint: Path | None) -> dict[str, Any]:
    usual = newest_checkpoint([run])
    if usual is None or checkpoint is None or checkpoint.resolve() == usual.resolve():
        return {}
    own = checkpoint.stem in ("best", "last") and checkpoint.resolve().parent == usual.resolve().parent
    return {"ckpt_path": checkpoint.stem if own else str(checkpoint)}


def _of_data(ran: Mapping[str, Any], values: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """The values of data that are others than the run's; of another class those that were typed."""
    if values and values["data"] != ran["data"]:
        plain = {re.sub(r"\.(init_args|class_path)(?=\.|$)", "", key) for key in typed}
        return {key: value for key, value in values.items() if key == "data" or (key in plain and key != "data.root")}
    keys = [key for key in values if (changes_data(key) or key == "data.seed") and key in ran]
    return {key: values[key] for key in keys if ran[key] != values[key]}


def _of_files(run: RunFolder, ran: Mapping[str, Any], config: Mapping[str, Any], files_fingerprint: str | None) -> bool:
    """Whether the files of data are others than those of the run; of an old one, which noted none, by their place."""
    noted = run.data
    if noted:
        return bool(files_fingerprint and noted.get("fingerprint") and files_fingerprint != noted["fingerprint"])
    root = (config["data"].get("init_args") or {}).get("root")
    return bool(files_fingerprint) and "data.root" in ran and root is not None and ran["data.root"] != root


def _is_tested_with(key: str, typed: set[str]) -> bool:
    """Whether a key was typed that changes what a test measures of the same weights."""
    of_network = key.startswith("model.") and not re.match(r"model\.(optimizer|scheduler)", key)
    return key in typed and (of_network or key == "trainer.precision")
