"""In what a result is another than that of its run, and where it goes."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.errors import LabError
from lab.evaluation.evaluations import evaluation_folder, evaluation_of, why_another
from lab.files import write_yaml
from lab.run_folder import RunFolder
from lab.training.fingerprints import note_data

DATA = {"class_path": "D", "init_args": {"name": "Cora", "split": "public", "seed": 0, "root": None, "batch_size": 4}}
RAN = {
    "model": {"class_path": "M", "init_args": {"tile": 8, "optimizer": {"class_path": "O", "init_args": {"lr": 1}}}},
    "data": DATA,
    "trainer": {"precision": None, "limit_test_batches": None},
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "x" / "version_0"
    (folder / "checkpoints").mkdir(parents=True)
    for kind in ("best", "last"):
        (folder / "checkpoints" / f"{kind}.ckpt").touch()
    (folder / "config.yaml").write_text(yaml.safe_dump(RAN))
    note_data(folder, {"fingerprint": "a" * 64})
    assert not (folder / "data.yaml").exists()  # a run of an older version went on
    write_yaml(folder / "data.yaml", {"fingerprint": "a" * 64})
    return folder


def evaluated(run: Path, command: str = "test", kind: str = "best", held: str | None = None, **typed: Any) -> dict:
    """The evaluation of a command with typed values; ``__`` stands for a dot."""
    config = yaml.safe_load(yaml.safe_dump(RAN))
    typed = {key.replace("__", "."): value for key, value in typed.items()}
    for key, value in typed.items():
        part, *_, last = key.split(".")
        (config[part] if part == "trainer" else config[part]["init_args"])[last] = value
    return evaluation_of(command, RunFolder(run), run / "checkpoints" / f"{kind}.ckpt", config, typed, held)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, {}),
        ({"data__batch_size": 9, "data__name": "Cora", "model__tile": 8}, {}),
        ({"kind": "last"}, {"ckpt_path": "last"}),
        ({"kind": "last", "command": "predict"}, {"ckpt_path": "last"}),
        ({"kind": "last", "command": "validate"}, {}),  # the row that fit wrote, once more
        ({"data__split": "random"}, {"data.split": "random"}),
        ({"data__name": "CiteSeer", "command": "validate"}, {"data.name": "CiteSeer"}),
        ({"trainer__limit_test_batches": 2}, {"trainer.limit_test_batches": 2}),
        ({"trainer__limit_test_batches": 1}, {"trainer.limit_test_batches": 1}),  # one batch
        ({"trainer__limit_test_batches": 1.0}, {}),  # all of them
        ({"trainer__limit_test_batches": 2, "command": "validate"}, {}),
        ({"trainer__limit_predict_batches": 2, "command": "predict"}, {"trainer.limit_predict_batches": 2}),
        ({"model__tile": 16}, {"model.tile": 16}),
        ({"trainer__precision": "bf16"}, {"trainer.precision": "bf16"}),
        ({"held": "a" * 64, "data__root": "moved"}, {}),
        ({"held": "b" * 64, "data__root": "other"}, {"data.root": "other"}),
    ],
)
def test_what_makes_another_result(run: Path, given: dict[str, Any], words: dict[str, Any]) -> None:
    evaluation = evaluated(run, **given)
    assert evaluation.get("overrides", {}) == words
    folder = evaluation_folder(RunFolder(run), evaluation)
    assert (folder == run) == (not evaluation) and folder == evaluation_folder(RunFolder(run), evaluated(run, **given))


def test_files_that_were_changed_in_their_place_are_others(run: Path) -> None:
    evaluation = evaluated(run, held="b" * 64)
    assert evaluation == {"data": "b" * 64} and evaluation_folder(RunFolder(run), evaluation).name == "data=bbbbbbbb"
    assert "with other files of data this is another result" in why_another(run, evaluation)


def test_of_an_older_run_another_place_is_other_data(run: Path) -> None:
    (run / "data.yaml").unlink()
    assert evaluated(run, held="b" * 64) == {}
    assert evaluated(run, held="b" * 64, data__root="other")["overrides"] == {"data.root": "other"}


def test_data_of_another_class_are_told_by_what_was_typed(run: Path) -> None:
    config = {**RAN, "data": {"class_path": "E", "init_args": {"n": 3, "m": 4}}}
    words = evaluation_of("test", RunFolder(run), None, config, {"data": "E", "data.n": 3}, None)["overrides"]
    assert words == {"data": "E", "data.n": 3}


def test_the_name_of_a_folder_is_one_that_a_disk_takes(run: Path) -> None:
    words = {"data.text": "a/b: «c»", "data.long": "x" * 300}
    folder = evaluation_folder(RunFolder(run), {"overrides": words})
    assert folder.parent == run / "evaluations" and len(folder.name) < 120
    assert folder != evaluation_folder(RunFolder(run), {"overrides": {**words, "data.text": "a/b: «d»"}})
    assert (
        evaluation_folder(RunFolder(run), {"overrides": {"ckpt_path": "last", "data.split": "random"}}).name
        == "last,data.split=random"
    )
    for key in ("overrides", "words"):  # the second is its name in older runs
        write_yaml(folder / "evaluation.yaml", {key: words})
        assert RunFolder(folder).evaluation == {"overrides": words} and RunFolder(run).evaluation == {}


def test_a_run_does_not_go_on_with_other_data(run: Path) -> None:
    note_data(run, {"fingerprint": "a" * 64})
    note_data(run, {"fingerprint": None})
    with pytest.raises(LabError, match=r"the files of data are others than those that .*version_0 has trained on"):
        note_data(run, {"fingerprint": "b" * 64})
