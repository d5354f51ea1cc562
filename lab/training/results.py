"""Where the results of a command go, and what they are held against."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule

from lab.references import reference_of
from lab.run_folder import owner_of
from lab.saving.evaluations import evaluation_folder, evaluation_of, note, why_another
from lab.saving.fingerprints import fingerprint
from lab.training.trainer import rank, rank_zero_print


def results_folder(
    command: str,
    run: Path,
    checkpoint: str | None,
    config: Mapping[str, Any],
    typed: Mapping[str, Any],
    datamodule: LightningDataModule,
) -> Path:
    """The run folder, or that of an evaluation which is another result than the run's own; this is told.

    Args:
        command: validate, test or predict.
        run: the run folder.
        checkpoint: the weights; None for those at the end of training.
        config: the arguments of the command.
        typed: the values that were typed, by their keys.
        datamodule: the data.
    """
    if config["trainer"].get("fast_dev_run"):
        return run
    path, held = Path(checkpoint) if checkpoint else None, fingerprint(datamodule, config["data"])
    evaluation = evaluation_of(command, run, path, config, typed, held)
    folder = evaluation_folder(run, evaluation)
    if evaluation and rank() == 0:
        note(folder, "evaluation.yaml", evaluation)
        rank_zero_print(why_another(folder, evaluation))
    return folder


def tell_results(folder: Path, typed: Mapping[str, Any]) -> None:
    """Print what a result is held against, and where it is; a reference that was typed is noted for the reports."""
    told, run = typed.get("reference"), owner_of(folder)
    if told and (run / "config.yaml").is_file() and rank() == 0:
        note(folder, "reference.yaml", {"reference": str(told)})
    # Of what leaves no run nobody knows what it was.
    known, why_none = reference_of(folder) if (run / "config.yaml").is_file() else ("", "")
    if told or known or why_none:
        rank_zero_print(f"Reference: {told or known or why_none}")
    rank_zero_print(f"Run folder: {folder}")
