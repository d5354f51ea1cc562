"""Each private name of another library is there, and does what the laboratory relies on."""

import ast
import inspect
import json
import re
from pathlib import Path

import pytest
import torch
from lightning.pytorch import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel
from lightning.pytorch.loggers import CSVLogger
from torch.optim.lr_scheduler import ChainedScheduler, ConstantLR, StepLR

from lab.training import lightning_internals as internals

ROOT = Path(__file__).resolve().parents[3]
PRIVATE = re.compile(r"_[a-z]\w*")


def trainer(**settings) -> Trainer:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "barebones": False}
    return Trainer(accelerator="cpu", max_epochs=1, enable_model_summary=False, **{**quiet, **settings})


class Watcher(BoringModel):
    """Notes at each training batch what the functions say."""

    def __init__(self) -> None:
        super().__init__()
        self.said = []

    def on_train_batch_end(self, outputs, batch, batch_idx) -> None:
        of = self.trainer
        self.said.append(
            (internals.is_accumulating(of), internals.validates_after(of), internals.epoch_is_complete(of))
        )

    def validation_step(self, batch, batch_idx):
        self.log("val/loss", self.layer(batch).sum())

    def on_validation_end(self) -> None:
        self.new = set(internals.logged_now(self.trainer))


def test_a_trainer_has_the_attributes_that_a_type_checker_does_not_see() -> None:
    of = internals.attributes_of(trainer(log_every_n_steps=3))
    assert (of.fast_dev_run, of.log_every_n_steps, of.datamodule) == (False, 3, None)
    assert isinstance(of.callbacks, list)


def test_questions_about_this_moment_of_training():
    model = Watcher()
    trainer(limit_train_batches=4, limit_val_batches=1, accumulate_grad_batches=2, num_sanity_val_steps=0).fit(model)
    assert model.said == [
        (True, False, False), (False, False, False), (True, False, False), (False, True, True)
    ]  # fmt: skip
    assert model.new == {"val/loss"}


