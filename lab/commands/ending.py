"""The end of training: what came of it is said, and the test that was asked for has something to test."""

from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from lab.errors import LabError
from lab.printed_commands import command_line
from lab.training.lightning_internals import attributes_of
from lab.training.trainer import rank_zero_print


def report_fit(trainer: Trainer, best: ModelCheckpoint, run: Path, first_step: int) -> str | None:
    """Say what came of training and how to test it.

    Args:
        trainer: which has trained.
        best: the callback that keeps the best checkpoint.
        run: the run folder.
        first_step: the step at which training began.

    Returns:
        the checkpoint to test: the best one, the last one where no validation came to its end; None where none is kept.

    Raises:
        LabError: when nothing was trained at all.
    """
    if attributes_of(trainer).fast_dev_run:
        return None
    if trainer.global_step == first_step:
        limits = f"max_epochs {trainer.max_epochs}, max_steps {trainer.max_steps} and max_time"
        nothing = f"othing was trained, since trainer.{limits} left nothing to do after step {first_step}"
        if not first_step:
            raise LabError(f"n{nothing}: raise what ended it.")
        rank_zero_print(f"N{nothing}.")
    checkpoint: str | None = best.best_model_path
    score = best.best_model_score
    if checkpoint and score is not None:
        rank_zero_print(f"Best {best.monitor}: {float(score):.4g}")
    else:
        last = run / "checkpoints" / "last.ckpt"
        checkpoint = str(last) if last.is_file() else None
        instead = f"No best checkpoint is kept, since {best.monitor} was not measured; the last one is."
        rank_zero_print(instead if checkpoint else "No checkpoint is kept.")
    rank_zero_print(f"Run folder: {run}")
    if checkpoint:
        command = command_line("train.py", "test", "--config", str(run / "config.yaml"), "--ckpt_path", checkpoint)
        rank_zero_print(f"Test it: {command}")
    return checkpoint


def report_stop(trainer: Trainer, run: Path, cause: str, fitting: bool) -> None:
    """Say what stopped a command, and how to resume a training."""
    last = run / "checkpoints" / "last.ckpt"
    if fitting and last.is_file():
        rank_zero_print(f"Stopped by {cause} at step {trainer.global_step}; {last} is saved.")
        command = command_line("train.py", "fit", "--config", str(run / "config.yaml"), "--ckpt_path", str(last))
        rank_zero_print(f"Resume it: {command}")
    else:
        rank_zero_print(f"Stopped by {cause}.")
