"""scikit-learn's digits: a stratified fifth tests, the rest trains and validates, nothing is lost or leaks."""

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from datamodules import DigitsDataModule


def loaded(**arguments: object) -> DigitsDataModule:
    data = DigitsDataModule(**arguments)
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    return data


def rows(*tensors: Tensor) -> list[tuple[float, ...]]:
    return sorted(tuple(row) for tensor in tensors for row in tensor.flatten(1).tolist())


def test_splits_are_360_to_test_a_tenth_of_the_rest_to_validate_and_together_all_digits() -> None:
    data = loaded()
    assert {name: len(dataset) for name, dataset in data.datasets.items()} == {"train": 1293, "val": 144, "test": 360}
    everything = torch.from_numpy(load_digits().data).float() / 16
    assert rows(*(dataset.tensors[0] for dataset in data.datasets.values())) == rows(everything)


def test_images_keep_their_labels() -> None:
    digits = load_digits()
    everything = torch.from_numpy(digits.data).float() / 16
    label_of = dict(zip(map(tuple, everything.tolist()), digits.target.tolist(), strict=True))
    for dataset in loaded(flatten=True).datasets.values():
        images, labels = dataset.tensors
        assert [label_of[tuple(image)] for image in images.tolist()] == labels.tolist()


def test_test_split_is_stratified() -> None:
    counts = torch.bincount(loaded().datasets["test"].tensors[1], minlength=10)
    in_data = torch.bincount(torch.from_numpy(load_digits().target).long())
    assert ((counts - in_data / 5).abs() < 1).all()


def test_splits_depend_on_the_seed_alone() -> None:
    first, again, other = loaded(seed=1), loaded(seed=1), loaded(seed=2)
    for split in ("train", "val", "test"):
        images = first.datasets[split].tensors[0]
        assert torch.equal(again.datasets[split].tensors[0], images)
        # The test split is the same for all: a mean over seeds is one over the same test images.
        assert torch.equal(other.datasets[split].tensors[0], images) == (split == "test")


def test_a_batch_is_what_the_docstring_says() -> None:
    images, labels = next(iter(loaded(batch_size=16).train_dataloader()))
    assert images.shape == (16, 1, 8, 8) and images.dtype == torch.float32
    assert images.min() == 0 and images.max() == 1
    assert labels.shape == (16,) and labels.dtype == torch.int64
    flat, _ = next(iter(loaded(batch_size=16, flatten=True).train_dataloader()))
    assert torch.equal(flat, images.flatten(1))


def test_fit_does_not_read_the_test_split() -> None:
    data = DigitsDataModule()
    data.setup("fit")
    assert set(data.datasets) == {"train", "val"}


def test_names_and_number_of_classes_are_known_before_setup() -> None:
    assert DigitsDataModule.num_classes == len(DigitsDataModule.class_names) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"val_fraction": 1.5}, r"val_fraction must be in \(0, 1\) .* but it is 1.5"),
        ({"batch_size": 0}, "batch_size must be at least 1, but it is 0"),
        ({"eval_batch_size": -1}, "eval_batch_size must be at least 1, but it is -1"),
    ],
)
def test_arguments_out_of_range_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loaded(**arguments)
