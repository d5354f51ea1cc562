"""Every private name of Lightning, torch and submitit that the laboratory relies on.

Each may change with a release that need not announce it, so that ``requirements.txt`` caps the versions, and
``tests/lab/training/test_lightning_internals.py`` says of each that it is there and does what is relied on.
"""

from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Protocol, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.loops.evaluation_loop import _EvaluationLoop
from lightning.pytorch.loops.prediction_loop import _PredictionLoop
from torch import Tensor
from torch.optim.swa_utils import AveragedModel
from torch.utils._pytree import tree_map_only

PredictionLoop = _PredictionLoop


class TrainerAttributes(Protocol):
    """What Lightning sets on a Trainer from its other modules, where a type checker does not see it."""

    callbacks: list[Callback]
    datamodule: Any
    fast_dev_run: bool | int
    log_every_n_steps: int


def attributes_of(trainer: Trainer) -> TrainerAttributes:
    """The same Trainer, with the types of those attributes."""
    return cast(TrainerAttributes, trainer)


def is_accumulating(trainer: Trainer) -> bool:
    """Whether the step of this moment's batch waits for the gradients of further batches."""
    return trainer.fit_loop._should_accumulate()


def validates_after(trainer: Trainer) -> bool:
    """Whether a validation follows on the training batch of this moment."""
    fit_loop: Any = trainer.fit_loop
    return fit_loop.epoch_loop._should_check_val_fx(fit_loop._data_fetcher)


def epoch_is_complete(trainer: Trainer) -> bool:
    """Whether all batches of the training epoch have been fetched."""
    return trainer.fit_loop.epoch_loop._num_ready_batches_reached()


def draw_order(trainer: Trainer) -> None:
    """Have the training loader draw what it draws at the start of an epoch."""
    iter(cast(Any, trainer.fit_loop._data_fetcher))


def uncount_step(loops: dict[str, Any]) -> None:
    """Take back one counted step in a checkpoint's ``loops``: Lightning adds it as it passes the validation."""
    loops["epoch_loop.state_dict"]["_batches_that_stepped"] -= 1


def dump_checkpoint(trainer: Trainer, weights_only: bool | None) -> dict[str, Any]:
    """The checkpoint of this moment, as a dictionary."""
    return trainer._checkpoint_connector.dump_checkpoint(weights_only)


def logged_now(trainer: Trainer) -> dict[str, Tensor]:
    """The metrics of the loop that has just ended; ``callback_metrics`` has those of earlier ones as well."""
    return trainer._logger_connector.metrics["callback"]


def resume_steps_like_epochs(trainer: Trainer) -> None:
    """Resume a run of ``max_steps`` as one of ``max_epochs``: Lightning begins an epoch that had ended once more."""
    fit_loop: Any = trainer.fit_loop
    fit_loop._iteration_based_training = lambda: False


def wrap_validation_check(trainer: Trainer, wrapper: Callable[[Callable[[Any], bool], Any], bool]) -> None:
    """Ask ``wrapper(ask, data_fetcher)`` whether a validation is due, instead of Lightning's own question ``ask``."""
    epoch_loop: Any = trainer.fit_loop.epoch_loop
    epoch_loop._should_check_val_fx = partial(wrapper, epoch_loop._should_check_val_fx)


def filter_results(trainer: Trainer, is_shown: Callable[[str], bool]) -> None:
    """Print only some metrics in the table after ``validate`` and ``test``."""

    def print_results(results: list[dict[str, Any]], stage: str) -> None:
        shown = [{name: value for name, value in of_loader.items() if is_shown(name)} for of_loader in results]
        _EvaluationLoop._print_results(shown, stage)

    loop: Any
    for loop in (trainer.validate_loop, trainer.test_loop):
        loop._print_results = print_results


def replace_sigterm_handling(trainer: Trainer, note: Callable[[int, FrameType | None], None], agree: Callable) -> None:
    """Have ``note`` handle SIGTERM, and ``agree`` answer before each batch whether to stop."""
    connector: Any = trainer._signal_connector
    epoch_loop: Any = trainer.fit_loop.epoch_loop
    connector._sigterm_notifier_fn, epoch_loop._broadcast_sigterm_tensor = note, agree


def mark_sigterm(trainer: Trainer) -> None:
    """Set ``trainer.received_sigterm``, at which Lightning stops."""
    trainer._signal_connector.received_sigterm = True


def map_tensors(function: Callable[[Tensor], Tensor], tree: Any) -> Any:
    """A copy of nested dictionaries and lists with a function applied to each tensor."""
    return tree_map_only(Tensor, function, tree)


def copy_module_versions(source: dict[str, Any], target: Any) -> None:
    """Carry the versions of modules from one state dict over to another, where there are any."""
    if hasattr(source, "_metadata"):
        target._metadata = source._metadata