def test_a_checkpoint_of_this_moment_counts_the_steps():
    model, of = BoringModel(), trainer(limit_train_batches=3, limit_val_batches=0)
    of.fit(model)
    checkpoint = internals.dump_checkpoint(of, weights_only=False)
    assert checkpoint["global_step"] == 3 and set(checkpoint["state_dict"]) == {"layer.weight", "layer.bias"}
    before = json.dumps(checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"])
    internals.uncount_step(checkpoint["loops"]["fit_loop"])
    assert json.loads(before)["_batches_that_stepped"] == 3
    assert checkpoint["loops"]["fit_loop"]["epoch_loop.state_dict"]["_batches_that_stepped"] == 2


def test_the_question_whether_to_validate_is_replaced():
    asked = []

    def never(ask, data_fetcher):
        asked.append(ask(data_fetcher))
        return False

    model, of = Watcher(), trainer(limit_train_batches=2, limit_val_batches=1, num_sanity_val_steps=0)
    internals.wrap_validation_check(of, never)
    of.fit(model)
    assert asked[-1] is True and not hasattr(model, "new")


def test_a_run_of_steps_is_resumed_as_one_of_epochs():
    of = trainer(max_steps=3)
    assert inspect.ismethod(of.fit_loop._iteration_based_training) and of.fit_loop._iteration_based_training()
    internals.resume_steps_like_epochs(of)
    assert of.fit_loop._iteration_based_training() is False


def test_the_table_of_results_is_filtered(capsys):
    of = trainer(limit_test_batches=1)
    internals.filter_results(of, lambda name: name != "y")
    of.test_loop._print_results([{"x_1": torch.tensor(0.5), "y": torch.tensor(0.25)}], "test")
    assert "x_1" in (out := capsys.readouterr().out) and "0.25" not in out


def test_sigterm_is_handled_by_what_was_installed():
    of, answers = trainer(limit_train_batches=2, limit_val_batches=0), []
    internals.replace_sigterm_handling(of, print, lambda: answers.append(True))
    assert of._signal_connector._sigterm_notifier_fn is print
    assert "_sigterm_notifier_fn" in inspect.getsource(type(of._signal_connector).register_signal_handlers)
    assert "_broadcast_sigterm_tensor" in inspect.getsource(type(of.fit_loop.epoch_loop))
    internals.mark_sigterm(of)
    assert of.received_sigterm


def test_the_order_of_an_epoch_is_drawn():
    class Draws(BoringModel):
        def on_train_start(self) -> None:
            before = torch.get_rng_state()
            internals.draw_order(self.trainer)
            self.drew = not torch.equal(before, torch.get_rng_state())

    model = Draws()
    trainer(limit_train_batches=2, limit_val_batches=0).fit(model)
    assert model.drew


def test_tensors_of_a_tree_are_mapped_and_the_rest_stays():
    mapped = internals.map_tensors(lambda tensor: tensor + 1, {"a": [torch.zeros(2), "x"], "b": 3})
    assert mapped["a"][0].tolist() == [1.0, 1.0] and (mapped["a"][1], mapped["b"]) == ("x", 3)


def test_versions_of_modules_are_carried_over():
    source = torch.nn.BatchNorm1d(2).state_dict()
    target = type(source)(source)
    internals.copy_module_versions(source, target)
    assert target._metadata[""] == {"version": 2}


def test_a_chain_of_schedules_is_counted_by_its_first():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    first = ConstantLR(optimizer)
    chain = ChainedScheduler([first, StepLR(optimizer, 2)], optimizer)
    assert internals.first_of_chain(chain) in (first, chain) and hasattr(internals.first_of_chain(chain), "last_epoch")
    assert internals.first_of_chain(first) is first


def test_the_parameters_of_slurm_are_known():
    assert {"partition", "time", "mem"} <= internals.slurm_parameters()


def test_a_checkpoint_is_handed_over_and_not_written(tmp_path):
    class Keeps(internals.CheckpointBase):
        kept: list

        def keep(self, trainer, filepath) -> None:
            self.kept.append((Path(filepath).name, trainer.global_step, self.skips(trainer)))

    callback = Keeps(dirpath=tmp_path, filename="last", save_on_train_epoch_end=True)
    callback.kept = []
    of = trainer(limit_train_batches=2, limit_val_batches=0, enable_checkpointing=True, callbacks=[callback])
    of.fit(BoringModel())
    assert callback.kept == [("last.ckpt", 2, True)] and not list(tmp_path.iterdir())


def test_an_earlier_file_of_metrics_is_left_alone(tmp_path):
    logger = CSVLogger(tmp_path, name="", version="")
    logger.log_metrics({"x": 1.0}, 0)
    logger.save()
    rows = internals.RowsBase(log_dir=str(tmp_path))
    assert (tmp_path / "metrics.csv").read_text().count("\n") == 2
    assert rows.new_columns() == set()
    rows.log_metrics({"x": 2.0, "y": 3.0}, 1)
    assert {"x", "y"} <= rows.new_columns() and rows.new_columns() == set()


def test_weights_are_averaged_and_exchanges_are_heard_of():
    class Hears(internals.AveragingBase):
        heard = 0

        def on_exchange(self) -> None:
            self.heard += 1

    callback, model = Hears(), Watcher()
    callback.average(model.layer, torch.device("cpu"))
    assert set(callback.average_model.module.state_dict()) == {"weight", "bias"}
    callback.latest_update_epoch = 4
    assert callback.latest_update_epoch == callback._latest_update_epoch == 4
    callback = Hears()
    trainer(limit_train_batches=2, limit_val_batches=1, num_sanity_val_steps=0, callbacks=[callback]).fit(Watcher())
    assert callback.heard == 2  # to validate with the average, and back


def test_the_command_line_calls_what_has_a_public_name():
    calls = []

    class Command(internals.CommandBase):
        chosen = "fit"

        def on_parser(self, keys) -> None:
            calls.append("trainer.max_epochs" in keys)

        def resolve_checkpoint(self) -> None:
            calls.append(self.config.fit.seed_everything)

        def run_command(self, run) -> None:
            calls.append((self.option("seed_everything"), self.option("trainer", of_instances=True).max_epochs))
            run()

        def method_arguments(self, given):
            calls.append(set(given))
            return given

    quiet = ["--trainer.logger=false", "--trainer.enable_checkpointing=false", "--trainer.enable_progress_bar=false"]
    Command(
        BoringModel,
        BoringDataModule,
        save_config_callback=None,
        args=["fit", "--trainer.fast_dev_run=true", "--trainer.max_epochs=3", "--seed_everything=5", *quiet],
    )
    assert calls == [True, 5, (5, 3), {"model", "datamodule", "ckpt_path", "weights_only"}]


UPSTREAM = (ModelCheckpoint, WeightAveraging, LightningCLI, LightningModule, LightningDataModule, Trainer)
FIELDS = {"_replace", "_asdict", "_fields"}  # named tuples have these in public


def private_names(path: Path) -> set[str]:
    """The private names that a file takes from others: of any object but ``self``, or by overriding a method."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    methods = {node.name for of in classes for node in of.body if isinstance(node, ast.FunctionDef)}
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    own = methods | {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
    touched = {node.attr for node in attributes if not (isinstance(node.value, ast.Name) and node.value.id == "self")}
    overridden = methods & {name for kind in UPSTREAM for name in dir(kind)}
    return {name for name in (touched - own) | overridden if PRIVATE.fullmatch(name)} - FIELDS


@pytest.mark.parametrize("room", ["lab", "callbacks", "lit_models"])
def test_no_other_file_touches_a_private_name_of_another_library(room):
    others = [path for path in (ROOT / room).rglob("*.py") if path.name != "lightning_internals.py"]
    assert {str(path.relative_to(ROOT)): names for path in others if (names := private_names(path))} == {}
    internal = private_names(ROOT / "lab" / "training" / "lightning_internals.py")
    assert {"_save_checkpoint", "_data_fetcher", "_schedulers", "_process"} <= internal
