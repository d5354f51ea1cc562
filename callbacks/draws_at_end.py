"""The base of callbacks that draw a run: when training ends, also by an error or a signal."""

from abc import abstractmethod

from lightning.pytorch import Callback, LightningModule, Trainer


class DrawsAtEnd(Callback):
    """A callback that draws when training ends, also when it ends by an error or a signal.

    A subclass implements ``draw``.
    """

    @abstractmethod
    def draw(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw into the run folder."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.draw(trainer, pl_module)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.draw(trainer, pl_module)
