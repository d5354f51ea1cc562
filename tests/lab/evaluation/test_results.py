"""Results go to the run that they are of, or to a folder of their own where they are of something else."""

from pathlib import Path

import pytest
import yaml
from running import DIGITS, NO_PICTURES, SMALL, Lab

from lab import read_metrics
from lab.reports.collect import read_finished, update_results, write_tables
from lab.reports.reading import all_runs

SURNAMES = ["--config", str(Path(__file__).parents[3] / "configs" / "surname_classifier.yaml")]
QUICK = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=1", "--trainer.accelerator=cpu", NO_PICTURES]
QUICK += ["--trainer.logger=false", "--model.net.rnn_size=8", "--data.source=files"]
QUICK += ["--model.num_classes=2", "--model.net.num_classes=2"]


def files(run: Path) -> dict[str, bytes]:
    """What a run holds of its own, byte by byte."""
    paths = [path for path in run.rglob("*") if path.is_file() and "evaluations" not in path.parts]
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in paths}


def names(folder: Path, shift: int = 0) -> str:
    """A folder of two languages; another shift gives other names."""
    (folder / "names").mkdir(parents=True)
    for language, stem in {"Elvish": "el", "Orcish": "ork"}.items():
        text = "".join(f"{stem}{chr(97 + (n + shift) % 26)}{chr(97 + n // 26)}\n" for n in range(60))
        (folder / "names" / f"{language}.txt").write_text(text)
    return str(folder)


def test_another_result_of_a_run_has_its_own_folder_and_leaves_the_runs_own(lab: Lab) -> None:
    assert lab("fit", *DIGITS, *SMALL, "--trainer.logger=false", "--test_after_fit=true") == 0
    assert "evaluations" not in lab.out
    before, tested = files(lab.run()), [*DIGITS, NO_PICTURES, "--trainer.logger=false"]
    for _ in range(2):  # the same again goes to the same place
        assert lab("test", *tested, "--trainer.limit_test_batches=1", "--data.eval_batch_size=100") == 0, lab.err
        assert lab("test", *tested, "--ckpt_path=last") == 0, lab.err
    assert "Written to runs/vit_digits/version_0/evaluations/last: with --ckpt_path last this is another" in lab.out
    assert "Reference: none for this result: the config's is not about ckpt_path" in lab.out
    assert lab("predict", *tested, "--ckpt_path=last") == 0, lab.err
    assert files(lab.run()) == before
    assert sorted(path.name for path in (lab.run() / "evaluations").iterdir()) == ["last", "limit_test_batches=1"]
    assert len(read_metrics(lab.run() / "evaluations" / "last")["test/acc"][1]) == 2
    assert (lab.run() / "evaluations" / "last" / "predictions.csv").is_file()
    assert lab("test", *tested) == 0  # a plain one is the run's own
    assert len(read_metrics(lab.run())["test/acc"][1]) == 2


def test_a_test_of_a_part_after_fit_is_no_result_of_the_run(lab: Lab) -> None:
    words = [*DIGITS, *SMALL, "--trainer.logger=false", "--test_after_fit=true", "--trainer.limit_test_batches=1"]
    assert lab("fit", *words) == 0, lab.err
    assert not any(name.startswith("test/") for name in read_metrics(lab.run()))
    assert "test/acc" in read_metrics(lab.run() / "evaluations" / "limit_test_batches=1")
    assert lab("test", *DIGITS, NO_PICTURES, "--trainer.logger=false") == 0  # that of the run is still to come
    whole, part = rows_of(lab.folder).items()
    assert part[0] == f"{whole[0]}, tested with --trainer.limit_test_batches 1"
    assert (whole[1][1], part[1][1]) == ("0", "0") and part[1][2] == "–" and whole[1][2].startswith("0.986: 3-nearest")
    assert part[1][4].startswith("`python train.py test --config ")


def rows_of(folder: Path) -> dict[str, list[str]]:
    """The rows of RESULTS.md by their first cells."""
    finished = read_finished(all_runs(folder / "runs"), folder / "runs")
    update_results(finished, folder, overwrite=True)
    write_tables(finished.studies, folder / "tables.csv")
    lines = [line for line in (folder / "RESULTS.md").read_text().splitlines() if line.startswith("| ")]
    cells = [line.strip("| ").split(" | ") for line in lines[2:]]
    return {row[0]: row[1:] for row in cells}


def test_the_same_names_in_another_place_are_the_same_and_others_are_another_result(lab: Lab) -> None:
    here, moved, other = names(lab.folder / "data"), names(lab.folder / "moved"), names(lab.folder / "other", 1)
    assert lab("fit", *SURNAMES, *QUICK, "--test_after_fit=true") == 0, lab.err
    noted = yaml.safe_load((lab.run("surname_classifier") / "data.yaml").read_text())
    assert noted["samples"].keys() == {"train", "val"} and noted["processes"] == 1
    assert noted["class"] == "datamodules.SurnamesDataModule" and len(noted["fingerprint"]) == 64
    before = files(lab.run("surname_classifier"))
    tested = ["test", *SURNAMES, NO_PICTURES, "--trainer.logger=false"]
    assert lab(*tested, f"--data.root={other}") == 0, lab.err
    assert files(lab.run("surname_classifier")) == before
    (folder,) = (lab.run("surname_classifier") / "evaluations").iterdir()
    assert folder.name.startswith("data=") and "test/acc" in read_metrics(folder)
    assert lab(*tested, f"--data.root={moved}") == 0, lab.err
    assert len(read_metrics(lab.run("surname_classifier"))["test/acc"][1]) == 2 and here
    rows = rows_of(lab.folder)
    assert len(rows) == 2 and all(row[1] == "0" for row in rows.values())
    assert [f"tested with --data.root {other}" in label for label in rows] == [False, True]


@pytest.mark.parametrize("changed", ["--data.root", "in its place"])
def test_two_folders_are_no_two_seeds(lab: Lab, changed: str) -> None:
    names(lab.folder / "data")
    other = names(lab.folder / "other", 1)
    words = ["fit", *SURNAMES, *QUICK, "--test_after_fit=true"]
    assert lab(*words) == 0, lab.err
    if changed == "in its place":
        (lab.folder / "data" / "names" / "Elvish.txt").write_text("Aa\nBb\nCc\nDd\nEe\nFf\nGg\nHh\nIi\nJj\nKk\nLl\n")
    assert lab(*words, "--seed_everything=1", "--data.seed=1", *([f"--data.root={other}"] * (changed[0] == "-"))) == 0
    rows = rows_of(lab.folder)
    assert len(rows) == 2 and sorted(row[1] for row in rows.values()) == ["0", "1"]
