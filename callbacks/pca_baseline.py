"""What principal components, and the inputs themselves, give: the references of an autoencoder of the same width."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from callbacks.linear_probe import LinearProbe
from callbacks.observing import check_datasets, log_replicas, undisturbed
from theory import linear_autoencoder_optimum


class PCABaseline(Callback):
    """Logs what the first K principal components of the training samples reach on the test split.

    ``pca/test_mse``: the mean-squared error of the reconstruction from K components, the least that a linear code of
    this width leaves on the training samples; and where the run has a ``LinearProbe``, ``pca/test_acc``: what the same
    probe reads from them, and ``raw/test_acc``: what it reads from the inputs. K is the bottleneck of the network.

    Raises:
        ValueError: when the network has no ``bottleneck``.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not hasattr(pl_module.net, "bottleneck"):
            raise ValueError(
                f"PCABaseline needs a network with a bottleneck, such as nets.Autoencoder, but the network is "
                f"{type(pl_module.net).__name__}: take PCABaseline out of trainer.callbacks."
            )
        check_datasets(self, trainer)
        if stage == "test":
            trainer.datamodule.setup("fit")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        datasets = trainer.datamodule.datasets
        train, test = (datasets[split].tensors[0].double() for split in ("train", "test"))
        with torch.inference_mode(False), undisturbed(pl_module):
            mean = train.mean(dim=0)
            components = linear_autoencoder_optimum((train - mean).mT, pl_module.net.bottleneck).subspace  # (D, K)
            error = (test - mean) - (test - mean) @ components @ components.mT
            metrics = {"pca/test_mse": error.square().mean().view(1)}

            def codes(inputs: Tensor) -> Tensor:
                return ((inputs.double() - mean) @ components).float()[None]  # (1, B, K)

            for probe in [callback for callback in trainer.callbacks if isinstance(callback, LinearProbe)]:
                metrics["pca/test_acc"] = probe.score(codes, trainer.datamodule, "test")
                metrics["raw/test_acc"] = probe.score(lambda inputs: inputs[None], trainer.datamodule, "test")
        for name, value in metrics.items():
            log_replicas(pl_module, name, value)
