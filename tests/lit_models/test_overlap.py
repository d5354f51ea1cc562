"""Overlaps of segmentations: scores against torchmetrics, the Dice loss against plain loops."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torchmetrics.classification import (
    MulticlassAccuracy,
    MulticlassConfusionMatrix,
    MulticlassF1Score,
    MulticlassJaccardIndex,
)

from lit_models.overlap import dice_loss, overlap_scores

VOID = 255


def random_masks(seed: int, classes: int = 4) -> Tensor:
    """Masks (3, 6, 5), a fifth of them void."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.randint(classes, (3, 6, 5), generator=generator)
    return masks.masked_fill(torch.rand(masks.shape, generator=generator) < 0.2, VOID)


def random_logits(seed: int, classes: int = 4) -> Tensor:
    generator = torch.Generator().manual_seed(100 + seed)
    return torch.randn(3, classes, 6, 5, dtype=torch.float64, generator=generator)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [2, 4])
def test_scores_are_those_of_torchmetrics(classes: int, seed: int) -> None:
    masks, predicted = random_masks(seed, classes), random_logits(seed, classes).argmax(dim=1)
    arguments = {"num_classes": classes, "ignore_index": VOID}
    scores = overlap_scores(MulticlassConfusionMatrix(**arguments)(predicted, masks))
    expected = {
        "iou": MulticlassJaccardIndex(**arguments, average="none"),
        "dice": MulticlassF1Score(**arguments, average="none"),  # of pixels, the same as the Dice coefficient
        "acc": MulticlassAccuracy(**arguments, average="micro"),
    }
    assert set(scores) == set(expected)
    for name, metric in expected.items():
        assert_close(scores[name].float(), metric(predicted, masks))


def test_scores_by_hand() -> None:
    scores = overlap_scores(torch.tensor([[3, 1, 0], [2, 4, 0], [0, 0, 0]]))
    assert scores["iou"].tolist() == pytest.approx([3 / 6, 4 / 7, float("nan")], nan_ok=True)
    assert scores["dice"].tolist() == pytest.approx([6 / 9, 8 / 11, float("nan")], nan_ok=True)
    assert scores["acc"].item() == pytest.approx(7 / 10)
    assert scores["iou"].nanmean().item() == pytest.approx((3 / 6 + 4 / 7) / 2)


def test_a_class_that_is_never_right_has_the_score_zero() -> None:
    scores = overlap_scores(torch.tensor([[5, 2, 0], [0, 0, 0], [1, 0, 0]]))
    assert scores["iou"].tolist() == [5 / 8, 0, 0] and scores["dice"].tolist() == [10 / 13, 0, 0]


def test_counts_of_many_pixels_are_exact() -> None:
    confusion = torch.tensor([[2**31, 1], [0, 2**31]])  # single precision would lose the one
    assert overlap_scores(confusion)["iou"].tolist() == [2**31 / (2**31 + 1)] * 2


def naive_dice_loss(logits: Tensor, masks: Tensor, void: int) -> Tensor:
    """Loops over classes and pixels."""
    losses, known = [], (masks != void).nonzero().tolist()
    for label in range(logits.shape[1]):
        shared = predicted = true = torch.zeros((), dtype=logits.dtype)
        for image, row, column in known:
            pixel = logits[image, :, row, column]
            probability = (pixel[label] - pixel.logsumexp(dim=0)).exp()
            is_label = float(masks[image, row, column] == label)
            shared, predicted, true = shared + probability * is_label, predicted + probability, true + is_label
        if true > 0:
            losses.append(1 - 2 * shared / (predicted + true))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("void", [255, -100])
@pytest.mark.parametrize("classes", [4, 3, 1])
def test_the_dice_loss_is_that_of_loops_in_value_and_gradient(classes: int, void: int) -> None:
    masks = random_masks(0, classes)  # of four classes some may be in no mask
    masks = masks.masked_fill(masks == VOID, void)
    logits = random_logits(0).requires_grad_()
    loss, expected = dice_loss(logits, masks, void), naive_dice_loss(logits, masks, void)
    assert loss.shape == () and 0 < loss < 1
    assert_close(loss, expected)
    (gradient,), (of_loops,) = (torch.autograd.grad(value, logits) for value in (loss, expected))
    assert_close(gradient, of_loops)
    assert (gradient != 0).any()


def test_void_pixels_have_no_part_in_the_dice_loss_and_no_gradient() -> None:
    masks, logits = random_masks(1), random_logits(1).requires_grad_()
    loss = dice_loss(logits, masks)
    (gradient,) = torch.autograd.grad(loss, logits)
    void = (masks == VOID)[:, None].expand_as(logits)
    assert (gradient[void] == 0).all() and (gradient[~void] != 0).all()
    assert_close(dice_loss(torch.where(void, 10 * logits.roll(1, 1), logits), masks), loss)


def test_the_dice_loss_is_0_of_the_truth_and_nearly_1_of_its_contrary() -> None:
    masks = random_masks(2, classes=2)
    truth = torch.stack([masks == 0, masks == 1], dim=1).double()
    assert dice_loss(1000 * truth, masks).item() == pytest.approx(0.0, abs=1e-12)
    assert dice_loss(-1000 * truth, masks).item() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_dice_loss_of_void_alone_is_zero_with_a_gradient_of_zeros(dtype: torch.dtype) -> None:
    logits = random_logits(0).to(dtype).requires_grad_()
    loss = dice_loss(logits, torch.full((3, 6, 5), VOID))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss == 0 and (gradient == 0).all()
