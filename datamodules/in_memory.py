"""Data sets that fit in memory: tensors decoded once, a batch one indexed slice."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from datamodules.image_preview import preview_images
from datamodules.samplers import EvaluationSampler, ResumableSampler
from datamodules.split_overlap import describe_overlap, fingerprints, rows


class InMemoryDataset(Dataset):
    """Tensors of equal length, indexed together.

    ``__getitems__`` serves a whole batch with one slice of each tensor, where a per-sample dataset makes
    ``batch_size`` Python calls and then stacks.

    Args:
        *tensors: tensors with the same first dimension.
    """

    def __init__(self, *tensors: Tensor) -> None:
        if len({len(tensor) for tensor in tensors}) != 1:
            raise ValueError(f"tensors must have the same length, but have {[len(tensor) for tensor in tensors]}.")
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, ...]:
        index = torch.tensor(indices)
        return tuple(tensor.index_select(0, index) for tensor in self.tensors)

    def contents(self) -> Iterable[bytes]:
        """What a network sees of each sample: its input, whatever its label is."""
        return rows(self.tensors[0])


def identity(batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The collate function of a dataset that already serves batches."""
    return batch


class InMemoryDataModule(LightningDataModule):
    """A datamodule whose splits are tensors, or datasets of a kind of their own; a subclass says how to ``load`` them.

    The order of the training samples is a function of (seed, epoch) alone. Under several processes the training
    samples are sharded as usual, the evaluation samples without repeats, so that metrics stay exact.

    Samples of equal content in two splits are counted and told, unless a subclass draws its samples from a distribution
    (``draws_samples``). A checkpoint keeps 8 bytes of each sample that it was trained or selected on, so that what it
    is tested on later is held against them, whatever the data are by then.

    Args:
        batch_size: training samples in a batch, per process, ≥ 1.
        eval_batch_size: samples in a batch of validation, test and prediction, per process, ≥ 1.
        seed: seed of the splits and of the order of the training samples.
        augmentation: applied to the inputs of each training batch, on the device that trains.

    Raises:
        ValueError: when a batch size is below 1, or a split to be scored has fewer samples than there are processes.
    """

    dataset_class = InMemoryDataset
    draws_samples = False

    def __init__(
        self, batch_size: int, eval_batch_size: int = 256, seed: int = 0, augmentation: nn.Module | None = None
    ) -> None:
        super().__init__()
        for name, value in {"batch_size": batch_size, "eval_batch_size": eval_batch_size}.items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, but it is {value}.")
        self.batch_size, self.eval_batch_size, self.seed = batch_size, eval_batch_size, seed
        self.augmentation = augmentation
        self.allow_zero_length_dataloader_with_multiple_devices = True  # to predict fewer samples than processes
        self.datasets: dict[str, InMemoryDataset] = {}
        self._contents: dict[str, Tensor] = {}
        self._told: set[str] = set()

    @abstractmethod
    def load(self, training: bool) -> dict[str, tuple[Tensor, ...] | Dataset]:
        """The tensors, or the datasets, of the splits "train" and "val" when ``training``, else those of "test"."""

    def setup(self, stage: str) -> None:
        """Load the splits that a stage reads: the test split is read by ``test`` and ``predict`` alone."""
        training = stage in ("fit", "validate")
        if ("val" if training else "test") not in self.datasets:
            loaded = self.load(training)
            for name, split in loaded.items():
                self.datasets[name] = split if isinstance(split, Dataset) else self.dataset_class(*split)
            if not self.draws_samples:
                of_splits = {split: self.datasets[split] for split in loaded}
                self.tell_overlap(
                    {
                        split: fingerprints(dataset.contents())
                        for split, dataset in of_splits.items()
                        if hasattr(dataset, "contents")
                    }
                )

    def preview(self) -> dict[str, Any]:
        """What a picture of the data shows, see ``callbacks.DataPicture``: of images some examples and the counts."""
        return preview_images(self) if hasattr(self, "image_size") else {}

    def tell_overlap(self, contents: dict[str, Tensor]) -> None:
        """Say once how many samples of a split are also in one that was seen before.

        Args:
            contents: fingerprints (N,) by split, beside those that are known.
        """
        trained = [known["train"] for known in (self._contents, contents) if "train" in known]
        self._contents = {**contents, **self._contents}
        if trained:  # on those of a checkpoint, and on those that it goes on with
            self._contents["train"] = torch.cat(trained).unique()
        for split in ("val", "test"):
            is_loaded = split in self.datasets and split in self._contents
            sentence = describe_overlap(split, self._contents) if is_loaded else None
            if sentence and sentence not in self._told:
                self._told.add(sentence)
                rank_zero_info(sentence)

    def state_dict(self) -> dict[str, Any]:
        """A checkpoint keeps the fingerprints of what it was trained and selected on."""
        contents = {split: self._contents[split] for split in ("train", "val") if split in self._contents}
        return {"contents": contents} if contents else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.tell_overlap(state_dict.get("contents", {}))

    def train_dataloader(self) -> DataLoader:
        dataset, (world_size, rank) = self.datasets["train"], self._world()
        sampler = self.train_sampler(dataset, self._seen_samples, num_replicas=world_size, rank=rank, seed=self.seed)
        return DataLoader(dataset, batch_size=self.batch_size, sampler=sampler, collate_fn=identity)

    def train_sampler(self, dataset: InMemoryDataset, skip: Callable[[], int], **arguments: int) -> ResumableSampler:
        """The order of the training samples; see ``ResumableSampler``."""
        return ResumableSampler(dataset, skip, **arguments)

    def val_dataloader(self) -> DataLoader:
        return self._eval_dataloader("val")

    def test_dataloader(self) -> DataLoader:
        return self._eval_dataloader("test")

    def predict_dataloader(self) -> DataLoader:
        return self._eval_dataloader("test")

    def on_after_batch_transfer(self, batch: tuple[Tensor, ...], dataloader_idx: int) -> tuple[Tensor, ...]:
        """Augment a training batch."""
        if self.augmentation is None or self.trainer is None or not self.trainer.training:
            return batch
        return self.augment(batch)

    def augment(self, batch: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """A training batch with its inputs augmented."""
        inputs, *targets = batch
        return self.augmentation(inputs), *targets

    def _eval_dataloader(self, split: str) -> DataLoader:
        dataset, (world_size, rank) = self.datasets[split], self._world()
        # Metrics are gathered of what each process has measured: one without a sample would have none to send.
        if 0 < len(dataset) < world_size and not getattr(self.trainer, "predicting", False):
            raise ValueError(
                f"the split {split} has {len(dataset)} samples, but each of {world_size} processes needs one: lower "
                f"trainer.devices or trainer.num_nodes."
            )
        sampler = EvaluationSampler(dataset, world_size, rank)
        return DataLoader(dataset, batch_size=self.eval_batch_size, sampler=sampler, collate_fn=identity)

    def _seen_batches(self) -> int:
        """How many batches of its current epoch a run has seen before it was stopped and resumed."""
        if self.trainer is None or not self.trainer.fit_loop.restarting:
            return 0
        progress = self.trainer.fit_loop.epoch_loop.batch_progress
        return 0 if progress.is_last_batch else progress.current.processed

    def _seen_samples(self) -> int:
        return self._seen_batches() * self.batch_size

    def _world(self) -> tuple[int, int]:
        return (self.trainer.world_size, self.trainer.global_rank) if self.trainer else (1, 0)


_FRACTION = "val_fraction must be in (0, 1) and leave no split empty, but it is {}."


def check_images(val_fraction: float, flatten: bool, augmentation: nn.Module | None) -> None:
    """Raise ValueError unless ``val_fraction`` is in (0, 1), and what is augmented are images."""
    if not 0.0 < val_fraction < 1.0:
        raise ValueError(_FRACTION.format(val_fraction))
    if flatten and augmentation is not None:
        raise ValueError("flatten=True serves rows of pixels, which augmentation cannot distort: drop one of the two.")


def split_indices(length: int, val_fraction: float, seed: int) -> tuple[Tensor, Tensor]:
    """A random split of ``range(length)`` in training and validation indices.

    Raises:
        ValueError: when ``val_fraction`` leaves a split empty.
    """
    num_val = round(length * val_fraction)
    if not 0 < num_val < length:
        raise ValueError(_FRACTION.format(val_fraction))
    order = torch.randperm(length, generator=torch.Generator().manual_seed(seed))
    return order[num_val:], order[:num_val]
