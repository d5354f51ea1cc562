"""Checkpoints that are written seldom: what is kept, what is written when, and that nothing is lost."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch.testing import assert_close

from lab.errors import LabError
from lab.training.checkpoint_callback import AtomicCheckpointIO, ThrottledCheckpoint, check_room
from lab.training.exact_resume import ExactResume
from lab.training.guards import ResumableStop


class Clock(Callback):
    """Lets a second pass each epoch, and half a second each write; remembers the epochs of the writes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.writes = 0.0, []
        monkeypatch.setattr("lab.training.checkpoint_callback.time.monotonic", lambda: self.now)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.now += 1.0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        save = trainer.strategy.save_checkpoint

        def slow_save(state: dict[str, Any], path: str) -> None:
            self.now += 0.5
            self.writes.append((Path(path).stem, trainer.current_epoch, state["epoch"]))
            save(state, path)

        trainer.strategy.save_checkpoint = slow_save


class Rising(Callback):
    """A metric that is best in an epoch, whatever is learnt."""

    def __init__(self, best_epoch: int) -> None:
        self.best_epoch = best_epoch

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        pl_module.log("val/score", -abs(float(trainer.current_epoch - self.best_epoch)))


class Fails(Callback):
    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch == 4:
            raise RuntimeError("boom")


@pytest.fixture
def run(
    tmp_path: Path, make_trainer: Callable, tiny_task: Callable, tiny_images: type, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[tuple[str, int, int]]]:
    def fit(epochs: int = 6, best_epoch: int = 3, wait: float = 5.0, *others: Callback) -> list[tuple[str, int, int]]:
        monkeypatch.setattr(ThrottledCheckpoint, "WAIT", wait)
        torch.manual_seed(0)
        best = ThrottledCheckpoint(dirpath=tmp_path, filename="best", monitor="val/score", mode="max")
        last = ThrottledCheckpoint(best, dirpath=tmp_path, filename="last")
        clock = Clock(monkeypatch)
        callbacks = [clock, Rising(best_epoch), last, best, *others]
        trainer = make_trainer(max_epochs=epochs, enable_checkpointing=True, callbacks=callbacks)
        trainer.fit(tiny_task(), datamodule=tiny_images())
        return clock.writes

    return fit


def weights(path: Path) -> dict[str, Any]:
    return torch.load(path, weights_only=True)["state_dict"]


def test_the_files_are_those_of_a_checkpoint_that_writes_every_time(run: Callable, tmp_path: Path) -> None:
    run()
    sparing = {name: weights(tmp_path / f"{name}.ckpt") for name in ("best", "last")}
    writes = run(6, 3, 0.0)
    assert [name for name, _, _ in writes].count("last") == 6
    for name, state in sparing.items():
        assert_close(state, weights(tmp_path / f"{name}.ckpt"), rtol=0, atol=0)
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == 3


def test_a_write_is_followed_by_a_wait_and_the_rest_is_written_at_the_end(run: Callable) -> None:
    writes = run(7)  # half a second each: the next one is free 2.5 s later
    assert [when for name, when, _ in writes if name == "last"] == [1, 5, 7]  # when the next epoch starts, and the end
    assert writes[-1][0] == "last" and writes[-1][2] == 6  # the last epoch
    assert [of for name, _, of in writes if name == "best"][-1] == 3


def test_the_best_is_written_before_a_last_that_knows_of_it(run: Callable) -> None:
    known = 0
    for name, _, epoch in run(9, 8):
        known = epoch if name == "best" else known
        assert name == "best" or known >= epoch - 1  # of its own epoch the last is saved first


