"""A run that early stopping has ended goes on with more patience, and only then."""

import json
from typing import Any

import pytest
import torch
from running import DIGITS, FEW, Lab


def words(**arguments: Any) -> list[str]:
    stopping = {"class_path": "EarlyStopping", "init_args": {"monitor": "val/loss", "mode": "min", **arguments}}
    return ["fit", *DIGITS, *FEW, "--trainer.max_epochs=5", f"--trainer.callbacks={json.dumps([stopping])}"]


def epochs(lab: Lab, version: int = 0) -> int:
    return torch.load(lab.run(version=version) / "checkpoints" / "last.ckpt")["global_step"] // 3


@pytest.mark.parametrize("limit", [{"patience": 1, "min_delta": 1e9}, {"stopping_threshold": 1e9}])
def test_a_run_that_was_stopped_early_goes_on_only_where_the_limit_is_another(lab: Lab, limit: dict[str, Any]) -> None:
    assert lab(*words(**limit)) == 0
    ended = epochs(lab)
    assert ended == (2 if "patience" in limit else 1)
    assert lab(*words(**limit), "--ckpt_path=last") == 0
    assert epochs(lab) == ended and "Early stopping on val/loss has ended this run in epoch" in lab.out
    more = {**limit, "patience": 3} if "patience" in limit else {"stopping_threshold": 0.0}
    assert lab(*words(**more), "--ckpt_path=last") == 0
    assert epochs(lab) == (4 if "patience" in limit else 5)
