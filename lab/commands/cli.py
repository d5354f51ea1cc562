"""The command line: Lightning's, with the laboratory's run folders, checkpoints and defaults."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import SIGTERMException

from lab.commands.command_line import CommandLine
from lab.commands.dropped_keys import dropped_keys
from lab.commands.ending import report_fit, report_stop
from lab.commands.sizes import sizes_of_data
from lab.commands.void_flags import refuse_void
from lab.commands.watchers import best_mode, contradictions, parse
from lab.directions import MONITOR
from lab.errors import LabError
from lab.evaluation.predictions import PredictionsFile
from lab.evaluation.results import report_results, results_folder
from lab.run_folder import RunFolder, drop_if_empty, new_run_dir
from lab.training.callback_rules import check_callbacks, has_bar
from lab.training.checkpoint_callback import ThrottledCheckpoint
from lab.training.duration import FitTimer
from lab.training.early_stopping import EarlyStoppingResume
from lab.training.exact_resume import ExactResume
from lab.training.guards import EpochPrinter, ProgressBar, ResumableStop, TerminateOnNaN
from lab.training.lightning_internals import CommandBase
from lab.training.loading import load_checkpoint
from lab.training.loggers import loggers_of, name_project
from lab.training.requeue import requeued_checkpoint
from lab.training.resume_target import checkpoint_path, compare_models, refuse_resplit, refuse_restored, saved_model
from lab.training.signals import AgreedStop, CtrlC
from lab.training.trainer import LabTrainer, SaveConfig, rank, rank_zero_print


class LabCLI(CommandBase):
    """Lightning's command line for tasks, datamodules and networks named in YAML.

    Args:
        command_line: what the person typed.
    """

    known_keys: ClassVar[list[str]] = []

    def __init__(self, command_line: CommandLine) -> None:
        self.command_line, self.chosen = command_line, command_line.subcommand
        command_line.sizes = sizes_of_data(command_line)
        super().__init__(
            args=command_line.arguments,
            trainer_class=LabTrainer,
            trainer_defaults={"default_root_dir": "runs"},
            seed_everything_default=0,
            save_config_callback=SaveConfig,
            save_config_kwargs={"overrides": command_line.overrides},
            auto_configure_optimizers=False,
            parser_kwargs={"exit_on_error": False},
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        # weights_only is no choice here: a checkpoint is never unpickled.
        skipped = {name: {*skip, "weights_only"} for name, skip in LightningCLI.subcommands().items()}
        return {**skipped, "download": {"model", "datamodule"}}

    def on_parser(self, keys: list[str]) -> None:
        LabCLI.known_keys = keys

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_argument("--monitor", default=MONITOR, help="Metric that picks the best checkpoint.")
        which = "Which value of it is best; null for what its name says."
        parser.add_argument("--monitor_mode", type=Literal["min", "max"] | None, default=None, help=which)
        parser.add_argument("--reference", default="", help="The value to compare the result with, and its source.")
        parser.add_argument("--save_every_minutes", type=float, default=1.0, help="Save so often within an epoch too.")
        parser.add_argument("--compile", type=bool, default=False, help="Compile the network with torch.compile.")
        parser.add_argument("--test_after_fit", type=bool, default=False, help="Test the best checkpoint after fit.")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parse(parser, [*args, *self.command_line.followed_mode])

    def resolve_checkpoint(self) -> None:
        """Resolve the checkpoint; its model and data are those to build, but for what the command line says."""
        command = self.config["subcommand"]
        config = self.config[command]
        if config.data is None:
            raise LabError("data is missing: give a config, such as --config configs/vit_digits.yaml, or --data.")
        if command == "download":
            return
        refuse_void(command, config, self.command_line.overrides["values"])
        root = Path(config.trainer.default_root_dir)
        self.run_name = self.command_line.run_name(config)
        begun = requeued_checkpoint(root, self.run_name, self.command_line.overrides) if command == "fit" else None
        path = checkpoint_path(command, config.ckpt_path or begun, root, self.run_name, self.command_line.run)
        self.first_step, self.checkpoint_keys = 0, set[str]()
        if path is not None:
            self._take_from(path, command)
        elif config.ckpt_path == "last":
            rank_zero_print(f"No run of {self.run_name} has a last checkpoint yet: starting afresh.")
        self.config[command].ckpt_path = None if path is None else str(path)
        self.run_dir = self.results = self._choose_run_dir(command, path, root)

    def _take_from(self, path: Path, command: str) -> None:
        of_default = command != "fit" and self.config[command].ckpt_path is None and path.name == "last.ckpt"
        rank_zero_print(f"Checkpoint: {path}{' (no validation has picked a best one)' if of_default else ''}")
        checkpoint = load_checkpoint(path)
        self.first_step, self.checkpoint_keys, model = (
            checkpoint["global_step"],
            set(checkpoint),
            saved_model(checkpoint),
        )
        run = RunFolder.of_checkpoint(path)
        config = run.config if run is not None and run.name == self.run_name else {}
        data = config.get("data")
        if model is None and data is None:
            return
        arguments = self.command_line.layered(model=model, data=data)
        layered = parse(self.parser, [*arguments, *self.command_line.followed_mode])
        parts = {key: layered[command][key].as_dict() for key in ("model", "data")}
        if model and command == "fit":
            refuse_restored(parts["model"], model)
        if data:
            seed = layered[command].seed_everything if command == "fit" else None
            refuse_resplit(seed, parts["data"], config)
        if model:
            note = compare_models(path, parts["model"], self.config[command].model.as_dict(), self.run_name)
            rank_zero_print(note or "")
        self.config = layered

    def _choose_run_dir(self, command: str, checkpoint: Path | None, root: Path) -> Path:
        """A new folder for a new run; the checkpoint's folder to resume, validate, test or predict."""
        inherited = os.environ.get("ARCHLAB_RUN_DIR") if "LOCAL_RANK" in os.environ else None
        if inherited:  # this is another process of a run that is under way
            return Path(inherited)
        begun = RunFolder.of_checkpoint(checkpoint) if checkpoint else None
        run = begun.path if begun else None
        resumes = command != "fit" or (checkpoint is not None and checkpoint.name == "last.ckpt")
        if run is None or not resumes:
            run = new_run_dir(root, self.run_name) if rank() == 0 else root / self.run_name / "another_process"
        elif run.resolve().parent.parent == root.resolve():
            run = root / run.parent.name / run.name  # a checkpoint remembers its folder as it was spelt
        os.environ["ARCHLAB_RUN_DIR"] = str(run)
        return run

    def before_instantiate_classes(self) -> None:
        for sentence in dropped_keys(self.command_line, self.config[self.subcommand].as_dict()):
            rank_zero_print(sentence)
        if self.subcommand != "download":
            name_project(self.config[self.subcommand].trainer.logger, self.run_name, self.run_dir)
        for sentence in contradictions(self.config.fit) if self.subcommand == "fit" else ():
            rank_zero_print(sentence)

    def instantiate_classes(self) -> None:
        try:
            super().instantiate_classes()
            if self.subcommand != "download":
                check_callbacks(self.subcommand, self.trainer, self.model, self.checkpoint_keys)
        except BaseException:
            self._tidy()
            raise

    def _tidy(self) -> None:
        for folder in (self.results, self.run_dir) if self.subcommand != "download" else ():
            drop_if_empty(folder)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        if self.subcommand == "download":
            return LabTrainer(logger=False, barebones=True)
        trainer_config = self.option("trainer", of_instances=True)
        if self.subcommand != "fit":
            self._choose_results(self.subcommand, self.option("ckpt_path"))
        monitor, mode = (self.option(key) for key in ("monitor", "monitor_mode"))
        mode = best_mode(self.subcommand == "fit", monitor, mode)
        self.best = ThrottledCheckpoint(filename="best", monitor=monitor, mode=mode, auto_insert_metric_name=False)
        minutes = self.option("save_every_minutes")
        self.last = ThrottledCheckpoint(self.best, minutes, filename="last", save_on_train_epoch_end=True)
        guards: list[Callback] = [ResumableStop(self.last), ExactResume(), EarlyStoppingResume(), TerminateOnNaN()]
        self.predictions = PredictionsFile()
        callbacks: list[Callback] = [self.predictions] if self.subcommand == "predict" else guards
        callbacks += [FitTimer()]
        if trainer_config.enable_checkpointing is not False:
            callbacks += [self.last, self.best]  # in this order: best refuses a metric that is not logged
        bar, own = trainer_config.enable_progress_bar, has_bar(trainer_config.callbacks)
        if bar is None:
            bar = own or sys.stdout.isatty()
        callbacks += [] if own else [ProgressBar() if bar else EpochPrinter()]
        self.trainer_defaults["callbacks"] = callbacks
        return super().instantiate_trainer(
            logger=loggers_of(self.results, self.first_step, trainer_config.logger),
            enable_progress_bar=bar,
            default_root_dir=str(self.run_dir),  # where Lightning keeps what SLURM's requeuing needs
            **kwargs,
        )

    def _choose_results(self, command: str, checkpoint: str | None) -> None:
        config, typed = self.config[self.subcommand].as_dict(), self.command_line.overrides["values"]
        self.results = results_folder(command, self.run_dir, checkpoint, config, typed, self.datamodule)

    def run_command(self, run: Callable[[], None]) -> None:
        try:
            if self.option("compile"):
                self.model.net.compile()
            AgreedStop(self.trainer).install()
            with CtrlC() as ctrl_c:
                run()
                if (
                    self.trainer.received_sigterm and self.subcommand != "fit"
                ):  # in a last batch Lightning passes over it
                    raise SIGTERMException
        except SIGTERMException:
            cause = "Ctrl-C" if ctrl_c.pressed else "SIGTERM"
            report_stop(self.trainer, self.run_dir, cause, fitting=self.subcommand == "fit")
            raise SystemExit(130 if ctrl_c.pressed else 143) from None
        finally:
            self._tidy()

    def method_arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the Trainer's method; a checkpoint is never unpickled."""
        return given if self.subcommand == "download" else {**given, "weights_only": True}

    def after_fit(self) -> None:
        """Say what came of the run and how to test it, or test it at once."""
        checkpoint = report_fit(self.trainer, self.best, self.run_dir, self.first_step)
        if self.option("test_after_fit"):
            if checkpoint is None:
                rank_zero_print("There is no checkpoint to test: the weights at the end of training are tested.")
            self._choose_results("test", checkpoint)
            if self.results != self.run_dir:
                logger = self.option("trainer", of_instances=True).logger
                self.trainer.loggers = loggers_of(self.results, self.trainer.global_step, logger)
            self.trainer.test(self.model, datamodule=self.datamodule, ckpt_path=checkpoint, weights_only=True)
            self.after_test()

    def after_test(self) -> None:
        """Print the result beside what it should meet."""
        report_results(self.results, self.command_line.overrides["values"])

    def after_predict(self) -> None:
        if self.predictions.path:
            rank_zero_print(f"Predictions: {self.predictions.path}")
