"""When pictures of a split are drawn."""

from collections.abc import Callable

import pytest
from lightning.pytorch import LightningModule, Trainer

from callbacks.split_pictures import SplitPictures, check_at_least


class Drawn(SplitPictures):
    """Notes what it should draw instead."""

    def __init__(self, every_n_epochs: int | None = None) -> None:
        super().__init__(every_n_epochs)
        self.times: list[tuple[str, int]] = []

    def draw(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        self.times.append((split, trainer.current_epoch))


@pytest.mark.parametrize(
    ("every_n_epochs", "times"),
    [
        (None, [("val", 5)]),
        (1, [("val", 0), ("val", 1), ("val", 2), ("val", 3), ("val", 5)]),  # the last epoch once, when training ends
        (2, [("val", 1), ("val", 3), ("val", 5)]),
        (5, [("val", 5)]),
    ],
)
def test_draws_between_epochs_and_once_at_the_end(
    make_trainer: Callable, tiny_task: Callable, tiny_images: type, every_n_epochs: int | None, times: list
) -> None:
    callback = Drawn(every_n_epochs)
    make_trainer(callbacks=[callback], max_epochs=5).fit(tiny_task(), datamodule=tiny_images())
    assert callback.times == times


def test_draws_the_test_split_in_test(make_trainer: Callable, tiny_task: Callable, tiny_images: type) -> None:
    callback = Drawn(1)
    make_trainer(callbacks=[callback]).test(tiny_task(), datamodule=tiny_images(), verbose=False)
    assert callback.times == [("test", 0)]


def test_one_process_alone_draws(make_trainer: Callable, tiny_task: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    callback, trainer = Drawn(1), make_trainer(callbacks=[])
    monkeypatch.setattr(Trainer, "is_global_zero", False)
    callback.on_train_end(trainer, tiny_task())
    callback.on_test_end(trainer, tiny_task())
    assert callback.times == []


def test_arguments_that_are_too_small_are_named() -> None:
    check_at_least(0, index=0, every_n_epochs=None)
    with pytest.raises(ValueError, match=r"num_examples must be at least 1, but it is 0\."):
        check_at_least(1, index=3, num_examples=0)
    with pytest.raises(ValueError, match=r"every_n_epochs must be at least 1, but it is 0\."):
        Drawn(0)
