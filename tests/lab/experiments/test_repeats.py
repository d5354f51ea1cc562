"""Runs with other files of data, or with other numbers of processes, are no repeats of each other."""

from pathlib import Path

import pytest
import yaml

from lab.experiments.repeats import data_notes, process_options
from lab.run_folder import RunFolder


@pytest.mark.parametrize(
    ("held", "roots", "notes"),
    [
        (["a", "a"], [None, None], ["", ""]),
        (["a", "a"], [None, "moved"], ["", ""]),
        (["a", "b"], [None, "other"], ["", " --data.root other"]),
        (["b", "b"], ["one place", "other"], [" --data.root 'one place'"] * 2),  # the same data, a row of two seeds
        (["a", "b"], ["one", "other"], [" --data.root one", " --data.root other"]),
        (["a", "b"], [None, None], [" # data a", " # data b"]),  # changed in its place
        ([None, None], ["one", "other"], ["", ""]),  # older runs, of which it is not known
        ([None, "a"], [None, None], ["", ""]),
    ],
)
def test_what_tells_the_data_of_runs_apart(
    tmp_path: Path, held: list[str | None], roots: list[str | None], notes: list[str]
) -> None:
    runs = [tmp_path / f"version_{number}" for number in range(len(held))]
    for run, fingerprint in zip(runs, held, strict=True):
        run.mkdir()
        if fingerprint:
            (run / "data.yaml").write_text(yaml.safe_dump({"fingerprint": fingerprint, "usual": None}))
    assert data_notes([*map(RunFolder, runs)], ["x"] * len(runs), roots) == notes
    assert data_notes([RunFolder(runs[0])], ["x"], [roots[0]])[0] == notes[0].replace(" # data a", "")


def test_a_typed_place_with_the_files_of_the_usual_one_is_not_told(tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text(yaml.safe_dump({"fingerprint": "a", "usual": "a", "processes": 3}))
    assert (
        data_notes([RunFolder(tmp_path)], ["x"], ["moved"]) == [""] and RunFolder(tmp_path).data["fingerprint"] == "a"
    )
    assert process_options(RunFolder(tmp_path), {"trainer.devices": 3}, {}) == []
    assert process_options(RunFolder(tmp_path), {}, {"trainer.devices": "auto"}) == ["--trainer.devices 3"]
