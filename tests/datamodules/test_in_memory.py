"""Slices equal items, the order is a function of seed and epoch, and no evaluation sample is lost or repeated."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torch.utils.data import default_collate

from datamodules.in_memory import InMemoryDataset, split_indices


def epoch_order(data: object, epoch: int) -> list[float]:
    """The first pixel of each training image, in the order of an epoch."""
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    return torch.cat([images[:, 0, 0, 0] for images, _ in loader]).tolist()


def under(data: object, world_size: int, rank: int) -> object:
    fit_loop = SimpleNamespace(restarting=False)
    data.trainer = SimpleNamespace(world_size=world_size, global_rank=rank, training=True, fit_loop=fit_loop)
    return data


def test_a_slice_equals_items_collated_one_by_one() -> None:
    torch.manual_seed(0)
    dataset = InMemoryDataset(torch.randn(9, 2, 3), torch.arange(9), torch.rand(9))
    indices = [4, 0, 8, 4]
    batch = dataset.__getitems__(indices)
    assert_close(batch, tuple(default_collate([dataset[index] for index in indices])), rtol=0, atol=0)
    assert [tensor.dtype for tensor in batch] == [tensor.dtype for tensor in dataset[0]]
    assert len(dataset) == 9


def test_a_batch_is_no_view_of_the_data() -> None:
    dataset = InMemoryDataset(torch.zeros(4, 2))
    dataset.__getitems__([0, 1])[0].add_(1)
    assert (dataset.tensors[0] == 0).all()


@pytest.mark.parametrize("lengths", [(3, 4), ()])
def test_tensors_of_unequal_length_are_refused(lengths: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"same length, but have \[.*\]"):
        InMemoryDataset(*map(torch.zeros, lengths))


def test_a_loader_serves_every_sample_once_with_its_own_label(tiny_images: type) -> None:
    data = tiny_images(batch_size=6)
    data.setup("fit")
    images, labels = data.datasets["train"].tensors
    label_of = dict(zip(images[:, 0, 0, 0].tolist(), labels.tolist(), strict=True))
    batches = list(data.train_dataloader())
    assert [len(batch[1]) for batch in batches] == [6, 6, 6, 2]
    served = [(float(image[0, 0, 0]), int(label)) for batch in batches for image, label in zip(*batch, strict=True)]
    assert dict(served) == label_of and len(served) == 20


def test_training_order_is_a_function_of_seed_and_epoch_alone(tiny_images: type) -> None:
    orders = {}
    for seed in (0, 1):
        for epoch in (0, 1):
            torch.manual_seed(10 * seed + epoch)  # the global generator has no say
            data = tiny_images(seed=seed)
            data.setup("fit")
            orders[seed, epoch] = epoch_order(data, epoch)
    again = tiny_images(seed=1)
    again.setup("fit")
    torch.rand(5)
    assert epoch_order(again, 1) == orders[1, 1]
    assert epoch_order(again, 0) == orders[1, 0]
    assert orders[0, 0] != orders[0, 1] and orders[0, 0] != orders[1, 0]
    assert len({tuple(sorted(order)) for order in orders.values()}) == 1


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
@pytest.mark.parametrize("split", ["val", "test"])
def test_processes_share_the_evaluation_samples_without_repeats(tiny_images: type, split: str, world_size: int) -> None:
    data = tiny_images()
    data.setup("fit" if split == "val" else "test")
    served: list[Tensor] = []
    for rank in range(world_size):
        under(data, world_size, rank)
        served += [images for images, _ in getattr(data, f"{split}_dataloader")()]
    pixels = torch.cat(served)[:, 0, 0, 0].sort().values
    assert torch.equal(pixels, data.datasets[split].tensors[0][:, 0, 0, 0].sort().values)


def test_a_prediction_may_leave_a_process_without_samples(tiny_images: type) -> None:
    data = tiny_images()
    data.setup("predict")
    served = []
    for rank in range(9):  # of 7 samples
        under(data, 9, rank).trainer.predicting = True
        loader = data.predict_dataloader()
        served.append([images for images, _ in loader])
        assert len(loader) == len(served[-1]) == (rank < 7)
    assert torch.equal(torch.cat([image for shard in served for image in shard]), data.datasets["test"].tensors[0])


@pytest.mark.parametrize("split", ["val", "test"])
def test_metrics_need_a_sample_in_each_process(tiny_images: type, split: str) -> None:
    data = tiny_images()
    data.setup("fit" if split == "val" else "test")
    for rank in (0, 11):
        with pytest.raises(ValueError, match=rf"the split {split} has \d+ samples, but each of 12 processes needs one"):
            getattr(under(data, 12, rank), f"{split}_dataloader")()


def test_processes_share_the_training_samples(tiny_images: type) -> None:
    data = tiny_images()
    data.setup("fit")
    shards = [epoch_order(under(data, 2, rank), 3) for rank in range(2)]
    assert [len(shard) for shard in shards] == [10, 10]
    assert len({*shards[0], *shards[1]}) == 20


def test_test_split_is_read_by_test_and_predict_alone(tiny_images: type) -> None:
    for stage, splits in {"fit": {"train", "val"}, "validate": {"train", "val"}, "test": {"test"}}.items():
        data = tiny_images()
        data.setup(stage)
        assert set(data.datasets) == splits
    data.setup("predict")
    assert [batch[1].tolist() for batch in data.predict_dataloader()] == [
        batch[1].tolist() for batch in data.test_dataloader()
    ]


def test_a_split_is_loaded_once(tiny_images: type) -> None:
    data = tiny_images()
    data.setup("fit")
    before = data.datasets["train"]
    data.setup("validate")
    data.setup("test")
    assert data.datasets["train"] is before


def test_augmentation_changes_training_inputs_alone(tiny_images: type) -> None:
    class Negative(torch.nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return 1 - images

    data = under(tiny_images(augmentation=Negative()), 1, 0)
    images, labels = torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
    augmented, same_labels = data.on_after_batch_transfer((images, labels), 0)
    assert torch.equal(augmented, 1 - images) and same_labels is labels
    data.trainer.training = False
    assert data.on_after_batch_transfer((images, labels), 0)[0] is images


@pytest.mark.parametrize("name", ["batch_size", "eval_batch_size"])
def test_batch_sizes_below_one_are_refused(tiny_images: type, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be at least 1, but it is 0"):
        tiny_images(**{name: 0})


def test_splits_are_disjoint_and_cover_and_depend_on_the_seed_alone() -> None:
    train, val = split_indices(50, 0.25, seed=3)
    assert len(val) == 12
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(50))
    torch.rand(1)
    assert torch.equal(split_indices(50, 0.25, seed=3)[1], val)
    assert not torch.equal(split_indices(50, 0.25, seed=4)[1], val)


@pytest.mark.parametrize("val_fraction", [0.0, 1.0, -0.1, 1.5, 0.01, 0.99])
def test_fractions_that_leave_a_split_empty_are_refused(val_fraction: float) -> None:
    with pytest.raises(ValueError, match=rf"val_fraction must be in \(0, 1\) .* but it is {val_fraction}"):
        split_indices(10, val_fraction, seed=0)
