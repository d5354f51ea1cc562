"""What is expected of each experiment, read from ``configs/reproduce/experiments.yaml``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lab.config_files import check_config, to_cli
from lab.errors import LabError, nearest

KEYS = ("config", "overrides", "metric", "full", "reduced", "source", "data")
BUDGET_KEYS = ("at_least", "at_most", "overrides")


@dataclass(frozen=True)
class Experiment:
    """An experiment at one budget, and what is expected of it.

    Args:
        name: its name.
        config: path of its config.
        metric: its last value is compared with the bounds, the first one with "first " before its name.
        source: where the expectation comes from.
        at_least: the least value that passes, or None.
        at_most: the largest value that passes, or None.
        overrides: values other than the config's, by their keys on the command line.
        data: whether it needs files that are not in the repository.
    """

    name: str
    config: str
    metric: str
    source: str
    at_least: float | None = None
    at_most: float | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    data: bool = False

    @property
    def expected(self) -> str:
        """The bounds as text, "at least 0.9"."""
        bounds = (("at least", self.at_least), ("at most", self.at_most))
        return " and ".join(f"{name} {bound:g}" for name, bound in bounds if bound is not None)

    def met_by(self, value: float) -> bool:
        """Whether a value is within the bounds; a value that is no number is not."""
        above = self.at_least is None or value >= self.at_least
        return above and (value <= self.at_most if self.at_most is not None else value == value)

    def argv(self, root: Path) -> list[str]:
        """The arguments of ``train.py`` behind the command, for runs below a folder."""
        values = {**self.overrides, "trainer.default_root_dir": str(root)}
        return ["--config", self.config, *(f"--{key}={to_cli(value)}" for key, value in values.items())]


def read_experiments(path: Path, full: bool) -> list[Experiment]:
    """The experiments of a budget: all at the full one, those that state it and need no data at the reduced one.

    Args:
        path: the file that states them.
        full: the budget of the configs; the reduced one otherwise.

    Raises:
        LabError: when the file is not there, or states something else.
    """
    if not path.is_file():
        raise LabError(f"{path} does not exist: run this from the root of the repository.")
    check_config(str(path))
    content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    experiments = content.get("experiments")
    if not isinstance(experiments, dict) or set(content) != {"experiments"}:
        raise LabError(f"{path} must hold experiments by their names under the one key experiments.")
    for name, stated in experiments.items():
        _check(f"the experiment {name} of {path}", stated)
    budget = "full" if full else "reduced"
    return [_experiment(name, stated, budget) for name, stated in experiments.items() if budget in stated]


def _experiment(name: str, stated: Mapping[str, Any], budget: str) -> Experiment:
    given = stated[budget]
    overrides = {**stated.get("overrides", {}), **given.get("overrides", {})}
    config = stated.get("config", f"configs/{name}.yaml")
    check_config(config)
    low, high = (None if given.get(key) is None else float(given[key]) for key in ("at_least", "at_most"))
    return Experiment(name, config, stated["metric"], stated["source"], low, high, overrides, stated.get("data", False))


def _check(what: str, stated: Any) -> None:
    """Raise LabError unless an experiment has its keys, and bounds at each budget.

    By hand, since jsonargparse's errors name neither the experiment nor the allowed keys.
    """
    given = set(map(str, stated)) if isinstance(stated, dict) else set()
    missing, unknown = {"metric", "full", "source"} - given, given - set(KEYS)
    if missing or unknown:
        wrong = f"lacks {', '.join(sorted(missing))}" if missing else f"has {', '.join(sorted(unknown))}"
        hint = "".join(nearest(key, KEYS) for key in sorted(unknown))
        raise LabError(f"{what} {wrong}: an experiment has the keys {', '.join(KEYS)}{hint}")
    for budget in ("full", "reduced"):
        part = stated.get(budget, {"at_least": 0})
        bounds = [part.get(key) for key in ("at_least", "at_most")] if isinstance(part, dict) else []
        numbers = [bound for bound in bounds if bound is not None]
        if not numbers or set(part) - set(BUDGET_KEYS) or not all(isinstance(bound, int | float) for bound in numbers):
            raise LabError(f"{budget} of {what} must have a number at_least or at_most, and overrides, but is {part}.")
    if stated.get("data") and "reduced" in stated:
        raise LabError(f"{what} needs data, so that it can have no reduced budget, which runs offline.")
