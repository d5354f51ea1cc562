"""Run folders of a small grid, as a sweep would leave them."""

from pathlib import Path
from typing import Any

import yaml

from lab.config_files import values_of
from lab.experiments.grids import Cell, Grid
from lab.run_folder import RunFolder

NOISE = {"class_path": "nets.GaussianNoise", "init_args": {"std": 0.5}}
SMALL, LARGE = {"model.net.hidden_dims": [5]}, {"model.net.hidden_dims": [256, 10]}
NOISY = {"model.corruption": "nets.GaussianNoise", "model.corruption.std": 0.5}
CONTENT = {"title": "A grid", "config": "configs/x.yaml", "metrics": {"test/loss": "error"}, "rows": {"small": SMALL}}


def config(
    hidden_dims: tuple[int, ...] = (16,), corruption: Any = None, seed: int = 0, **trainer: Any
) -> dict[str, Any]:
    net = {"class_path": "nets.Autoencoder", "init_args": {"hidden_dims": list(hidden_dims)}}
    return {
        "seed_everything": seed,
        "reference": "0.9: the handout",
        "trainer": {"max_epochs": 5, "callbacks": [{"class_path": "callbacks.LinearProbe"}], **trainer},
        "model": {"class_path": "lit_models.LitAutoencoder", "init_args": {"net": net, "corruption": corruption}},
        "data": {"class_path": "datamodules.DigitsDataModule", "init_args": {"seed": seed}},
    }


def write_config(folder: Path) -> Path:
    """Write the file configs/x.yaml that the grid is of."""
    (folder / "configs").mkdir()
    (folder / "configs" / "x.yaml").write_text(yaml.safe_dump(config()))
    return folder


def a_run(
    root: Path, version: int, ran: dict[str, Any], metrics: dict[str, float] | None = None, name: str = "x"
) -> Path:
    """A run folder with the metrics of one test; ``test/loss`` alone when None."""
    run = root / name / f"version_{version}"
    run.mkdir(parents=True)
    (run / "config.yaml").write_text(yaml.safe_dump(ran))
    stated = values_of(config())
    typed = {key: value for key, value in values_of(ran).items() if key not in stated or stated[key] != value}
    (run / "overrides.yaml").write_text(yaml.safe_dump({"configs": ["configs/x.yaml"], "values": typed}))
    metrics = {"test/loss": 0.25} if metrics is None else metrics
    (run / "metrics.csv").write_text(f"step,{','.join(metrics)}\n9,{','.join(map(str, metrics.values()))}\n")
    return run


def run_at(*arguments: Any, **named: Any) -> RunFolder:
    return RunFolder(a_run(*arguments, **named))


def grid(**others: Any) -> Grid:
    given = {"path": "g.yaml", "rows": {"small": SMALL, "large": LARGE}, "columns": {"vanilla": {}, "noisy": NOISY}}
    return Grid(**{**CONTENT, **given, **others})


def found(of: Grid, cell: Cell, root: Path) -> dict[int, Path]:
    """The finished runs of a cell by their seeds."""
    return {seed: run.path for seed, run in of.finished_runs(root)[cell.row, cell.column].items()}
