"""RESULTS.md from finished runs."""

import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from running import DIGITS, SMALL, Lab

from lab.errors import LabError
from lab.grids import Grid
from lab.report import all_runs, write_results


def config(attention: str = "softmax", **others: Any) -> dict[str, Any]:
    """A config file as a person writes it, of a network that could have more options."""
    net = {"class_path": "nets.VisionTransformer", "init_args": {"depth": 2, "attention": attention}}
    return {
        "seed_everything": 0,
        "reference": "0.94: the handout",
        "trainer": {"max_epochs": 5, "devices": 1, "callbacks": [{"class_path": "callbacks.Mistakes"}]},
        "model": {"class_path": "lit_models.LitImageClassifier", "init_args": {"num_classes": 3, "net": net}},
        "data": {"class_path": "datamodules.DigitsDataModule", "init_args": {"seed": 0, "low": 0, "kernel": [2, 0, 1]}},
        **others,
    }


def finished_run(
    root: Path, version: int, score: float, ran: dict[str, Any] | None = None, metric: str = "test/acc"
) -> None:
    run = root / "x" / f"version_{version}"
    (run / "checkpoints").mkdir(parents=True)
    (run / "metrics.csv").write_text(f"step,{metric}\n9,{score}\n")
    ran = {"reference": "0.94: the handout"} if ran is None else ran
    (run / "config.yaml").write_text(yaml.safe_dump({**ran, "seed_everything": version}))
    last = run / "checkpoints" / "last.ckpt"
    last.touch()
    os.utime(run / "config.yaml", (1000, 1000))
    os.utime(last, (1090, 1090))


def rows_of(root: Path) -> list[list[str]]:
    """The cells of every row of the table."""
    lines = write_results(all_runs(root / "runs"), root / "RESULTS.md").splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| x")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the file configs/x.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "x.yaml").write_text(yaml.safe_dump(config()))
    return tmp_path


def test_a_row_holds_mean_spread_seeds_reference_and_time(tmp_path):
    for version, accuracy in enumerate((0.97, 0.98, 0.99)):
        finished_run(tmp_path / "runs", version, accuracy)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "speed.md").write_text("a table\n")
    text = write_results(all_runs(tmp_path / "runs"), tmp_path / "RESULTS.md", tmp_path / "notes")
    assert "| x | accuracy 0.9800 ± 0.0100 | 0, 1, 2 | 0.94: the handout | 1.5 min |" in text
    assert text.endswith("a table\n")
    assert (tmp_path / "RESULTS.md").read_text() == text


def test_nothing_tested_nothing_written(tmp_path):
    with pytest.raises(LabError, match="no run here has been tested yet"):
        write_results(all_runs(tmp_path / "runs"), tmp_path / "RESULTS.md")
    assert not (tmp_path / "RESULTS.md").exists()


def test_another_value_gives_a_row_of_its_own_with_what_was_typed(folder: Path) -> None:
    for version, attention in enumerate(("softmax", "elu", "softmax", "elu")):
        finished_run(folder / "runs", version, 0.95 + 0.01 * version, config(attention))
    override = " --model.net.attention elu"
    rows = rows_of(folder)
    assert [row[0] for row in rows] == ["x", f"x{override}"]
    assert [row[1] for row in rows] == ["accuracy 0.9600 ± 0.0141", "accuracy 0.9700 ± 0.0141"]
    assert [row[2] for row in rows] == ["0, 2", "1, 3"]
    command = "python train.py fit --config configs/x.yaml"
    assert [row[5] for row in rows] == [f"`{command}`", f"`{command}{override}`"]


def test_several_values_are_told_in_the_order_of_their_names(folder: Path) -> None:
    trainer = {**config()["trainer"], "max_epochs": 7}
    finished_run(folder / "runs", 0, 0.95, config("elu", trainer=trainer))
    assert rows_of(folder)[0][0] == "x --model.net.attention elu --trainer.max_epochs 7"


def test_seeds_machines_and_values_written_another_way_make_no_row(folder: Path) -> None:
    finished_run(folder / "runs", 0, 0.95, config())
    trainer = {"max_epochs": 5, "devices": 2, "callbacks": None, "accelerator": "gpu"}
    data = {
        "class_path": "datamodules.DigitsDataModule",
        "init_args": {"seed": 7, "low": 0.0, "kernel": [2.0, 0.0, 1.0]},
    }
    finished_run(folder / "runs", 1, 0.97, config(trainer=trainer, data=data, reference=""))
    ((name, result, seeds, *_),) = rows_of(folder)
    assert (name, result, seeds) == ("x", "accuracy 0.9600 ± 0.0141", "0, 1")