def test_two_that_save_at_the_same_moment_take_the_state_once_and_each_knows_itself(
    run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    dump = _CheckpointConnector.dump_checkpoint

    def counted(connector: _CheckpointConnector, *arguments: Any) -> dict[str, Any]:
        taken.append(connector.trainer.global_step)
        return dump(connector, *arguments)

    monkeypatch.setattr(_CheckpointConnector, "dump_checkpoint", counted)
    run(6, 3)
    assert taken == [5, 10, 15, 20, 25, 30]
    for name, epoch in (("best", 3), ("last", 5)):
        saved = torch.load(tmp_path / f"{name}.ckpt", weights_only=True)
        assert saved["epoch"] == epoch
        states = {Path(state["best_model_path"]).stem: state for state in saved["callbacks"].values()}
        assert states["best"]["best_model_score"] == 0.0


def test_an_exception_loses_nothing(run: Callable, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="boom"):
        run(6, 2, 1e9, Fails())
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["epoch"] == 3
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["epoch"] == 2


class Dear(Clock):
    """Beside that, lets a second pass whenever a state is taken; remembers the steps of these."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(monkeypatch)
        self.taken: list[int] = []

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self.now += 1.0
        self.taken.append(trainer.global_step)


@pytest.mark.parametrize("fails", [False, True])
def test_of_epochs_shorter_than_a_state_takes_some_are_passed_over_but_not_the_end(
    fails: bool,
    tmp_path: Path,
    make_trainer: Callable,
    tiny_task: Callable,
    tiny_images: type,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fit(epochs: int, wait: float, *others: Callback, ckpt_path: Path | None = None) -> dict[str, Any]:
        monkeypatch.setattr(ThrottledCheckpoint, "WAIT", wait)
        torch.manual_seed(0)
        last = ThrottledCheckpoint(dirpath=tmp_path, filename="last")
        callbacks = [last, ExactResume(), *others]
        trainer = make_trainer(max_epochs=epochs, enable_checkpointing=True, callbacks=callbacks)
        trainer.fit(tiny_task(), datamodule=tiny_images(), ckpt_path=ckpt_path, weights_only=True)
        return torch.load(tmp_path / "last.ckpt", weights_only=True)

    dear = Dear(monkeypatch)
    if fails:
        with pytest.raises(RuntimeError, match="boom"):
            fit(9, 100, dear, Fails())
        assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 5
        return
    assert fit(3, 100, dear)["global_step"] == 15
    assert dear.taken == [5, 15]  # five batches an epoch
    resumed, whole = fit(5, 100, ckpt_path=tmp_path / "last.ckpt"), fit(5, 0)
    assert resumed["global_step"] == whole["global_step"] == 25
    for part in ("state_dict", "optimizer_states"):
        assert_close(resumed[part], whole[part], rtol=0, atol=0)
    assert torch.equal(resumed["random_states"]["torch"], whole["random_states"]["torch"])


class Stops(Callback):
    def __init__(self, at: int) -> None:
        self.at = at

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if trainer.global_step == self.at:
            raise SIGTERMException


def test_what_is_saved_at_a_stop_is_not_overwritten_by_what_was_kept(
    tmp_path: Path, make_trainer: Callable, tiny_task: Callable, tiny_images: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThrottledCheckpoint, "WAIT", 1e9)
    best = ThrottledCheckpoint(dirpath=tmp_path, filename="best", monitor="val/loss")
    last = ThrottledCheckpoint(best, dirpath=tmp_path, filename="last")
    callbacks = [ResumableStop(last), Stops(at=13), last, best]
    trainer = make_trainer(max_epochs=5, enable_checkpointing=True, callbacks=callbacks)
    with pytest.raises(SIGTERMException):
        trainer.fit(tiny_task(), datamodule=tiny_images())  # five batches an epoch
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 13
    assert torch.load(tmp_path / "best.ckpt", weights_only=True)["global_step"] in (5, 10)


def test_loggers_hear_of_every_file(
    tmp_path: Path, make_trainer: Callable, tiny_task: Callable, tiny_images: type
) -> None:
    best = ThrottledCheckpoint(dirpath=tmp_path, filename="best", monitor="val/loss")
    trainer = make_trainer(max_epochs=2, enable_checkpointing=True, callbacks=[best])
    heard: list[str] = []
    trainer.logger.after_save_checkpoint = lambda callback: heard.append(callback.best_model_path)
    trainer.fit(tiny_task(), datamodule=tiny_images())
    assert heard and set(heard) == {str(tmp_path / "best.ckpt")}


def test_within_an_epoch_it_saves_between_batches_without_validation(
    tmp_path: Path, make_trainer: Callable, tiny_task: Callable, tiny_images: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThrottledCheckpoint, "WAIT", 0)
    steps: list[tuple[int, int]] = []

    class Noted(ThrottledCheckpoint):
        def write_kept(self, trainer: Trainer) -> None:
            if self._kept is not None:
                steps.append((self._kept[1]["global_step"], trainer.global_step))
            super().write_kept(trainer)

    callbacks = [Noted(every_minutes=0, dirpath=tmp_path, filename="last")]
    trainer = make_trainer(max_epochs=2, enable_checkpointing=True, callbacks=callbacks)
    trainer.fit(tiny_task(), datamodule=tiny_images())  # five batches an epoch
    assert steps == [(step, step) for step in range(1, 11)]
    steps.clear()
    trainer = make_trainer(max_epochs=1, enable_checkpointing=True, callbacks=callbacks, accumulate_grad_batches=2)
    trainer.fit(tiny_task(), datamodule=tiny_images())
    assert steps == [(step, step) for step in (1, 2, 3)]
    callbacks[0].every_minutes = 1e6
    steps.clear()
    make_trainer(max_epochs=2, enable_checkpointing=True, callbacks=callbacks).fit(
        tiny_task(), datamodule=tiny_images()
    )
    assert steps == [(5, 5), (10, 10)]


def test_a_scheduler_of_a_metric_is_saved_after_its_step(
    tmp_path: Path, make_trainer: Callable, tiny_task: Callable, tiny_images: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ThrottledCheckpoint, "WAIT", 0)
    plateau = lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)  # noqa: E731
    best = ThrottledCheckpoint(dirpath=tmp_path, filename="best", monitor="val/loss")
    last = ThrottledCheckpoint(best, dirpath=tmp_path, filename="last")
    saved: list[tuple[int, float]] = []

    class Reads(Callback):
        def on_train_batch_start(self, trainer: Trainer, *args: Any) -> None:
            if trainer.global_step and trainer.global_step % 5 == 0:
                state = torch.load(tmp_path / "last.ckpt", weights_only=True)
                if best.best_model_path and trainer.global_step == 5:
                    of_best = torch.load(tmp_path / "best.ckpt", weights_only=True)
                    assert of_best["lr_schedulers"] == state["lr_schedulers"]
                rates = [
                    state["optimizer_states"][0]["param_groups"][0]["lr"],
                    trainer.optimizers[0].param_groups[0]["lr"],
                ]
                saved.append((state["lr_schedulers"][0]["last_epoch"], rates[0] / rates[1]))

    trainer = make_trainer(max_epochs=3, enable_checkpointing=True, callbacks=[last, best, Reads()])
    trainer.fit(tiny_task(scheduler=plateau), datamodule=tiny_images())
    assert saved == [(1, 1.0), (2, 1.0)]


def test_a_disk_without_room_is_told_before_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_room(tmp_path / "checkpoints", 10)
    assert not list((tmp_path / "checkpoints").iterdir())
    monkeypatch.setattr(
        "lab.training.checkpoint_callback.shutil.disk_usage", lambda folder: SimpleNamespace(free=3_000_000)
    )
    with pytest.raises(
        LabError, match=r"has 3 MB left, but the checkpoints of this run take about 5 MB: make room, or"
    ):
        check_room(tmp_path / "checkpoints", 5_000_000)
    (tmp_path / "file").touch()
    with pytest.raises(LabError, match=r"cannot write in .*file/checkpoints \(Not a directory\): choose another --tr"):
        check_room(tmp_path / "file" / "checkpoints", 1)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(28, "No space left on device"), "No space left on device"),
        (RuntimeError("basic_ios::clear: iostream error"), r"the disk has [\d.]+ MB left"),
    ],
)
def test_a_checkpoint_that_cannot_be_written_leaves_the_one_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    path = tmp_path / "last.ckpt"
    (tmp_path / ".last.k1ll3d.ckpt").write_bytes(b"half")
    AtomicCheckpointIO().save_checkpoint({"step": 1}, str(path))
    assert [file.name for file in tmp_path.iterdir()] == ["last.ckpt"]

    def full(state: dict[str, Any], part: Path) -> None:
        part.write_bytes(b"half")
        raise error

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(LabError, match=rf"checkpoint .*last.ckpt \({reason}\); the file of before is kept\. Make room"):
        AtomicCheckpointIO().save_checkpoint({"step": 2}, str(path))
    assert torch.load(path, weights_only=True) == {"step": 1} and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(LabError, match="nothing had been saved there before"):
        AtomicCheckpointIO().save_checkpoint({"step": 2}, str(tmp_path / "best.ckpt"))


def test_no_negative_minutes() -> None:
    with pytest.raises(LabError, match=r"save_every_minutes must be at least 0, but it is -1\."):
        ThrottledCheckpoint(every_minutes=-1)
