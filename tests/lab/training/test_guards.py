"""The line of an epoch in a log file; the other guards are tested by the runs of test_cli.py."""

from types import SimpleNamespace

import pytest
import torch

from lab.training.guards import EpochPrinter


def test_a_line_tells_the_mean_of_the_replicas_and_not_each(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"val/loss": 0.5, "val/loss_std": 0.1, "val/loss_replica_0": 0.4, "val/loss_replica_1": 0.6}
    metrics = {name: torch.tensor(value) for name, value in values.items()}
    trainer = SimpleNamespace(callback_metrics=metrics, is_global_zero=True, max_epochs=3, current_epoch=1)
    lines = EpochPrinter()
    lines.on_train_start(trainer, None)
    lines.on_train_end(trainer, None)
    assert capsys.readouterr().out.startswith("epoch 2/3  val/loss 0.5  val/loss_std 0.1  0.0 s")


def test_of_short_epochs_one_line_a_second_is_printed_and_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    trainer = SimpleNamespace(callback_metrics={"val/loss": torch.tensor(0.5)}, is_global_zero=True, max_epochs=5)
    lines = EpochPrinter()
    for epoch in range(5):
        trainer.current_epoch = epoch
        (lines.on_train_epoch_start if epoch else lines.on_train_start)(trainer, None)
    lines.on_train_end(trainer, None)
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == ["1/5", "5/5"]
    lines.printed -= lines.SECONDS_BETWEEN  # a second later
    lines.on_train_epoch_start(trainer, None)
    assert "epoch 5/5" in capsys.readouterr().out
