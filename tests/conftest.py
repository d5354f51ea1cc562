"""What several tests need: a tiny network, a tiny task, tiny data, and a trainer that keeps its files in one folder."""

import os

if "PYTEST_XDIST_WORKER" in os.environ:  # several workers, each of which would take all cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from running import Lab
from torch import Tensor

from datamodules.in_memory import InMemoryDataModule
from lab.training.loggers import RunLogger
from lit_models import LitImageClassifier
from nets import VisionTransformer

TINY = {
    "image_size": 8,
    "patch_size": 4,
    "num_classes": 3,
    "embed_dim": 8,
    "depth": 2,
    "num_heads": 2,
    "head_dim": 4,
    "mlp_dim": 16,
}


class TinyImages(InMemoryDataModule):
    """8×8 images of three classes: 20 to train, 11 to validate, 7 to test, so that a batch of 4 is no divisor."""

    num_classes = 3
    class_names = ("ash", "elm", "oak")

    def __init__(self, batch_size: int = 4, eval_batch_size: int = 4, **kwargs: Any) -> None:
        super().__init__(batch_size, eval_batch_size, **kwargs)

    def load(self, training: bool) -> dict[str, tuple[Tensor, ...]]:
        lengths = {"train": 20, "val": 11} if training else {"test": 7}
        return {name: self._draw(length) for name, length in lengths.items()}

    def _draw(self, length: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(length)
        images = torch.rand(length, 1, 8, 8, generator=generator)
        return images, torch.randint(3, (length,), generator=generator)


@pytest.fixture
def tiny_vit() -> Callable[..., VisionTransformer]:
    """Builds a vision transformer for 8×8 images of three classes; the same weights for the same ``seed``."""

    def build(seed: int = 0, **sizes: Any) -> VisionTransformer:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return VisionTransformer(**{**TINY, **sizes})

    return build


@pytest.fixture
def tiny_task(tiny_vit: Callable[..., VisionTransformer]) -> Callable[..., LitImageClassifier]:
    """Builds a classifier of the tiny images, trained by SGD."""

    def build(dropout: float = 0.0, lr: float = 0.1, **arguments: Any) -> LitImageClassifier:
        optimizer = partial(torch.optim.SGD, lr=lr)
        return LitImageClassifier(tiny_vit(dropout=dropout), num_classes=3, **{"optimizer": optimizer, **arguments})

    return build


@pytest.fixture
def tiny_images() -> type[TinyImages]:
    return TinyImages


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., Trainer]:
    """Builds a quiet trainer on the CPU; the nth has the run folder ``tmp_path / "runs" / "tiny" / "version_<n>"``."""
    versions = count()

    def make(**arguments: Any) -> Trainer:
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        defaults = {"accelerator": "cpu", "devices": 1, "max_epochs": 1, "log_every_n_steps": 1, **quiet}
        logger = RunLogger(tmp_path / "runs", name="tiny", version=f"version_{next(versions)}")
        return Trainer(**{**defaults, "logger": logger, **arguments})

    return make


@pytest.fixture
def coarse_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are saved with few pixels, which is quicker."""
    monkeypatch.setattr("lab.figures.DOTS_PER_INCH", 30)


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets; a test that asks for it skips where there is none."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    root = Path(os.environ.get("ARCHLAB_DATA") or beside)
    if not root.is_dir():
        pytest.skip(f"no real data in {root}: set ARCHLAB_DATA to its folder")
    return root


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lab:
    monkeypatch.chdir(tmp_path)
    for name in ("ARCHLAB_RUN_DIR", "ARCHLAB_DATA", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    return Lab(tmp_path, capsys)
