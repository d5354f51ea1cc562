"""What is expected of each experiment: how it is stated, and which mistakes are told."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from running import ROOT

from lab.errors import LabError
from lab.metrics import Metric
from lab.sweeps.expectations import Experiment, read_experiments

FILE = ROOT / "configs" / "reproduce" / "experiments.yaml"
STATED = {"metric": "test/acc", "full": {"at_least": 0.9}, "source": "the handout"}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes the file of expectations in a working directory with configs/x.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "x.yaml").write_text("seed_everything: 0\n")

    def to_file(**experiments: Any) -> Path:
        (tmp_path / "experiments.yaml").write_text(yaml.safe_dump({"experiments": experiments}))
        return tmp_path / "experiments.yaml"

    return to_file


def test_every_experiment_of_the_repository_is_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    full, reduced = read_experiments(FILE, full=True), read_experiments(FILE, full=False)
    assert {Path(experiment.config).stem for experiment in full} == {
        path.stem for path in (ROOT / "configs").glob("*.yaml")
    }
    assert {experiment.name for experiment in reduced} == {
        experiment.name for experiment in full if not experiment.data
    }


def test_a_reduced_budget_is_no_stricter_than_the_full_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    full = {experiment.name: experiment for experiment in read_experiments(FILE, full=True)}
    for experiment in read_experiments(FILE, full=False):
        least, most = full[experiment.name].at_least, full[experiment.name].at_most
        assert (experiment.at_least is None) == (least is None) and (experiment.at_most is None) == (most is None)
        assert least is None or experiment.at_least <= least
        assert most is None or experiment.at_most >= most
        assert Metric.parse(experiment.metric).name.count("/") >= 1 and experiment.source


def test_a_budget_adds_its_overrides(write: Any) -> None:
    reduced = {"at_most": 2, "overrides": {"trainer.max_epochs": 1}}
    path = write(
        x={**STATED, "overrides": {"data.seed": 3}, "reduced": reduced}, y={**STATED, "config": "configs/x.yaml"}
    )
    (small,) = read_experiments(path, full=False)
    assert small == Experiment(
        "x",
        "configs/x.yaml",
        "test/acc",
        "the handout",
        at_most=2.0,
        overrides={"data.seed": 3, "trainer.max_epochs": 1},
    )
    root = ["--trainer.default_root_dir=runs/r"]
    assert small.argv(Path("runs/r")) == [
        "--config",
        "configs/x.yaml",
        "--data.seed=3",
        "--trainer.max_epochs=1",
        *root,
    ]
    assert [(one.name, one.overrides) for one in read_experiments(path, full=True)] == [
        ("x", {"data.seed": 3}),
        ("y", {}),
    ]


@pytest.mark.parametrize(
    ("bounds", "expected", "met"),
    [
        ({"at_least": 0.5}, "at least 0.5", (False, True, True)),
        ({"at_most": 0.5}, "at most 0.5", (True, True, False)),
        ({"at_least": 0.4, "at_most": 0.6}, "at least 0.4 and at most 0.6", (False, True, False)),
    ],
)
def test_bounds_are_inclusive_and_no_number_meets_them(bounds: dict[str, float], expected: str, met: Any) -> None:
    experiment = Experiment("x", "configs/x.yaml", "test/acc", "", **bounds)
    assert experiment.expected == expected
    assert tuple(map(experiment.met_by, (0.3, 0.5, 0.7))) == met and not experiment.met_by(float("nan"))


@pytest.mark.parametrize(
    ("stated", "sentence"),
    [
        ({"metric": "a", "full": {"at_least": 1}}, "the experiment x of .* lacks source: an experiment has the keys"),
        ({**STATED, "metrc": "a"}, 'has metrc: .*; did you mean "metric"\\?'),
        ({**STATED, "full": {}}, "full of the experiment x .* must have a number at_least or at_most"),
        ({**STATED, "full": {"at_least": "much"}}, "must have a number at_least or at_most"),
        ({**STATED, "reduced": {"at_leats": 1}}, "reduced of the experiment x .* must have a number"),
        ({**STATED, "data": True, "reduced": {"at_least": 0}}, "needs data, so that it can have no reduced budget"),
        ({**STATED, "config": "configs/y.yaml"}, 'the config file "configs/y.yaml" does not exist'),
        (7, "lacks full, metric, source"),
    ],
)
def test_mistakes_are_told(write: Any, stated: Any, sentence: str) -> None:
    with pytest.raises(LabError, match=sentence):
        read_experiments(write(x=stated), full=True)


def test_a_file_that_is_not_there_or_states_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="does not exist: run this from the root of the repository"):
        read_experiments(tmp_path / "experiments.yaml", full=True)
    (tmp_path / "experiments.yaml").write_text("experiment: {}\n")
    with pytest.raises(LabError, match="must hold experiments by their names under the one key experiments"):
        read_experiments(tmp_path / "experiments.yaml", full=True)
