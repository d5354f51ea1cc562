"""The base of callbacks that draw a split: when training and testing end, and in between if asked to."""

from abc import abstractmethod

from lightning.pytorch import Callback, LightningModule, Trainer


class SplitPictures(Callback):
    """Draws the validation split when training ends, and after every so many epochs if wanted; the test split in test.

    A subclass implements ``draw``, which only the first of several processes calls.

    Args:
        every_n_epochs: draw also after every so many epochs, ≥ 1; only at the end when None.

    Raises:
        ValueError: when ``every_n_epochs`` is below 1.
    """

    def __init__(self, every_n_epochs: int | None) -> None:
        check_at_least(1, every_n_epochs=every_n_epochs)
        self.every_n_epochs = every_n_epochs

    @abstractmethod
    def draw(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        """Draw the pictures of ``datasets[split]`` into the run folder."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if self.every_n_epochs and epoch % self.every_n_epochs == 0 and epoch != trainer.max_epochs:
            self._draw_once(trainer, pl_module, "val")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw_once(trainer, pl_module, "val")

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._draw_once(trainer, pl_module, "test")

    def _draw_once(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        if trainer.is_global_zero:
            self.draw(trainer, pl_module, split)


def check_at_least(least: int, **arguments: int | None) -> None:
    """Raise ValueError unless each argument is None or large enough."""
    for name, value in arguments.items():
        if value is not None and value < least:
            raise ValueError(f"{name} must be at least {least}, but it is {value}.")
