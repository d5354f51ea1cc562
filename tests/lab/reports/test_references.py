"""A study says which of its experiments are held against what."""

from pathlib import Path

import pytest
from grid_runs import a_run, config, write_config

from lab.reports.references import references_of
from lab.reports.studies import experiment_studies
from lab.run_folder import RunFolder


def test_a_reference_is_said_to_be_of_those_that_it_is_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(write_config(tmp_path))
    one, two, other = (a_run(tmp_path / "runs", version, config(seed=version)) for version in range(3))
    assert (
        references_of({("a", ""): [RunFolder(one)], ("b", "x:"): [RunFolder(two)], ("c", ""): []})[0]
        == "0.9: the handout"
    )
    (other / "overrides.yaml").write_text("configs: [configs/x.yaml]\nvalues: {monitor: val/acc}\n")
    (other / "config.yaml").write_text((other / "config.yaml").read_text() + "monitor: val/acc\n")
    told, each = references_of(
        {("a", ""): [RunFolder(one)], ("b", "x:"): [RunFolder(two)], ("c", ""): [RunFolder(other)]}
    )
    assert told == "0.9: the handout (a, b, x)" and each["c", ""] == "–"
    assert references_of({("c", ""): [RunFolder(other)]})[0] == "–"
    (study,) = experiment_studies([*map(RunFolder, (one, two, other))])
    rows = {row[0].row: study.reference_for(row[0]) for row in study.rows}
    assert rows == {"as the config states": "0.9: the handout", "--monitor val/acc": "–"}
    (one / "overrides.yaml").write_text("configs: [configs/x.yaml]\nvalues: {reference: '0.5: mine'}\n")
    assert (
        references_of({("a", ""): [RunFolder(one)], ("b", ""): [RunFolder(two)]})[0]
        == "0.5: mine (a); 0.9: the handout (b)"
    )
