"""Labels of every type that holds whole numbers, and a sentence about every other."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from nets.labels import check_labels, cross_entropy

WHOLE = (torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.int64)


@pytest.mark.parametrize("kind", WHOLE)
def test_whole_numbers_of_every_type_are_labels(kind: torch.dtype) -> None:
    labels = check_labels(torch.tensor([0, 2, 1]).to(kind), 3, ndim=1)
    assert labels.dtype == torch.int64 and labels.tolist() == [0, 2, 1]


def test_booleans_are_0_and_1_and_no_labels_are_no_mistake() -> None:
    assert check_labels(torch.tensor([True, False]), 2).tolist() == [1, 0]
    assert check_labels(torch.zeros(0, dtype=torch.long), 2).tolist() == []


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            torch.tensor([0.0, 2.0]),
            r"labels must be whole numbers, .* but are torch\.float32: take argmax .* long\(",
        ),
        (torch.tensor([0.5]).half(), r"whole numbers, .* but are torch\.float16"),
        (torch.tensor([1, 2, 3]), r"labels must be from 0 to 2, the 3 classes, but hold 3: subtract 1, if they begin"),
        (torch.tensor([0, 3]), r"from 0 to 2, the 3 classes, but hold 3: correct them, or set num_classes to what the"),
        (torch.tensor([0, -1]), r"from 0 to 2, the 3 classes, but hold -1: correct them"),
        (torch.tensor([-100, 5]), r"from 0 to 2, the 3 classes, but hold -100: correct them"),
        (
            torch.eye(3).long(),
            r"labels must have 1 dimension, one class each, but have the shape \(3, 3\): take",
        ),
        (torch.tensor([[0], [1]]), r"must have 1 dimension, .* \(2, 1\): .*, and squeeze\(1\) of a column"),
    ],
)
def test_what_is_no_label_is_named(labels: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_labels(labels, 3, ndim=1)


def test_floating_masks_are_sent_to_the_reader_that_does_not_divide() -> None:
    with pytest.raises(ValueError, match=r"masks must be whole numbers, .*: read them with torchvision's pil_to"):
        check_labels(torch.rand(2, 4, 4), name="masks")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_cross_entropy_is_that_of_pytorch_to_the_bit(smoothing: float, reduction: str) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(7, 4, 5, generator=generator, requires_grad=True)
    labels = torch.randint(4, (7, 5), generator=generator)
    arguments = {"label_smoothing": smoothing, "reduction": reduction}
    losses = [function(logits, labels, **arguments) for function in (cross_entropy, F.cross_entropy)]
    assert torch.equal(*losses)
    assert torch.equal(*(torch.autograd.grad(loss.sum(), logits)[0] for loss in losses))


@pytest.mark.parametrize("wrong", [-100, -1, 4])
def test_the_cross_entropy_leaves_no_label_out(wrong: int) -> None:
    with pytest.raises(ValueError, match=f"labels must be from 0 to 3, the 4 classes, but hold {wrong}"):
        cross_entropy(torch.randn(3, 4), torch.tensor([1, 2, wrong]))
