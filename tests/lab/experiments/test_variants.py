"""What was typed for a run: its config file, the values beside it, and how they are told."""

import shlex
import shutil
from pathlib import Path
from typing import Any, Optional

import pytest
import yaml
from jsonargparse import ArgumentParser
from running import DIGITS, SMALL, Lab

from lab.config_files import to_cli, values_of
from lab.errors import LabError
from lab.experiments.variants import Variant, variants_of
from lab.run_folder import RunFolder

STATED = {"trainer": {"max_epochs": 5}, "model": {"class_path": "M", "init_args": {"net": {"class_path": "nets.A"}}}}
FULL = {"trainer": {"max_epochs": 5, "limit_train_batches": None, "precision": 32}}  # with defaults filled in


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the file configs/x.yaml."""
    monkeypatch.chdir(tmp_path)
    write("configs/x.yaml", STATED)
    return tmp_path


def write(path: str, content: Any) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(yaml.safe_dump(content))
    return path


def a_run(version: int, values: dict[str, Any] | None = None, *configs: str, net: Any = None, **trainer: Any) -> Path:
    """A run of configs/x.yaml, or of other files; without overrides.yaml when values is None."""
    run = Path("runs", "x", f"version_{version}")
    ran = {"trainer": {**FULL["trainer"], **trainer}, "model": {**STATED["model"]}}
    if net:
        ran["model"]["init_args"] = {"net": net}
    write(str(run / "config.yaml"), ran)
    if values is not None:
        write(str(run / "overrides.yaml"), {"configs": list(configs or ["configs/x.yaml"]), "values": values})
    return run


def labels(*runs: Path) -> list[str]:
    return [variant.label for variant in variants_of([RunFolder(run) for run in runs])]


def test_a_typed_value_that_the_file_does_not_state_makes_a_variant() -> None:
    debug = a_run(0, {"trainer.limit_train_batches": 1}, limit_train_batches=1)
    plain = a_run(1, {"seed_everything": 3})
    assert labels(debug) == ["x --trainer.limit_train_batches 1"]
    assert labels(debug, plain) == ["x --trainer.limit_train_batches 1", "x"]
    (variant,) = variants_of([RunFolder(debug)])
    assert variant.command == "python train.py fit --config configs/x.yaml --trainer.limit_train_batches 1"


@pytest.mark.parametrize(
    "values",
    [
        {"trainer.max_epochs": 5},  # as the file states
        {"trainer": {"max_epochs": 5, "logger": False}},
        {"model.init_args.net.class_path": "nets.A"},
        {"trainer.callbacks+": "callbacks.Mistakes", "save_every_minutes": 5, "data.seed": 7, "test_after_fit": True},
    ],
)
def test_what_repeats_may_differ_in_and_what_the_file_states_make_no_variant(values: dict[str, Any]) -> None:
    assert labels(a_run(0, values)) == ["x"]


def test_other_machines_and_numbers_written_another_way_make_no_variant() -> None:
    """YAML 1.1 asks for 1.0e-3 where train.py takes 1e-3 as well."""
    text = yaml.safe_dump({"trainer": {"devices": 1, "low": "1e-3", "kernel": [2, 0]}}).replace("'1e-3'", "1e-3")
    Path("configs/x.yaml").write_text(text)
    assert labels(a_run(0, devices="1", accelerator="gpu", low=0.001, kernel=[2.0, 0.0])) == ["x"]


@pytest.mark.parametrize(
    ("trainer", "noted", "told"),
    [
        ({"devices": 2}, None, " --trainer.devices 2"),
        ({"devices": [0, 3], "strategy": "ddp"}, None, " --trainer.devices 2 --trainer.strategy ddp"),
        ({"devices": 2, "num_nodes": 2}, None, " --trainer.devices 2 --trainer.num_nodes 2"),
        ({"devices": "auto", "strategy": "ddp"}, 4, " --trainer.devices 4 --trainer.strategy ddp"),
        ({"devices": "auto"}, 1, ""),
        ({"devices": "auto"}, None, ""),  # an older run, of which it is not known
        ({"strategy": "ddp"}, 1, ""),
    ],
)
def test_the_number_of_processes_tells_runs_apart(trainer: dict[str, Any], noted: int | None, told: str) -> None:
    """Each process has a batch of its own."""
    run = a_run(0, {f"trainer.{key}": value for key, value in trainer.items()}, **trainer)
    if noted:
        write(str(run / "data.yaml"), {"processes": noted})
    assert labels(run) == [f"x{told}"]


@pytest.mark.parametrize(
    ("values", "ran", "told"),
    [
        ({"monitor": "val/acc"}, {"monitor": "val/acc", "monitor_mode": "max"}, " --monitor val/acc"),
        ({"monitor_mode": "max"}, {"monitor": "val/loss", "monitor_mode": "max"}, " --monitor_mode max"),
        ({"monitor_mode": "min"}, {"monitor": "val/loss", "monitor_mode": "min"}, ""),  # as its name says
        (
            {"trainer.enable_checkpointing": False},
            {"enable_checkpointing": False},
            " --trainer.enable_checkpointing false",
        ),
        ({"trainer.limit_val_batches": 2}, {"limit_val_batches": 2}, " --trainer.limit_val_batches 2"),
        ({"trainer.precision": 16}, {"precision": 16}, " --trainer.precision 16"),
        ({"compile": True, "save_every_minutes": 9, "trainer.enable_progress_bar": False}, {}, ""),
        ({"trainer.limit_predict_batches": 3}, {"limit_predict_batches": 3}, ""),
    ],
)
def test_what_selects_the_weights_tells_runs_apart(values: dict[str, Any], ran: dict[str, Any], told: str) -> None:
    of_run = {key: ran.pop(key) for key in ("monitor", "monitor_mode") if key in ran}
    run, plain = a_run(0, values, **ran), a_run(1, {})
    for folder, given in ((run, of_run), (plain, {"monitor": "val/loss", "monitor_mode": "min"} if of_run else {})):
        write(str(folder / "config.yaml"), {**RunFolder(folder).config, **given})
    assert labels(run, plain) == [f"x{told}", "x"]


def test_a_part_of_the_test_was_once_the_result_of_its_run_and_is_its_own_now() -> None:
    run = a_run(0, {"trainer.limit_test_batches": 1}, limit_test_batches=1)
    assert labels(run) == ["x --trainer.limit_test_batches 1"]
    write(str(run / "data.yaml"), {"processes": 1})
    assert labels(run) == ["x"]
    write(
        str(run / "evaluations" / "a" / "evaluation.yaml"),
        {"overrides": {"data.split": "random"}, "data": "0123456789"},
    )
    (variant,) = variants_of([RunFolder(run / "evaluations" / "a")])
    assert variant.label == "x, tested with --data.split random # data 01234567"
    assert variant.command == "python train.py test --config configs/x.yaml --data.split random # data 01234567"


def test_several_values_are_told_in_the_order_of_their_names_each_as_one_word() -> None:
    (variant,) = variants_of([RunFolder(a_run(0, {"trainer.kernel": [1.0, 0.5]}, max_epochs=7, kernel=[1.0, 0.5]))])
    *_, key, value, last, seven = shlex.split(variant.command)  # as a shell would read it
    assert (key, yaml.safe_load(value), last, seven) == ("--trainer.kernel", [1.0, 0.5], "--trainer.max_epochs", "7")


def test_the_class_and_the_arguments_of_a_typed_part_are_told_by_their_short_keys() -> None:
    net = {"class_path": "nets.B", "init_args": {"depth": 2, "width": 8}}
    run = a_run(0, {"model.net": "nets.B", "model.net.init_args.depth": 2}, net=net)
    assert labels(run) == ["x --model.net nets.B --model.net.depth 2"]


def test_other_defaults_of_another_class_are_no_disagreement() -> None:
    one = a_run(0, {}, net={"class_path": "nets.A", "init_args": {"dropout": 0.0}})
    other = a_run(1, {"model.net": "nets.B"}, net={"class_path": "nets.B", "init_args": {"dropout": 0.5}})
    assert labels(one, other) == ["x", "x --model.net nets.B"]


def test_runs_of_which_nobody_typed_a_value_disagree_about_it() -> None:
    """The default was another then; or what was typed is not known."""
    for values in ({}, None):
        runs = a_run(0, {}), a_run(1, values, precision=16)
        assert labels(*runs) == ["x --trainer.precision 32", "x --trainer.precision 16"]
    known = a_run(2, {"trainer.precision": 64}, precision=64)
    assert labels(a_run(1), known) == ["x", "x --trainer.precision 64"]


def test_a_further_config_file_is_told_where_it_changes_the_experiment() -> None:
    fast = write("configs/presets/fast.yaml", {"trainer": {"max_epochs": 1, "limit_train_batches": 2}})
    where = write("configs/presets/where.yaml", {"trainer": {"accelerator": "cpu"}})
    files = (where, "configs/x.yaml", fast)
    run = a_run(0, {"trainer.precision": 16}, *files, max_epochs=1, limit_train_batches=2, precision=16)
    assert labels(run) == [f"x --config {fast} --trainer.precision 16"]
    Path(fast).unlink()  # what it stated is told by the run
    assert labels(run) == [f"x --config {fast} --trainer.max_epochs 1 --trainer.precision 16"]


def test_a_config_elsewhere_is_named_by_its_path(folder: Path) -> None:
    write("mine/x.yaml", {"trainer": {"max_epochs": 1}})
    run = a_run(0, {}, str(folder / "mine" / "x.yaml"), max_epochs=1)
    assert variants_of([RunFolder(run)]) == [Variant("x", "mine/x.yaml", "")]
    assert labels(run) == ["mine/x.yaml"]
    assert variants_of([RunFolder(run)])[0].command == "python train.py fit --config mine/x.yaml"
    assert labels(a_run(1, {}, "/elsewhere/x.yaml", max_epochs=7)) == ["/elsewhere/x.yaml"]  # it is not there


def test_a_run_without_a_config_file_is_told_by_all_that_was_typed() -> None:
    run = a_run(0)
    write(str(run / "overrides.yaml"), {"configs": [], "values": {"model": "M", "trainer.max_epochs": 5}})
    assert variants_of([RunFolder(run)])[0].command == "python train.py fit --model M --trainer.max_epochs 5"


def test_a_run_that_repeats_another_is_of_the_same_variant() -> None:
    first = a_run(0, {"trainer.precision": 16}, precision=16)
    again = a_run(1, {"seed_everything": 1}, str(first / "config.yaml"), precision=16)
    other = a_run(2, {"trainer.max_epochs": 9}, str(first / "config.yaml"), precision=16, max_epochs=9)
    both = "x --trainer.max_epochs 9 --trainer.precision 16"
    assert labels(first, again, other) == ["x --trainer.precision 16"] * 2 + [both]


def test_what_train_py_writes_is_told_and_tested_by_that_word(lab: Lab) -> None:
    shutil.copy(DIGITS[1], lab.folder / "configs")
    words = [word for word in SMALL if "epochs" not in word]
    assert lab("fit", *DIGITS, *words, "--trainer.max_epochs=1", "--model.net.attention=elu") == 0, lab.err
    assert RunFolder(lab.run()).config["model"]["init_args"]["net"]["init_args"]["attention"] == "elu"
    (variant,) = variants_of([RunFolder(lab.run())])
    assert variant.config == DIGITS[1]
    told = " --model.net.attention elu --model.net.depth 1 --trainer.limit_train_batches 3 --trainer.max_epochs 1"
    assert variant.overrides == told


@pytest.mark.parametrize("value", ["", "1", "true", " a", "a: b", "[", "-1e-3", "'x'", '"'])
def test_a_word_is_typed_as_it_is_and_so_it_arrives(value: str) -> None:
    """The command line does not take quotes off a word: to put them around one would make them a part of it."""
    parser = ArgumentParser()
    parser.add_argument("--word", type=str)
    parser.add_argument("--perhaps", type=Optional[str])  # noqa: UP045  as a signature may have it
    for key in ("word", "perhaps"):
        assert parser.parse_args([f"--{key}={to_cli(value)}"])[key] == value


@pytest.mark.parametrize(
    ("value", "text"), [(1e-3, "0.001"), (None, "null"), ([1.0, "1"], "[1.0, '1']"), ({"a": True}, "{a: true}")]
)
def test_what_is_no_word_is_typed_as_yaml(value: Any, text: str) -> None:
    assert to_cli(value) == text and yaml.safe_load(text) == value


def test_a_number_in_quotes_stays_a_word() -> None:
    assert values_of({"data": {"class_path": "D", "init_args": {"a": "1", "b": "1e-3", "c": "nan"}}}) == {
        "data": "D", "data.a": "1", "data.b": 0.001, "data.c": "nan",
    }  # fmt: skip


def test_what_is_not_there_is_empty() -> None:
    assert RunFolder(Path("runs/x/version_9")).config == {} and RunFolder(Path("runs/x/version_9")).overrides is None


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("config.yaml", "", "version_0/config.yaml is empty, where what repeats the run should be: restore it"),
        ("config.yaml", "a: [", "version_0/config.yaml is no valid YAML at line 1"),
        ("config.yaml", "- a", "version_0/config.yaml must hold keys and values, but holds a list"),
        ("overrides.yaml", "", "version_0/overrides.yaml must hold a list of configs and .*, but holds nothing"),
        ("overrides.yaml", "values: {}", "version_0/overrides.yaml must .*, but holds values: restore it"),
        ("overrides.yaml", "a: [", "version_0/overrides.yaml is no valid YAML"),
    ],
)
def test_a_damaged_file_is_named(name: str, text: str, told: str) -> None:
    run = a_run(0, {})
    (run / name).write_text(text)
    with pytest.raises(LabError, match=told):
        variants_of([RunFolder(run)])
