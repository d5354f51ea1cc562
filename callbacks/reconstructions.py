"""The reconstructions and the codes of an autoencoder."""

from lightning.pytorch import LightningModule, Trainer

from callbacks.observing import check_datasets, undisturbed
from callbacks.split_pictures import SplitPictures, check_at_least
from figures import draw_codes, draw_reconstructions
from lab.figures import save_figure
from lab.reconstruct import reconstruct
from lab.titles import data_name, joined, replicas_of
from nets.labels import check_labels

SCATTERED = 2000  # more points than these hide each other


class Reconstructions(SplitPictures):
    """Draws originals, what training shows of them, and reconstructions; and the code's first two principal components.

    Works for a task such as ``LitAutoencoder`` that has ``corrupt``, ``corruption`` and ``replicas``; the first replica
    is drawn. Where the data are corrupted in training, the reconstructions are those of the corrupted inputs. Draws
    ``reconstructions_<split>`` and ``codes_<split>`` of the validation split when training ends, and after every so
    many epochs if wanted; of the test split when testing ends.

    Args:
        num_examples: how many samples are shown, the first of the split, ≥ 1.
        every_n_epochs: draw also after every so many epochs, ≥ 1; only at the end when None.

    Raises:
        ValueError: when an argument is out of its range, or the task reconstructs nothing.
    """

    def __init__(self, num_examples: int = 10, every_n_epochs: int | None = None) -> None:
        super().__init__(every_n_epochs)
        check_at_least(1, num_examples=num_examples)
        self.num_examples = num_examples

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not all(hasattr(pl_module, name) for name in ("encode", "corrupt", "replicas")):
            raise ValueError(
                f"Reconstructions needs a task such as lit_models.LitAutoencoder, but the task is "
                f"{type(pl_module).__name__}: take Reconstructions out of trainer.callbacks."
            )
        check_datasets(self, trainer)

    def draw(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        inputs, *labels = (tensor[:SCATTERED] for tensor in trainer.datamodule.datasets[split].tensors)
        parameter = next(pl_module.net.parameters())
        with undisturbed(pl_module):
            rows, codes = reconstruct(pl_module, inputs.to(parameter.device, parameter.dtype), self.num_examples)
        shape = getattr(trainer.datamodule, "image_shape", None)
        shown = replicas_of(pl_module, "first")
        title = joined(data_name(trainer), split, shown)
        save_figure(draw_reconstructions(rows, shape, title), f"reconstructions_{split}", trainer, shown)
        if codes.shape[1] >= 2:
            names = getattr(trainer.datamodule, "class_names", None)
            has_classes = bool(labels) and labels[0].ndim == 1 and not labels[0].is_floating_point()
            classes = check_labels(labels[0], len(names) if names else None) if has_classes else None
            save_figure(draw_codes(codes, classes, names, title), f"codes_{split}", trainer, shown)
