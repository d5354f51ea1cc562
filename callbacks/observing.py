"""What callbacks share: to observe a network without changing its training, to gather and to log."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from figures.metrics import Metrics
from lab.run_folder import read_metrics, run_dir
from nets import replica_metrics
from nets.labels import check_labels


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients inside; outside, the modes and the random generators are as they were."""
    modes = {child: child.training for child in module.modules()}
    with _same_random_numbers(), torch.no_grad():
        module.eval()
        try:
            yield
        finally:
            for child, training in modes.items():
                child.training = training


@contextmanager
def rehearsal(trainer: Trainer, module: nn.Module) -> Iterator[None]:
    """A training step's mode, precision and random numbers inside; outside, buffers and generators are as they were.

    A compiled network runs uncompiled, so that hooks inside do not make it compile again. Take gradients with
    ``torch.autograd.grad``, which leaves those of the parameters alone.
    """
    buffers = {buffer: buffer.clone() for buffer in module.buffers()}  # such as running means
    with (
        _same_random_numbers(),
        torch.enable_grad(),
        torch.compiler.set_stance("force_eager"),
        trainer.precision_plugin.train_step_context(),
    ):
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, value in buffers.items():
                    buffer.copy_(value)


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    """The random generators outside as they were before, also after an error.

    Lightning's ``isolate_rng`` covers the same generators, but restores none of them after an error.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with torch.random.fork_rng():
        try:
            yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)


def gather(trainer: Trainer, value: Any) -> list[Any]:
    """The value of each process, in the order of their ranks."""
    if trainer.world_size == 1:
        return [value]
    gathered: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(gathered, value)
    return gathered


def evaluated(outputs: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The logits of each replica (R = 1 without replicas) and the labels, from an evaluation step of a classifier.

    Shapes:
        (R, B, C), (B,)
    """
    logits = outputs["logits"].float()
    labels = check_labels(outputs["labels"], logits.shape[-1], ndim=1)
    return logits if logits.ndim == 3 else logits[None], labels


def class_names_of(trainer: Trainer, num_classes: int) -> list[str]:
    """A name for each output: that of its class where the data have one, else its number."""
    names = list(getattr(trainer.datamodule, "class_names", None) or ())
    return names[:num_classes] + [str(number) for number in range(len(names), num_classes)]


def log_replicas(pl_module: LightningModule, name: str, values: Tensor) -> None:
    """Log a metric of each replica (R,), which every process has computed itself."""
    pl_module.log_dict(replica_metrics(name, values.float().to(pl_module.device)), sync_dist=True)


def check_datasets(callback: Callback, trainer: Trainer) -> None:
    """Raise ValueError unless the datamodule has its data in memory, as ``datasets`` with ``tensors``."""
    datasets = getattr(trainer.datamodule, "datasets", None)
    if datasets is None or not all(hasattr(dataset, "tensors") for dataset in datasets.values()):
        raise ValueError(
            f"{type(callback).__name__} needs a datamodule with datasets, such as datamodules.DigitsDataModule."
        )


def metrics_so_far(trainer: Trainer) -> Metrics | None:
    """The metrics that the run has logged so far; None where it leaves no files, and in all processes but the first."""
    folder = run_dir(trainer)
    if folder is None or not trainer.is_global_zero:
        return None
    for logger in trainer.loggers:
        logger.save()
    return read_metrics(folder) if (folder / "metrics.csv").is_file() else None
