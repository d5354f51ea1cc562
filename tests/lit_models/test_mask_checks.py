"""Masks that do not fit their images or classes, and splits that cannot be scored."""

from collections.abc import Callable

import pytest
import torch
from tiny_segmentation import VOID, TinyMasks, task_of
from torch import Tensor


def test_a_split_of_void_alone_is_reported_and_not_scored(make_trainer: Callable) -> None:
    data = TinyMasks()
    data.setup("validate")
    data.datasets["val"].tensors[1].fill_(VOID)
    message = r"all pixels of the val split are void \(255\), so that nothing can be scored: correct its masks"
    with pytest.raises(ValueError, match=message):
        make_trainer().validate(task_of(), datamodule=data, verbose=False)


@pytest.mark.parametrize("step", ["training_step", "validation_step", "test_step"])
@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (
            torch.full((2, 8, 8), 3).byte(),
            r"a mask holds the class 3, but num_classes=3 allows 0 … 2, and 255 for void",
        ),
        (
            torch.full((2, 8, 8), -1),
            r"a mask holds the class -1, but num_classes=3 allows 0 … 2, and 255 for void: set",
        ),
        (
            torch.zeros(2, 8, 7).byte(),
            r"masks must have the sizes of their images, \(2, 8, 8\), but have \(2, 8, 7\)\.",
        ),
        (torch.zeros(2, 1, 8, 8).byte(), r"masks must have the sizes of .*, \(2, 8, 8\), but have \(2, 1, 8, 8\)\."),
    ],
)
def test_masks_that_do_not_fit_are_refused(mask: Tensor, message: str, step: str) -> None:
    with pytest.raises(ValueError, match=message):
        getattr(task_of(), step)((torch.rand(2, 1, 8, 8), mask), 0)


@pytest.mark.parametrize("loss", ["cross_entropy", "dice"])
@pytest.mark.parametrize("wrong", [-100, 3])
def test_a_number_that_is_no_class_is_named_in_every_batch(wrong: int, loss: str) -> None:
    mask = torch.zeros(2, 8, 8, dtype=torch.long)
    mask[1, 2, 3] = wrong
    with pytest.raises(ValueError, match=f"a mask holds the class {wrong}, but num_classes=3 allows 0 … 2"):
        task_of(loss=loss).training_step((torch.rand(2, 1, 8, 8), mask), 5)


@pytest.mark.parametrize("kind", [torch.int16, torch.int32, torch.uint16, torch.bool])
def test_masks_of_every_type_of_whole_numbers_are_learnt_from(kind: torch.dtype) -> None:
    images, mask = torch.rand(2, 1, 8, 8), torch.randint(2, (2, 8, 8))
    losses = [task_of().eval().training_step((images, labels), 0) for labels in (mask, mask.to(kind))]
    assert torch.equal(*losses)


def test_masks_of_one_class_are_reported(make_trainer: Callable) -> None:
    data = TinyMasks()
    data.setup("test")
    masks = data.datasets["test"].tensors[1]
    masks.copy_(torch.where(masks > 0, VOID, 0))  # as in a file of black and white
    with pytest.warns(UserWarning, match=r"the test masks hold the class 0 alone, .* does 255 \(ignore_index\) mean"):
        make_trainer().test(task_of(), datamodule=data, verbose=False)


@pytest.mark.parametrize("step", ["training_step", "validation_step"])
def test_a_byte_that_a_negative_label_would_wrap_to_is_no_void(step: str) -> None:
    mask = torch.full((2, 8, 8), 156, dtype=torch.uint8)  # −100 as a byte
    with pytest.raises(ValueError, match=r"a mask holds the class 156, but num_classes=3 allows 0 … 2, and -100 for"):
        getattr(task_of(ignore_index=-100), step)((torch.rand(2, 1, 8, 8), mask), 0)
