"""A picture of the data when a fit begins."""

from lightning.pytorch import Callback, LightningModule, Trainer

from callbacks.observing import undisturbed
from figures import draw_data
from lab.figures import save_figure
from lab.titles import data_name


class DataPicture(Callback):
    """Draws ``figures/data.png`` when a fit begins: examples of each class, and what the splits hold.

    Works with a datamodule whose ``preview()`` gives ``samples``, ``sizes``, ``counts``, ``unit`` and ``class_names``,
    as those of images do; of another one nothing is drawn. A resumed run has its picture already.
    """

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        preview = getattr(trainer.datamodule, "preview", dict)
        if trainer.ckpt_path is not None or not trainer.is_global_zero:
            return
        with undisturbed(pl_module):
            if shown := preview():
                save_figure(draw_data(shown, data_name(trainer)), "data", trainer, numbered=False)
