"""What the classifiers share: the cross-entropy, and metrics over all samples of a split."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import Metric

from lit_models.class_counts import check_outputs
from lit_models.task import LitTask
from nets.labels import check_labels, cross_entropy


class LitClassifier(LitTask):
    r"""Trains a network with the cross-entropy on batches of inputs and, last, labels.

    loss = −log softmax(net(*inputs))_label, averaged over the batch; logs ``train/loss``, and for validation and test
    the loss and further metrics, each exact over processes and over a last batch that is smaller.

    Args:
        net: from inputs to logits (B, C).
        num_classes: number of classes C, ≥ 2.
        label_smoothing: share of the target spread evenly over the classes in training, in [0, 1).
        metrics: makes the metrics of one split, by their names.
        optimizer: from parameters to an optimizer; AdamW with torch's defaults when None.
        scheduler: from an optimizer to a learning-rate scheduler; see ``LitTask``.

    Raises:
        ValueError: when an argument is out of its range, the data or the network do not have ``num_classes``, or a
            label is no whole number in [0, C).
    """

    def __init__(
        self,
        net: nn.Module,
        num_classes: int,
        label_smoothing: float,
        metrics: Callable[[], dict[str, Metric]],
        optimizer: OptimizerCallable | None,
        scheduler: LRSchedulerCallable | None,
    ) -> None:
        super().__init__(net, optimizer, scheduler)
        if num_classes < 2:
            raise ValueError(f"num_classes must be at least 2, but it is {num_classes}.")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), but it is {label_smoothing}.")
        self.num_classes, self.label_smoothing = num_classes, label_smoothing
        self.val_metrics, self.test_metrics = (nn.ModuleDict(metrics()) for _ in range(2))

    def setup(self, stage: str) -> None:
        """Raise ValueError unless network, data, and all labels of data in memory are of ``num_classes``."""
        super().setup(stage)
        for dataset in getattr(self.datamodule, "datasets", {}).values() if stage != "predict" else ():
            tensors: Any = getattr(dataset, "tensors", ())
            if len(tensors) > 1 and isinstance(tensors[-1], Tensor):
                check_labels(tensors[-1], self.num_classes, ndim=1)

    def forward(self, *inputs: Tensor) -> Tensor:
        """The logits (B, C) of the inputs.

        Shapes:
            inputs (B, ...) -> logits (B, C)
        """
        return self.net(*inputs)

    def training_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> Tensor:
        *inputs, labels = batch
        labels = check_labels(labels, self.num_classes if batch_idx == self.current_epoch == 0 else None, ndim=1)
        logits = self.net(*inputs)
        check_outputs(logits, self.num_classes)
        return self.track(cross_entropy(logits, labels, label_smoothing=self.label_smoothing), len(labels))

    def validation_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> dict[str, Tensor]:
        return self._evaluate("val", self.val_metrics, batch)

    def test_step(self, batch: tuple[Tensor, ...], batch_idx: int) -> dict[str, Tensor]:
        return self._evaluate("test", self.test_metrics, batch)

    def _evaluate(self, split: str, metrics: nn.ModuleDict, batch: tuple[Tensor, ...]) -> dict[str, Any]:
        *inputs, labels = batch
        labels = check_labels(labels, self.num_classes, ndim=1)
        logits = self.net(*inputs)
        check_outputs(logits, self.num_classes)
        loss = cross_entropy(logits, labels)
        self.log(f"{split}/loss", loss, batch_size=len(labels), sync_dist=True)
        for name, metric in cast(Mapping[str, Metric], metrics).items():
            metric.update(logits, labels)
            self.log(f"{split}/{name}", metric, batch_size=len(labels))
        return {"loss": loss, "logits": logits.detach(), "labels": labels}
