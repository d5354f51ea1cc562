"""Regression of a sequence on a sequence."""

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torch.nn import functional as F
from torchmetrics.regression import RelativeSquaredError

from lit_models.task import LitTask


class LitSequenceRegressor(LitTask):
    r"""Trains a network that maps sequences to sequences with the mean-squared error.

    ŷ = net(x), or of a recurrent network ŷ_t = W^f h_t + b^f. Recurrent is what has a ``hidden_size`` and gives all
    h_t (B, T, H) first, as ``nets.RNN`` does, or ``torch.nn.LSTM`` with ``batch_first=True``.
    loss = mean of (ŷ_t − y_t)²; logs ``train/loss``, ``val/loss``, ``val/rse``, ``test/loss`` and ``test/rse``,
    the relative squared error Σ(ŷ − y)²/Σ(y − ȳ)²: 1 for predicting the mean, 0 for a perfect prediction.

    Args:
        net: from sequences (B, T, I) to (B, T, O), or a recurrent network.
        last_step_only: whether the loss and the metrics count the last step alone.
        optimizer: from parameters to an optimizer; AdamW with torch's defaults when None.
        scheduler: from an optimizer to a learning-rate scheduler; see ``LitTask``.
        output_size: width O of what a recurrent network is to give, ≥ 1; of no effect on another.

    Shapes:
        batch: inputs (B, T, I), targets (B, T', O) with T' ≤ T, those of the T' central steps

    Raises:
        ValueError: when what the network gives does not fit the targets, ``output_size`` is below 1, or a
            recurrent network has ``batch_first=False``.
    """

    def __init__(
        self,
        net: nn.Module,
        last_step_only: bool = False,
        optimizer: OptimizerCallable | None = None,
        scheduler: LRSchedulerCallable | None = None,
        output_size: int = 1,
    ) -> None:
        super().__init__(net, optimizer, scheduler)
        self.save_arguments()
        if output_size < 1:
            raise ValueError(f"output_size must be at least 1, but it is {output_size}.")
        if not getattr(net, "batch_first", True):
            raise ValueError(f"{type(net).__name__} must have batch_first=True, as the batches have, but it is False.")
        self.last_step_only = last_step_only
        hidden_size: int | None = getattr(net, "hidden_size", None)
        self.readout = None if hidden_size is None else nn.Linear(hidden_size, output_size)
        self.val_rse, self.test_rse = RelativeSquaredError(), RelativeSquaredError()

    def setup(self, stage: str) -> None:
        """Sum up in float64, where there is one: the variance is a difference of sums, and loses digits."""
        exact = torch.float32 if self.trainer.strategy.root_device.type == "mps" else torch.float64
        self.val_rse.set_dtype(exact)
        self.test_rse.set_dtype(exact)

    def forward(self, inputs: Tensor) -> Tensor:
        """The prediction (B, T, O) at every step."""
        outputs = self.net(inputs)
        if self.readout is None:
            return outputs
        return self.readout(outputs[0] if isinstance(outputs, tuple) else outputs)

    def batch_loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The loss of a training batch, which observers may ask for too.

        Shapes:
            inputs (B, T, I), targets (B, T', O) -> ()
        """
        return F.mse_loss(*self._predict(batch))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self.track(self.batch_loss(batch), len(batch[1]))

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("val", self.val_rse, batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("test", self.test_rse, batch)

    def predict_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> dict[str, Tensor]:
        """The prediction of every step.

        Shapes:
            inputs (B, T, I) -> prediction (B, T·O)
        """
        return {"prediction": self(batch[0]).float().flatten(1)}

    def _predict(self, batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        inputs, targets = batch
        predictions = self(inputs)  # (B, T, O)
        margin, odd = divmod(predictions.shape[1] - targets.shape[1], 2)
        if margin < 0 or odd or predictions.shape[2:] != targets.shape[2:]:
            raise ValueError(
                f"the network gives the shape {tuple(predictions.shape)}, but the targets have {tuple(targets.shape)}: "
                f"they must have the same width, and as many steps or an even number less."
            )
        predictions = predictions[:, margin : margin + targets.shape[1]]
        return (predictions[:, -1:], targets[:, -1:]) if self.last_step_only else (predictions, targets)

    def _evaluate(self, split: str, error: RelativeSquaredError, batch: tuple[Tensor, Tensor]) -> None:
        predictions, targets = self._predict(batch)
        exact = error.sum_squared_error.dtype
        error.update(predictions.to(exact).flatten(), targets.to(exact).flatten())
        loss = F.mse_loss(predictions, targets)
        self.log(f"{split}/loss", loss, batch_size=len(targets), sync_dist=True)
        self.log(f"{split}/rse", error, batch_size=len(targets))
