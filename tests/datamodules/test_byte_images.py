"""Bytes are served as the numbers of which they are a quarter, and only what is looked at becomes numbers."""

import pytest
import torch
from torch.testing import assert_close
from torch.utils.data import default_collate

from datamodules.byte_images import ByteImages
from datamodules.in_memory import InMemoryDataset


def random_images() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (9, 3, 4, 4), dtype=torch.uint8, generator=generator), torch.arange(9)


@pytest.mark.parametrize("flatten", [False, True])
def test_batches_and_tensors_are_those_of_numbers_in_memory(flatten: bool) -> None:
    images, labels = random_images()
    numbers = images.float() / 255
    expected = InMemoryDataset(numbers.flatten(1) if flatten else numbers, labels)
    dataset, indices = ByteImages(images, labels, flatten=flatten), [4, 0, 8, 4]
    assert len(dataset) == 9
    for found, wanted in zip(dataset.__getitems__(indices), expected.__getitems__(indices), strict=True):
        assert_close(found, wanted, rtol=0, atol=0)
    collated = default_collate([dataset[index] for index in indices])
    assert_close(tuple(collated), dataset.__getitems__(indices), rtol=0, atol=0)
    for found, wanted in zip(dataset.tensors, expected.tensors, strict=True):
        assert_close(found, wanted, rtol=0, atol=0)


def test_tensors_behave_as_a_tuple() -> None:
    images, labels = random_images()
    tensors = ByteImages(images, labels).tensors
    assert len(tensors) == 2 and torch.equal(tensors[-1], labels) and torch.equal(tensors[1:][0], labels)
    assert torch.equal(tensors[:2][0], images / 255)
    with pytest.raises(IndexError):
        tensors[2]


def test_labels_are_had_without_the_numbers_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = random_images()
    dataset = ByteImages(images, labels)
    monkeypatch.setattr(ByteImages, "_numbers", lambda *_: pytest.fail("the images were turned into numbers"))
    assert torch.equal(dataset.tensors[-1], labels)


def test_a_batch_is_no_view_of_the_data_and_images_alone_have_no_labels() -> None:
    images, _ = random_images()
    dataset = ByteImages(images.clone())
    (batch,) = dataset.__getitems__([0, 1])
    batch.zero_()
    assert torch.equal(dataset.images, images)
    assert len({*dataset.contents()}) == 9
