"""Checkpoints that are damaged, and what is told about them."""

import io
from pathlib import Path

import pytest
import torch

from lab.errors import LabError
from lab.training.loading import load_checkpoint

CONTENT = {"state_dict": {"weight": torch.zeros(100)}, "global_step": 3, "pytorch-lightning_version": "2.6"}


@pytest.fixture
def saved() -> bytes:
    file = io.BytesIO()
    torch.save(CONTENT, file)
    return file.getvalue()


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.99])
def test_a_checkpoint_without_its_end_is_called_damaged_and_the_others_are_named(
    tmp_path: Path, saved: bytes, kept: float
) -> None:
    torn, best = tmp_path / "last.ckpt", tmp_path / "best.ckpt"
    torn.write_bytes(saved[: int(kept * len(saved))])
    with pytest.raises(LabError, match=r"last.ckpt is .* damaged, since its end is missing \(\d+ bytes\); there is no"):
        load_checkpoint(torn)
    best.write_bytes(saved)
    with pytest.raises(LabError, match=r"last.ckpt is .* damaged, .*; beside it there is .*best.ckpt"):
        load_checkpoint(torn)
    assert load_checkpoint(best)["global_step"] == 3


def test_what_is_no_checkpoint_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").write_text("hello")
    with pytest.raises(LabError, match=r"x.ckpt is no checkpoint that can be loaded safely"):
        load_checkpoint(tmp_path / "x.ckpt")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "y.ckpt")
    with pytest.raises(LabError, match=r"y.ckpt is no checkpoint of train.py: it does not hold global_step"):
        load_checkpoint(tmp_path / "y.ckpt")
