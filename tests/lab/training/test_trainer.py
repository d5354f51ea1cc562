"""The laboratory's Trainer: processes that predict together."""

from collections.abc import Callable
from typing import Any

import pytest
from lightning.pytorch import Callback
from torch.utils.data import DataLoader

from lab.training.trainer import LabTrainer


class Gathers(Callback):
    """Notes that its process came where the others wait for it."""

    came = False

    def on_predict_epoch_end(self, *_: Any) -> None:
        self.came = True


@pytest.mark.parametrize("others_have_samples", [True, False])
def test_a_process_without_samples_takes_part_where_others_predict(
    tiny_task: Callable, monkeypatch: pytest.MonkeyPatch, others_have_samples: bool
) -> None:
    gathers = Gathers()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = LabTrainer(accelerator="cpu", devices=1, enable_checkpointing=False, callbacks=[gathers], **quiet)
    monkeypatch.setattr(trainer.strategy, "reduce_boolean_decision", lambda mine, all: mine and not others_have_samples)
    trainer.predict(tiny_task(), DataLoader([]))
    assert gathers.came == others_have_samples
