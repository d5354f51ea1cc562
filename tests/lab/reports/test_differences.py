"""The values in which configs differ, and no others."""

from pathlib import Path
from typing import Any

import yaml
from grid_runs import config, run_at

from lab.reports.differences import differences
from lab.run_folder import RunFolder


def test_only_what_differs_is_told(tmp_path: Path) -> None:
    small, large = (run_at(tmp_path, number, config(dims, seed=number)) for number, dims in enumerate(([5], [256, 10])))
    keys, rows = differences([("small", small), ("large", large)])
    assert keys == ["model.net.hidden_dims"]  # and no seed
    assert rows == [["small", "[5]"], ["large", "[256, 10]"]]
    assert differences([("small", small), ("again", small)]) == ([], [["small"], ["again"]])


def test_what_a_config_does_not_know_is_told_as_absent_and_a_long_value_is_cut(tmp_path: Path) -> None:
    def run(version: int, **data: Any) -> RunFolder:
        folder = tmp_path / str(version)
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump({"data": {"class_path": "D", "init_args": data}}))
        return RunFolder(folder)

    keys, (first, second) = differences([("a", run(0)), ("b", run(1, words="x" * 200))])
    assert keys == ["data.words"] and first == ["a", "–"]
    assert second[1] == "x" * 79 + "…"
