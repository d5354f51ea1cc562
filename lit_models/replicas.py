"""What the tasks share that train many networks at once."""

from typing import Any

import torch
from lightning.pytorch.callbacks import EarlyStopping, LearningRateFinder, StochasticWeightAveraging, WeightAveraging
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.utilities import GradClipAlgorithmType, rank_zero_info
from torch import nn
from torch.optim import Optimizer

from lit_models.coupling import coupling_optimizer
from lit_models.task import LitTask
from nets import clip_replicas, stack_replicas, take_replica

ALONE = "or set model.num_replicas to 1"


class LitReplicas(LitTask):
    """A task around R independent copies of a network, each of which is the run that it would be alone.

    So the norm of ``trainer.gradient_clip_val`` is that of each replica, and what would make one number of all
    replicas and change their training by it is refused: optimizers that compute over several weights, a learning rate
    that follows a metric, a loss scale (16-mixed), a search for the learning rate, weights that all replicas share.
    Early stopping looks at the mean of the replicas and stops them together, and a loss that is no number stops all.

    Args:
        net: the architecture.
        num_replicas: independent copies R that are trained side by side, ≥ 1; replica r starts from the weights that
            the network has when it is built after ``seed_everything`` with the seed + r.
        optimizer: from parameters to an optimizer; AdamW with torch's defaults when None.
        scheduler: from an optimizer to a learning-rate scheduler; see ``LitTask``.

    Raises:
        ValueError: when ``num_replicas`` is below 1, or, before training, when something would couple the replicas.
    """

    averages_weights = True  # whether averaged weights are those that are validated and tested

    def __init__(
        self,
        net: nn.Module,
        num_replicas: int,
        optimizer: OptimizerCallable | None,
        scheduler: LRSchedulerCallable | None,
    ) -> None:
        if num_replicas < 1:
            raise ValueError(f"num_replicas must be at least 1, but it is {num_replicas}.")
        seed = torch.initial_seed()
        super().__init__(net if num_replicas == 1 else stack_replicas(net, num_replicas, seed), optimizer, scheduler)
        self.seed, self.num_replicas = seed, num_replicas

    def replicas(self) -> list[Any]:
        """Each replica as a plain network, which shares its weights with this task."""
        if self.num_replicas == 1:
            return [self.net]
        return [take_replica(self.net, index) for index in range(self.num_replicas)]

    def setup(self, stage: str) -> None:
        """Refuse what would couple the replicas."""
        super().setup(stage)
        if stage != "fit" or self.num_replicas == 1:
            return
        if getattr(self.trainer.precision_plugin, "scaler", None) is not None:
            raise ValueError(f"replicas would share the loss scale of 16-mixed: choose bf16-mixed or 32-true, {ALONE}.")
        if shared := [name for name, _ in self.named_parameters() if not name.startswith("net.")]:
            raise ValueError(f"replicas would share the weights of {shared[0]}: leave them out, {ALONE}.")
        refused = [LearningRateFinder, StochasticWeightAveraging]
        refused += [] if self.averages_weights else [WeightAveraging]
        trainer: Any = self.trainer
        for callback in trainer.callbacks:
            if isinstance(callback, tuple(refused)):
                raise ValueError(f"replicas cannot have a {type(callback).__name__} each: leave it out, {ALONE}.")
            if isinstance(callback, EarlyStopping):
                watched = f"the mean of {callback.monitor} over the replicas"
                rank_zero_info(f"EarlyStopping looks at {watched}, and stops them together.")

    def configure_optimizers(self) -> Any:
        several = self.num_replicas > 1
        if several and (name := coupling_optimizer(self.optimizer, list(self.parameters()))):
            raise ValueError(
                f"{name} computes over several weights at once, by which replicas would change each other: choose an "
                f"optimizer that treats each weight by itself, such as AdamW, {ALONE}."
            )
        configured = super().configure_optimizers()
        if several and isinstance(configured, dict) and "monitor" in configured["lr_scheduler"]:
            name = type(configured["lr_scheduler"]["scheduler"]).__name__
            raise ValueError(
                f"{name} would change the learning rate of all replicas by the mean of their metric: choose a "
                f"scheduler that follows the epochs or steps, {ALONE}."
            )
        return configured

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradient of each replica by its own norm; by value each number is clipped by itself anyway."""
        if self.num_replicas > 1 and gradient_clip_val and gradient_clip_algorithm != GradClipAlgorithmType.VALUE:
            clip_replicas(self.net, gradient_clip_val)
        else:
            super().configure_gradient_clipping(optimizer, gradient_clip_val, gradient_clip_algorithm)
