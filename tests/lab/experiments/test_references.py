"""A reference is printed where data and selection are those of the config that states it; what is typed counts."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.config_files import values_of
from lab.experiments.references import reference_of
from lab.run_folder import RunFolder

STOP = {"class_path": "lightning.pytorch.callbacks.EarlyStopping", "init_args": {"monitor": "val/loss", "patience": 3}}
STATED = {
    "seed_everything": 0,
    "reference": "0.815: the paper",
    "monitor": "val/loss",
    "trainer": {"max_epochs": 5, "devices": 1, "callbacks": [STOP, {"class_path": "callbacks.Mistakes"}]},
    "model": {"class_path": "M", "init_args": {"num_replicas": 1}},
    "data": {
        "class_path": "datamodules.PlanetoidDataModule",
        "init_args": {"name": "Cora", "split": "public", "seed": 0},
    },
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write(Path("configs/x.yaml"), STATED)
    return tmp_path


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))


def a_run(values: dict[str, Any], *configs: str, version: int = 0, **parts: Any) -> Path:
    """A run of configs/x.yaml with typed values, which its config.yaml holds too."""
    run = Path("runs", "x", f"version_{version}")
    ran = yaml.safe_load(yaml.safe_dump({**STATED, **parts}))
    for key, value in values.items():
        *parents, last = key.split(".")
        part = ran
        for parent in parents:
            part = part[parent]["init_args"] if "init_args" in part[parent] else part[parent]
        part[last] = value
    write(run / "config.yaml", ran)
    write(run / "overrides.yaml", {"configs": list(configs or ["configs/x.yaml"]), "values": values})
    return run


@pytest.mark.parametrize(
    ("values", "printed"),
    [
        ({}, True),
        ({"seed_everything": 3, "data.seed": 3, "data.batch_size": 7, "data.root": "elsewhere"}, True),
        ({"model.num_replicas": 100}, True),
        ({"trainer.max_epochs": 1, "compile": True, "trainer.devices": 2}, True),
        ({"monitor_mode": "min", "data.name": "Cora"}, True),  # as stated
        ({"trainer.callbacks": [STOP]}, True),  # without what only observes
        ({"data.name": "CiteSeer"}, False),
        ({"data.split": "random"}, False),
        ({"data.num_test": 10}, False),
        ({"monitor": "val/acc"}, False),
        ({"monitor_mode": "max"}, False),
        ({"trainer.limit_val_batches": 1}, False),
        ({"trainer.enable_checkpointing": False}, False),
        ({"trainer.callbacks": []}, False),
        ({"trainer.callbacks": [{**STOP, "init_args": {"monitor": "val/loss", "patience": 9}}]}, False),
    ],
)
def test_a_reference_is_of_the_data_and_the_selection_of_its_config(values: dict[str, Any], printed: bool) -> None:
    reference, why_none = reference_of(RunFolder(a_run(values)))
    assert (reference == "0.815: the paper") == printed and bool(why_none) == (not printed)
    if not printed:
        assert next(iter(values)) in why_none
    assert (
        reference_of(RunFolder(a_run({**values, "reference": "0.5: mine"}))).text == "0.5: mine"
    )  # typed, it counts everywhere


def test_other_data_of_another_class_have_no_reference() -> None:
    run = a_run({"data": "mine.Data"}, data={"class_path": "mine.Data", "init_args": {"n": 3}})
    write(run / "config.yaml", {**STATED, "data": {"class_path": "mine.Data", "init_args": {"n": 3}}})
    assert reference_of(RunFolder(run)).text == ""


def test_files_that_are_not_those_of_the_usual_place_have_no_reference() -> None:
    run = a_run({"data.root": "other"})
    assert reference_of(RunFolder(run)).text  # of an older run the files are not known
    for usual, text in (("a" * 64, "0.815: the paper"), ("b" * 64, ""), (None, "")):
        write(run / "data.yaml", {"fingerprint": "a" * 64, "usual": usual})
        assert reference_of(RunFolder(run)).text == text


def test_a_file_that_states_its_own_reference_states_it_for_its_own_data() -> None:
    layer = {"data": {"init_args": {"name": "CiteSeer"}}}
    for stated, text in ((layer, ""), ({**layer, "reference": "0.703: the paper"}, "0.703: the paper")):
        write(Path("configs/presets/other.yaml"), stated)
        run = a_run({}, "configs/x.yaml", "configs/presets/other.yaml")
        ran = {**STATED, "data": {**STATED["data"], "init_args": {**STATED["data"]["init_args"], "name": "CiteSeer"}}}
        write(run / "config.yaml", ran)
        assert reference_of(RunFolder(run)).text == text
        write(run / "config.yaml", {**ran, "monitor": "val/acc"})
        assert reference_of(RunFolder(run)).text == ""


def test_a_run_that_repeats_another_is_of_what_that_was_of() -> None:
    first = a_run({"data.name": "CiteSeer"})
    again = a_run({}, str(first / "config.yaml"), version=1)
    (again / "config.yaml").write_text((first / "config.yaml").read_text())
    assert reference_of(RunFolder(again)).text == "" and values_of(STATED)["data.name"] == "Cora"


def test_an_evaluation_has_none_but_what_is_typed_for_it() -> None:
    evaluation = a_run({}) / "evaluations" / "last"
    write(evaluation / "evaluation.yaml", {"overrides": {"ckpt_path": "last"}})
    assert reference_of(RunFolder(evaluation)) == ("", "none for this result: the config's is not about ckpt_path")
    write(evaluation / "reference.yaml", {"reference": "0.7: mine"})
    assert reference_of(RunFolder(evaluation)).text == "0.7: mine"


def test_a_config_that_is_gone_was_told_to_the_run() -> None:
    run = a_run({})
    Path("configs/x.yaml").unlink()
    assert reference_of(RunFolder(run)).text == "0.815: the paper"
