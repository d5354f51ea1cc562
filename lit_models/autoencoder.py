"""Learning to reconstruct: plain, denoising and masked autoencoders, one network or many at once.

Letters: B batch, D inputs, K bottleneck, R replicas.
"""

from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F

from lit_models.replica_mean import ReplicaMean
from lit_models.replicas import LitReplicas
from nets import call_replicas, replica_metrics

SPLITS = ("val", "test")


class LitAutoencoder(LitReplicas):
    r"""Trains a network to reconstruct its clean input, from a corrupted one if wanted.

    loss = mean over samples and inputs of (net(corruption(x)) − x)². With ``weight_penalty`` λ > 0 it is summed over
    the inputs instead, so that for the linear autoencoder without biases it is exactly
    (1/n)‖X − W₂W₁X‖²_F + λ‖W₁‖²_F + λ‖W₂‖²_F ("Loss Landscapes of Regularized Linear Autoencoders", Kunin et al.,
    2019, https://arxiv.org/abs/1901.08168); all weight matrices are penalised, biases are not. Without biases and with
    the same sum as the loss an optimizer's ``weight_decay = 2λ`` does the same where it adds decay · weight to the
    gradient, as torch's SGD and Adam do; AdamW shrinks the weights past its adaptive step, which minimises no penalised
    loss. (With the mean over D inputs as the loss, SGD's weight decay w stands for λ = D·w/2.) Where the datamodule has
    ``importance`` (D,), each squared error is weighted by it.

    Logs ``train/loss``, and of the clean inputs of the other splits ``<split>/loss``; beside it ``<split>/mse``, the
    mean-squared reconstruction error, where a penalty or the importance makes it another. Under R > 1 replicas these
    are means over the replicas, beside ``…_std`` and ``…_replica_<r>``. Replica r is the experiment that a run of its
    own is after ``seed_everything`` with the seed + r on the same batches: it has that run's weights and corruption.
    What would couple the replicas is refused, see ``LitReplicas``. They share their checkpoints, the best of which is
    of the epoch of the lowest mean.

    Args:
        net: from inputs (B, D) to reconstructions (B, D), with ``encode`` and ``decode``.
        corruption: applied to the inputs in training, such as ``nets.GaussianNoise``; its random numbers are a function
            of the seed, the epoch and the batch, so that a resumed run repeats them.
        weight_penalty: λ of the penalty, ≥ 0.
        num_replicas: independent copies R that are trained side by side, ≥ 1.
        optimizer: from parameters to an optimizer; AdamW with torch's defaults when None.
        scheduler: from an optimizer to a learning-rate scheduler; see ``LitTask``.

    Shapes:
        batch: inputs (B, D), and anything else

    Raises:
        ValueError: when an argument is out of its range.
    """

    importance: Tensor | None

    def __init__(
        self,
        net: nn.Module,
        corruption: nn.Module | None = None,
        weight_penalty: float = 0.0,
        num_replicas: int = 1,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        if not 0 <= weight_penalty < float("inf"):
            raise ValueError(f"weight_penalty must be a finite number ≥ 0, but it is {weight_penalty}.")
        super().__init__(net, num_replicas, optimizer, scheduler)
        self.save_arguments()
        self.corruption, self.weight_penalty = corruption, weight_penalty
        self.register_buffer("importance", None, persistent=False)
        self.loss_of, self.mse_of = (
            cast(Mapping[str, ReplicaMean], nn.ModuleDict({split: ReplicaMean(num_replicas) for split in SPLITS}))
            for _ in range(2)
        )

    def setup(self, stage: str) -> None:
        """Take the importance of each input from the data."""
        super().setup(stage)
        self.importance = getattr(self.datamodule, "importance", None)

    def forward(self, inputs: Tensor) -> Tensor:
        """The reconstruction of the inputs, with R > 1 replicas that of each.

        Shapes:
            (B, D), or (R, B, D) for different inputs of the replicas -> (B, D) or (R, B, D)
        """
        return self.net(inputs) if self.num_replicas == 1 else call_replicas(self.net, inputs)

    def encode(self, inputs: Tensor) -> Tensor:
        """The code of the inputs; with R > 1 replicas that of each, through which no gradient flows.

        Shapes:
            (B, D) -> (B, K) or (R, B, K)
        """
        if self.num_replicas == 1:
            return self.net.encode(inputs)
        return torch.stack([net.encode(inputs) for net in self.replicas()])

    def decode(self, code: Tensor) -> Tensor:
        """What each replica's decoder makes of its code.

        Shapes:
            (B, K), or (R, B, K) for R > 1 -> (B, D) or (R, B, D)
        """
        if self.num_replicas == 1:
            return self.net.decode(code)
        return torch.stack([net.decode(part) for net, part in zip(self.replicas(), code, strict=True)])

    def corrupt(self, inputs: Tensor, *position: int) -> Tensor:
        """The inputs as training shows them, differently to each replica.

        Args:
            inputs: clean inputs.
            *position: where in training they are met; the same position gives the same corruption.

        Shapes:
            (B, D) -> (B, D) or (R, B, D)
        """
        if self.corruption is None:
            return inputs
        corrupted = []
        with torch.random.fork_rng(devices=[inputs.device] if inputs.is_cuda else []):
            for number in range(self.num_replicas):
                seed = int(np.random.SeedSequence((self.seed + number, *position)).generate_state(1)[0])
                # torch.manual_seed seeds every device, which takes 1 ms where there is none.
                (torch if inputs.is_cuda else torch.default_generator).manual_seed(seed)
                corrupted.append(self.corruption(inputs))
        return corrupted[0] if self.num_replicas == 1 else torch.stack(corrupted)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        inputs = batch[0]
        corrupted = self.corrupt(inputs, self.trainer.current_epoch, batch_idx, self.trainer.global_rank)
        losses, _ = self._losses(self(corrupted), inputs)
        mean, total = self.track(losses.mean(), len(inputs)), losses.sum()
        # The value that is shown is the mean, the gradient that of the sum: what each replica would have alone.
        return total + (mean - total).detach()

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        self._evaluate("val", batch[0])

    def test_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> None:
        self._evaluate("test", batch[0])

    def on_validation_epoch_end(self) -> None:
        self._log_evaluation("val")

    def on_test_epoch_end(self) -> None:
        self._log_evaluation("test")

    def predict_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> dict[str, Tensor]:
        """The code and the mean-squared reconstruction error of each sample, those of all replicas side by side.

        Shapes:
            inputs (B, D) -> mse (B,), or (B, R) for R > 1, code (B, R·K)
        """
        inputs = batch[0]
        errors = (self(inputs) - inputs).float().square().mean(dim=-1)  # (B,) or (R, B)
        codes = self.encode(inputs).float()
        return {"mse": errors.movedim(-1, 0), "code": codes.movedim(-2, 0).flatten(1)}

    def _losses(self, reconstructions: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """The objective and the mean-squared error of each replica, (R,) each."""
        squares = F.mse_loss(reconstructions, inputs.expand_as(reconstructions), reduction="none")
        squares = squares.view(self.num_replicas, *inputs.shape)
        mse = squares.mean(dim=(1, 2))
        losses = mse if self.importance is None else (squares * self.importance).mean(dim=(1, 2))
        if self.weight_penalty == 0:
            return losses, mse
        dims = 2 if self.num_replicas == 1 else 3  # of a weight matrix; biases have one less
        norms = [weight.square().sum(dim=(-2, -1)) for weight in self.net.parameters() if weight.ndim == dims]
        return losses * inputs.shape[1] + self.weight_penalty * sum(norms), mse

    def _evaluate(self, split: str, inputs: Tensor) -> None:
        losses, mse = self._losses(self(inputs), inputs)
        self.loss_of[split].update(losses, len(inputs))
        self.mse_of[split].update(mse, len(inputs))

    def _log_evaluation(self, split: str) -> None:
        metrics = {"loss": self.loss_of[split]}
        if self.weight_penalty > 0 or self.importance is not None:
            metrics["mse"] = self.mse_of[split]
        for name, metric in metrics.items():
            values = metric.compute().view(-1)  # of one replica torchmetrics makes ()
            self.log_dict(replica_metrics(f"{split}/{name}", values), sync_dist=True)
        self.loss_of[split].reset()
        self.mse_of[split].reset()
