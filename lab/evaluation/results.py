"""Where the results of a command go, and the reference beside them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule

from lab.evaluation.evaluations import evaluation_folder, evaluation_of, why_another
from lab.experiments.references import reference_of
from lab.files import write_yaml
from lab.run_folder import RunFolder
from lab.training.fingerprints import fingerprint
from lab.training.trainer import rank, rank_zero_print


def results_folder(
    command: str,
    run: Path,
    checkpoint: str | None,
    config: Mapping[str, Any],
    typed: Mapping[str, Any],
    datamodule: LightningDataModule,
) -> Path:
    """The run folder, or that of an evaluation which is another result than the run's own; this is printed.

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
    path, files = Path(checkpoint) if checkpoint else None, fingerprint(datamodule, config["data"])
    evaluation = evaluation_of(command, RunFolder(run), path, config, typed, files)
    folder = evaluation_folder(RunFolder(run), evaluation)
    if evaluation and rank() == 0:
        write_yaml(folder / "evaluation.yaml", evaluation)
        rank_zero_print(why_another(folder, evaluation))
    return folder


def report_results(folder: Path, typed: Mapping[str, Any]) -> None:
    """Print the reference of a result, and where it is; a reference that was typed is noted for the reports."""
    typed_reference, has_run = typed.get("reference"), bool(RunFolder(folder).config)
    if typed_reference and has_run and rank() == 0:
        write_yaml(folder / "reference.yaml", {"reference": str(typed_reference)})
    # What left no config says nothing of what it was.
    known, why_none = reference_of(RunFolder(folder)) if has_run else ("", "")
    if typed_reference or known or why_none:
        rank_zero_print(f"Reference: {typed_reference or known or why_none}")
    rank_zero_print(f"Run folder: {folder}")