def first_of_chain(scheduler: Any) -> Any:
    """The first schedule of a ChainedScheduler, which counts no steps itself; any other schedule as it is."""
    while not hasattr(scheduler, "last_epoch") and getattr(scheduler, "_schedulers", None):
        scheduler = scheduler._schedulers[0]
    return scheduler


def slurm_parameters() -> set[str]:
    """The names of the parameters that submitit takes for SLURM."""
    from submitit import SlurmExecutor

    return SlurmExecutor._valid_parameters()


def signal_worker(job: Any, signum: int) -> None:
    """Send a signal to a local job of submitit, whose own ``cancel`` kills a second later."""
    job._process.send_signal(signum)


class CheckpointBase(ModelCheckpoint):
    """A ModelCheckpoint that hands the moment of saving to ``keep``, and writes nothing itself."""

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        self._last_global_step_saved, self._last_checkpoint_saved = trainer.global_step, filepath
        self.keep(trainer, filepath)

    def keep(self, trainer: Trainer, filepath: str) -> None:
        """Take the state of this moment, which is to lie in a file."""
        raise NotImplementedError

    def skips(self, trainer: Trainer) -> bool:
        """Whether nothing is to be saved now: in a sanity check, a fast run, or where this step is saved already."""
        return self._should_skip_saving_checkpoint(trainer)

    def save(self, trainer: Trainer, filepath: str) -> None:
        """Save as if the moment had come."""
        self._save_checkpoint(trainer, filepath)


class RowsBase(ExperimentWriter):
    """A writer of ``metrics.csv`` that leaves the file of an earlier run in place."""

    def _check_log_dir_exists(self) -> None:
        """Nothing: Lightning deletes an earlier file here."""

    def _record_new_keys(self) -> set[str]:
        return super()._record_new_keys() if self.metrics else set()

    def new_columns(self) -> set[str]:
        """The metrics that are logged for the first time, which are columns from now on."""
        return self._record_new_keys()


class AveragingBase(WeightAveraging):
    """The names of WeightAveraging that a subclass needs, and a hook where weights are exchanged."""

    @property
    def average_model(self) -> AveragedModel | None:
        return self._average_model

    @property
    def latest_update_epoch(self) -> int:
        return self._latest_update_epoch

    @latest_update_epoch.setter
    def latest_update_epoch(self, epoch: int) -> None:
        self._latest_update_epoch = epoch

    def average(self, weights: torch.nn.Module, device: torch.device) -> None:
        """Begin an average of some weights, on the device that was asked for, else on this one."""
        chosen = self._device or device
        self._average_model = AveragedModel(weights, chosen, use_buffers=self._use_buffers, **self._kwargs)

    def _swap_models(self, pl_module: LightningModule) -> None:
        super()._swap_models(pl_module)
        self.on_exchange()

    def on_exchange(self) -> None:
        """Called whenever the average and the weights of training have changed places."""


class CommandBase(LightningCLI):
    """A LightningCLI that builds the parser of one subcommand, and whose hooks have public names."""

    subcommand: str
    chosen: str | None = None  # the subcommand in use; to build the other parsers costs more than to import Lightning

    def _add_subcommands(self, parser: LightningArgumentParser, **kwargs: Any) -> None:
        self._subcommand_parsers = {}
        group = parser.add_subcommands()
        for name in self.subcommands():
            description = (getattr(self.trainer_class, name).__doc__ or "").strip().split("\n")[0]
            subparser = LightningArgumentParser(description=description)
            if name == self.chosen:
                settings = {"description": description, "exit_on_error": False}
                subparser = self._prepare_subcommand_parser(cast(type, self.trainer_class), name, **settings)
                self._subcommand_parsers[name] = subparser
                self.on_parser([action.dest for action in subparser._actions])
            group.add_subcommand(name, subparser, help=description)

    def on_parser(self, keys: list[str]) -> None:
        """Called with the keys of the subcommand's parser."""

    def option(self, key: str, of_instances: bool = False) -> Any:
        """An option of the subcommand, as parsed or, ``of_instances``, with its classes instantiated."""
        return self._get(self.config_init if of_instances else self.config, key)

    def _parse_ckpt_path(self) -> None:
        self.resolve_checkpoint()

    def resolve_checkpoint(self) -> None:
        """Called when the command line has been parsed, before anything is instantiated."""

    def _run_subcommand(self, subcommand: str) -> None:
        self.run_command(partial(super()._run_subcommand, subcommand))

    def run_command(self, run: Callable[[], None]) -> None:
        """Called to run the subcommand."""
        run()

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        return self.method_arguments(super()._prepare_subcommand_kwargs(subcommand))

    def method_arguments(self, given: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the Trainer's method."""
        return given
