"""How much of the classes a representation shows to a linear classifier.

Letters: R replicas, B batch, K width of the representation, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from torch import Tensor
from torch.nn import functional as F

from callbacks.observing import check_datasets, log_replicas, undisturbed
from nets.labels import check_labels

ENCODED_AT_ONCE = 2000


class LinearProbe(Callback):
    """Trains a linear classifier on the frozen representation, and logs how often it is right.

    "Understanding intermediate layers using linear classifier probes" (Alain and Bengio, 2017),
    https://arxiv.org/abs/1610.01644. Works for any task with ``encode``, from inputs (B, …) to (B, K), or (R, B, K)
    with a probe for each replica, and a datamodule with labelled ``datasets``. Logs ``probe/val_acc`` at the end of a
    validation epoch, where it can be monitored if ``every_n_epochs`` is 1, and ``probe/test_acc`` in ``test``. The
    classifier never sees the split that it is scored on. Each process of several trains the same probe on all the data.

    Args:
        every_n_epochs: probe after every so many epochs, ≥ 1, and after the last of ``max_epochs``.
        num_labels: how many training samples have a label, ≥ 1, drawn by the seed of the data; all when None.
        epochs: passes over the labelled samples, ≥ 1.
        lr: the first learning rate of Adam, > 0; it falls linearly to zero.
        batch_size: samples in a batch, ≥ 1.
        weight_penalty: λ of the penalty λ‖W‖² beside the mean cross-entropy, ≥ 0.

    Raises:
        ValueError: when an argument is out of its range, the task has no ``encode``, or the data have no labels, or
            fewer than ``num_labels``.
    """

    def __init__(
        self,
        every_n_epochs: int = 1,
        num_labels: int | None = None,
        epochs: int = 10,
        lr: float = 0.03,
        batch_size: int = 500,
        weight_penalty: float = 0.0,
    ) -> None:
        whole = {"every_n_epochs": every_n_epochs, "num_labels": num_labels, "epochs": epochs, "batch_size": batch_size}
        for name, value in whole.items():
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, but it is {value}.")
        if not lr > 0 or not weight_penalty >= 0:
            raise ValueError(
                f"lr must be > 0 and weight_penalty ≥ 0 in LinearProbe, but they are {lr} and {weight_penalty}."
            )
        self.every_n_epochs, self.num_labels = every_n_epochs, num_labels
        self.training = {"epochs": epochs, "lr": lr, "batch_size": batch_size, "weight_penalty": weight_penalty}

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        if not hasattr(pl_module, "encode"):
            raise ValueError(
                f"LinearProbe needs a task with encode, such as lit_models.LitAutoencoder, but the task is "
                f"{type(pl_module).__name__}: take LinearProbe out of trainer.callbacks."
            )
        check_datasets(self, trainer)
        if stage == "predict":
            return
        trainer.datamodule.setup("fit")  # test needs the training samples too
        tensors = trainer.datamodule.datasets["train"].tensors
        if len(tensors) < 2 or (tensors[1].is_floating_point() and tensors[1].ndim > 1):
            raise ValueError(
                f"LinearProbe needs labels, but {type(trainer.datamodule).__name__} has none: take LinearProbe out of "
                f"trainer.callbacks."
            )
        check_labels(tensors[1], getattr(trainer.datamodule, "num_classes", None), ndim=1)
        if (self.num_labels or 1) > len(tensors[1]):
            raise ValueError(
                f"num_labels={self.num_labels} of LinearProbe is more than the {len(tensors[1])} training samples: "
                f"lower it, or leave it out to use them all."
            )

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        due = trainer.state.fn != "fit" or epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs
        if due and not trainer.sanity_checking:
            self._log(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._log(trainer, pl_module, "test")

    def _log(self, trainer: Trainer, pl_module: LightningModule, split: str) -> None:
        with torch.inference_mode(False), undisturbed(pl_module):
            accuracies = self.score(lambda inputs: encode(pl_module, inputs), trainer.datamodule, split)
        log_replicas(pl_module, f"probe/{split}_acc", accuracies)

    def score(self, encoder: Callable[[Tensor], Tensor], data: LightningDataModule, split: str) -> Tensor:
        """The accuracy on a split of a classifier of a representation, (R,) for R representations.

        Args:
            encoder: from inputs (B, …) to their representations (R, B, K).
            data: whose labelled training samples train the classifier.
            split: "val" or "test".
        """
        inputs, labels = data.datasets["train"].tensors[:2]
        labels = check_labels(labels)
        generator = torch.Generator().manual_seed(data.seed)
        if self.num_labels is not None:
            chosen = torch.randperm(len(labels), generator=generator)[: self.num_labels]
            inputs, labels = inputs[chosen], labels[chosen]
        num_classes = getattr(data, "num_classes", int(labels.max()) + 1)
        features = encoder(inputs)
        classifier = fit_linear_classifier(
            features, labels.to(features.device), num_classes, generator=generator, **self.training
        )
        inputs, labels = data.datasets[split].tensors[:2]
        labels = check_labels(labels, num_classes, ndim=1)
        predicted = classifier(encoder(inputs)).argmax(dim=-1)  # (R, B)
        return (predicted == labels.to(predicted.device)).float().mean(dim=-1)


@dataclass(frozen=True)
class LinearClassifier:
    """A linear classifier, one for each replica.

    Args:
        weight: (R, C, K).
        bias: (R, 1, C).
    """

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """The logits (R, B, C) of the features (R, B, K)."""
        return torch.baddbmm(self.bias, features, self.weight.mT)


def encode(pl_module: LightningModule, inputs: Tensor) -> Tensor:
    """The representation of all inputs, part by part, (R, B, K) in float32; R = 1 where the task has no replicas."""
    parameter = next(pl_module.parameters())
    parts = [pl_module.encode(part.to(parameter.device, parameter.dtype)) for part in inputs.split(ENCODED_AT_ONCE)]
    features = torch.cat(parts, dim=-2).float()
    return features if features.ndim == 3 else features[None]


def fit_linear_classifier(
    features: Tensor,
    labels: Tensor,
    num_classes: int,
    epochs: int,
    lr: float,
    batch_size: int,
    weight_penalty: float,
    generator: torch.Generator,
) -> LinearClassifier:
    r"""Multinomial logistic regression on standardised features, one for each replica, all in one batched product.

    Minimises the mean cross-entropy + λ‖W‖² from W = 0 by Adam, its learning rate falling linearly to zero. The
    problem is convex: with epochs enough the result is that of scikit-learn's ``LogisticRegression(C=1/(2λB))``. The
    samples are shuffled once, so that a batch is a view.

    Args:
        features: what to classify.
        labels: its classes.
        num_classes: classes C.
        epochs: passes over the features.
        lr: the first learning rate.
        batch_size: samples in a batch.
        weight_penalty: λ.
        generator: of the order of the samples, the same for all replicas.

    Shapes:
        features (R, B, K), labels (B,) in [0, C)
    """
    order = torch.randperm(len(labels), generator=generator).to(labels.device)
    features = features[:, order]
    mean = features.mean(dim=1, keepdim=True)
    features.sub_(mean)
    scale = features.square().mean(dim=1, keepdim=True).sqrt()
    scale = torch.where(scale > 1e-6 * scale.amax(dim=2, keepdim=True), scale, 1.0)  # a dead feature stays as it is
    batches = features.div_(scale).split(batch_size, dim=1)
    targets = labels[order].expand(len(features), -1).split(batch_size, dim=1)  # the same for all replicas
    weight = features.new_zeros(len(features), num_classes, features.shape[2]).requires_grad_()
    bias = features.new_zeros(len(features), num_classes, 1).requires_grad_()
    optimizer = torch.optim.Adam([weight, bias], lr=lr, fused=True)
    num_steps = epochs * len(batches)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / num_steps, num_steps)
    for _ in range(epochs):
        for batch, target in zip(batches, targets, strict=True):
            with torch.enable_grad():
                logits = torch.baddbmm(bias, weight, batch.mT)  # (R, C, B)
                loss = F.cross_entropy(logits, target, reduction="sum") / batch.shape[1]
                (loss + weight_penalty * weight.square().sum()).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    weight = weight.detach() / scale  # of the features as they came
    return LinearClassifier(weight, bias.detach().mT - mean @ weight.mT)
