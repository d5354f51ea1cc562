"""A linear autoencoder compared with the closed form of its optimum.

Letters: D inputs, K bottleneck, N training samples, R replicas.
"""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from callbacks.observing import check_datasets, log_replicas, metrics_so_far, undisturbed
from figures import draw_principal_subspace
from lab.figures import save_figure
from lab.titles import joined, replicas_of, title_of
from nets import Autoencoder
from theory import (
    largest_principal_angle,
    linear_autoencoder_optimum,
    linear_autoencoder_residual,
    regularized_linear_autoencoder_optimum,
)


class PrincipalSubspace(Callback):
    r"""Logs how far a linear autoencoder is from the closed form of its optimum, with each validation and in ``test``.

    On the training samples X (D, N), centred if the network has biases, with σ_i² the eigenvalues of XXᵀ/N:
    ``pca/angle``: the largest principal angle in degrees between the columns of W₂ and the first K principal
    components; ``pca/loss``: the objective (1/N)‖X − W₂W₁X‖² + λ‖W₁‖² + λ‖W₂‖², at the best biases, beside
    ``pca/optimum``, its least value (Σ_{i>K} σ_i² without a penalty); ``pca/residual``: the norm of both first-order
    conditions in units of (1/N)‖X‖²‖W‖; ``pca/orthonormality``: ‖W₂ᵀW₂ − I‖_F; and with a penalty
    ``pca/singular_values``: the largest error of a singular value of W₂ in units of the √(1 − λ/σ_i²) that it should
    have, or its size where that is 0. Draws ``principal_subspace`` when training ends.

    Raises:
        ValueError: when the network is no ``nets.Autoencoder`` with one hidden size below that of the inputs, or these
            are corrupted or unequally important.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        linear = isinstance(pl_module.net, Autoencoder) and len(pl_module.net.encoder) == 1
        narrow = linear and pl_module.net.bottleneck < pl_module.net.input_dim
        weighted = getattr(trainer.datamodule, "importance", None) is not None
        if not narrow or weighted or getattr(pl_module, "corruption", None) is not None:
            raise ValueError(
                "PrincipalSubspace needs nets.Autoencoder with one hidden size, narrower than the inputs, trained on "
                "clean inputs of equal importance: set model.net.hidden_dims to one width and model.corruption to "
                "null, or take it out of trainer.callbacks."
            )
        check_datasets(self, trainer)
        if stage not in ("fit", "test"):
            return
        trainer.datamodule.setup("fit")  # test needs the training samples too
        inputs = trainer.datamodule.datasets["train"].tensors[0].double().mT  # (D, N)
        if pl_module.net.encoder[0].bias is not None:
            inputs = inputs - inputs.mean(dim=1, keepdim=True)
        self.inputs = inputs / inputs.shape[1] ** 0.5  # so that ‖X‖² is the variance
        self.optimum = regularized_linear_autoencoder_optimum(
            self.inputs, pl_module.net.bottleneck, pl_module.weight_penalty
        )
        self.subspace = linear_autoencoder_optimum(self.inputs, pl_module.net.bottleneck).subspace

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._log(pl_module)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._log(pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        metrics = metrics_so_far(trainer) or {}
        if "pca/angle" in metrics:
            shown = replicas_of(pl_module, "mean")
            figure = draw_principal_subspace(metrics, joined(title_of(trainer), shown))
            save_figure(figure, "principal_subspace", trainer, shown)

    def _log(self, pl_module: LightningModule) -> None:
        with torch.inference_mode(False), undisturbed(pl_module):
            nets = pl_module.replicas()
            measured = [self._measure(net, pl_module.weight_penalty) for net in nets]
        for name in measured[0]:
            log_replicas(pl_module, f"pca/{name}", torch.stack([values[name] for values in measured]))
        log_replicas(pl_module, "pca/optimum", self.optimum.loss.view(1))

    def _measure(self, net: nn.Module, weight_penalty: float) -> dict[str, Tensor]:
        w1, w2 = net.encoder[0].weight.cpu().double(), net.decoder[0].weight.cpu().double()  # (K, D), (D, K)
        penalty = weight_penalty * (w1.square().sum() + w2.square().sum())
        of_decoder, of_encoder = linear_autoencoder_residual(w1, w2, self.inputs)
        residual = (of_decoder - weight_penalty * w2).norm() + (of_encoder - weight_penalty * w1).norm()
        measured = {
            "angle": largest_principal_angle(w2, self.subspace),
            "loss": (self.inputs - w2 @ (w1 @ self.inputs)).square().sum() + penalty,
            "residual": residual / (self.inputs.square().sum() * (w1.norm() + w2.norm())),
            "orthonormality": (w2.mT @ w2 - torch.eye(w2.shape[1]).double()).norm(),
        }
        if weight_penalty:
            expected = self.optimum.singular_values
            found = torch.linalg.svdvals(w2)
            errors = torch.where(expected > 0, (found - expected).abs() / expected, found)
            measured["singular_values"] = errors.max()
        return measured