def test_a_number_that_only_the_command_line_reads_as_one_makes_no_row(folder: Path) -> None:
    (folder / "configs" / "x.yaml").write_text(yaml.safe_dump(config()).replace("low: 0", "low: 1e-3"))
    ran = config()
    ran["data"]["init_args"]["low"] = 0.001  # YAML 1.1 asks for 1.0e-3, and train.py does not
    finished_run(folder / "runs", 0, 0.95, ran)
    assert [row[0] for row in rows_of(folder)] == ["x"]


def test_a_default_that_the_config_does_not_spell_out_makes_no_row(folder: Path) -> None:
    finished_run(folder / "runs", 0, 0.95, config(monitor="val/loss"))
    assert [row[0] for row in rows_of(folder)] == ["x"]


def test_a_value_that_the_config_does_not_spell_out_makes_a_row(folder: Path) -> None:
    for version, dropout in enumerate((0.0, 0.5)):
        ran = config()
        ran["model"]["init_args"]["net"]["init_args"]["dropout"] = dropout
        finished_run(folder / "runs", version, 0.95, ran)
    assert len(rows_of(folder)) == 2  # else the two pass for repeats of each other


def test_a_value_with_spaces_is_told_as_one_word(folder: Path) -> None:
    data = {"class_path": "datamodules.DigitsDataModule", "init_args": {"seed": 0, "low": 0, "kernel": [1.0, 0.5, 1.0]}}
    finished_run(folder / "runs", 0, 0.95, config(data=data))
    ((*_, command),) = rows_of(folder)
    *_, key, value = shlex.split(command.strip("`"))  # as a shell would read it
    assert (key, yaml.safe_load(value)) == ("--data.kernel", [1.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("metric", "score", "reference", "result"),
    [
        ("test/acc", 0.93, "0.94: the handout", "accuracy 0.9300 (below the reference)"),
        ("test/acc", 0.95, "0.94: the handout", "accuracy 0.9500"),
        ("test/rse", 2e-4, "1e-4 at most", "relative squared error 0.0002 (above the reference)"),
        ("test/rse", 3.14159e-7, "1e-4 at most", "relative squared error 3.1e-07"),
        ("test/rse", 3.14159e-7, "0: the construction", "relative squared error 3.1e-07 (above the reference)"),
        ("test/rse", 0.5, "none is known", "relative squared error 0.5"),
    ],
)
def test_a_result_is_named_and_held_against_its_reference(
    folder: Path, metric: str, score: float, reference: str, result: str
) -> None:
    (folder / "configs" / "x.yaml").write_text(yaml.safe_dump(config(reference=reference)))
    finished_run(folder / "runs", 0, score, config(), metric)
    assert rows_of(folder)[0][1] == result


def test_a_run_with_another_attention_is_told_and_tested_by_that_word(lab: Lab) -> None:
    (lab.folder / "configs").mkdir()
    shutil.copy(DIGITS[1], lab.folder / "configs")
    assert lab("fit", *DIGITS, *SMALL, "--model.net.attention=elu") == 0, lab.err
    saved = yaml.safe_load((lab.run() / "config.yaml").read_text())
    assert saved["model"]["init_args"]["net"]["init_args"]["attention"] == "elu"
    assert lab("test", "--config", str(lab.run() / "config.yaml")) == 0, lab.err
    assert " --model.net.attention elu " in write_results([lab.run()], lab.folder / "RESULTS.md")


def test_the_runs_of_a_grid_are_a_table_of_their_own(folder: Path) -> None:
    finished_run(folder / "runs", 0, 0.9, config())
    given = {"configs": ["configs/x.yaml"], "values": {}}
    (folder / "runs" / "x" / "version_0" / "overrides.yaml").write_text(yaml.safe_dump(given))
    grid = Grid("g.yaml", "A grid", "configs/x.yaml", {"test/acc": "accuracy"}, {"": {}}, {"plain": {}})
    text = write_results(all_runs(folder / "runs"), folder / "RESULTS.md", grids=[grid])
    assert "### A grid" in text and "| plain | 0.9 |" in text and "| x |" not in text
    assert "1 runs of 1.5 min each: `python sweep.py g.yaml`. Reference: 0.94: the handout." in text


def test_replicas_are_seeds_of_one_run(folder: Path) -> None:
    finished_run(folder / "runs", 3, 0.9, metric="probe/test_acc")
    metrics = folder / "runs" / "x" / "version_3" / "metrics.csv"
    metrics.write_text("step,probe/test_acc,probe/test_acc_replica_0,probe/test_acc_replica_1\n9,0.9,0.8,1.0\n")
    ((_, result, seeds, *_),) = rows_of(folder)
    assert (result, seeds) == ("accuracy of a linear probe 0.9000 ± 0.1414 (below the reference)", "3–4")
