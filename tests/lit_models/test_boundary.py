"""The F-score of boundaries, against loops over pixels."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from lit_models.boundary import BoundaryFScore, boundary

VOID = 255


def outline_by_loops(mask: Tensor) -> set[tuple[int, int]]:
    """The upper or left pixel of each pair of neighbours of different classes, none of them void."""
    height, width = mask.shape
    found = set()
    for y in range(height):
        for x in range(width):
            for other in [(y, x + 1), (y + 1, x)]:
                if other[0] < height and other[1] < width:
                    pair = {mask[y, x].item(), mask[other].item()}
                    if len(pair) == 2 and VOID not in pair:
                        found.add((y, x))
    return found


def score_by_loops(predicted: Tensor, masks: Tensor, tolerance: int) -> float:
    counts = [0, 0, 0, 0]
    for prediction, mask in zip(predicted, masks, strict=True):
        pair = [outline_by_loops(torch.where(mask == VOID, mask, prediction.to(mask))), outline_by_loops(mask)]
        for kind, (those, others) in enumerate([pair, pair[::-1]]):
            near = [any(max(abs(y - v), abs(x - u)) <= tolerance for v, u in others) for y, x in those]
            counts[2 * kind] += sum(near)
            counts[2 * kind + 1] += len(near)
    found, of_predicted, met, of_true = counts
    if of_predicted == of_true == 0:
        return 1.0
    if found == 0 or met == 0:
        return 0.0
    precision, recall = found / of_predicted, met / of_true
    return 2 * precision * recall / (precision + recall)


def blocks(seed: int, void: bool = True) -> Tensor:
    """Three images of blocks of three classes and a few spots of void."""
    generator = torch.Generator().manual_seed(seed)
    masks = torch.randint(3, (3, 3, 4), generator=generator).repeat_interleave(4, 1).repeat_interleave(3, 2)
    return masks.masked_fill(torch.rand(masks.shape, generator=generator) < 0.1, VOID) if void else masks


def step(at: int, size: int = 20) -> Tensor:
    """An image whose right part, from a column on, is of class 1."""
    return (torch.arange(size) >= at).long().expand(1, size, size)


def score(predicted: Tensor, masks: Tensor, **arguments: int) -> float:
    metric = BoundaryFScore(**arguments)
    metric.update(predicted, masks)
    return metric.compute().item()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize("seed", range(4))
def test_the_boundary_is_that_of_loops_over_pixels(seed: int, dtype: torch.dtype) -> None:
    masks = blocks(seed)
    outlines = boundary(masks.to(dtype), VOID)
    assert outlines.shape == masks.shape and outlines.dtype == torch.bool and outlines.any()
    for outline, mask in zip(outlines, masks, strict=True):
        assert set(map(tuple, outline.nonzero().tolist())) == outline_by_loops(mask)


def test_a_boundary_is_one_pixel_thick_on_its_upper_or_left_side() -> None:
    mask = torch.tensor([[[0, 0, 1], [0, 0, 1], [2, 2, 2]]])
    expected = torch.tensor([[[0, 1, 0], [1, 1, 1], [0, 0, 0]]]).bool()
    assert torch.equal(boundary(mask, VOID), expected)


@pytest.mark.parametrize("tolerance", [0, 1, 2, 5])
@pytest.mark.parametrize("seed", range(3))
def test_the_score_is_that_of_loops_over_pixels(seed: int, tolerance: int) -> None:
    predicted, masks = blocks(seed + 100, void=False), blocks(seed)
    expected = score_by_loops(predicted, masks, tolerance)
    assert 0 < expected < 1 or tolerance == 5
    assert score(predicted, masks.byte(), tolerance=tolerance) == pytest.approx(expected, rel=1e-6)


def test_the_score_over_batches_is_that_of_all_images_at_once() -> None:
    predicted, masks = blocks(7, void=False), blocks(3)
    metric = BoundaryFScore(tolerance=1)
    for part in (slice(0, 1), slice(1, 3)):
        metric.update(predicted[part], masks[part])
    assert metric.compute() == score(predicted, masks, tolerance=1)
    metric.reset()
    metric.update(masks, masks)
    assert metric.compute() == 1


def test_processes_add_their_counts() -> None:
    predicted, masks = blocks(7, void=False), blocks(3)
    first, second = BoundaryFScore(tolerance=1), BoundaryFScore(tolerance=1)
    first.update(predicted[:1], masks[:1])
    second.update(predicted[1:], masks[1:])
    first.merge_state(second)
    assert first.compute() == score(predicted, masks, tolerance=1)


@pytest.mark.parametrize("tolerance", [0, 1, 2, 3])
def test_a_shift_is_forgiven_up_to_the_tolerance_and_not_beyond(tolerance: int) -> None:
    for shift in range(6):
        for predicted, truth in [(step(10 + shift), step(10)), (step(10).mT, step(10 + shift).mT)]:
            assert score(predicted, truth, tolerance=tolerance) == (1 if shift <= tolerance else 0)


def test_the_diagonal_is_as_near_as_the_side() -> None:
    corner = torch.zeros(1, 20, 20, dtype=torch.long)
    corner[:, 8:, 8:] = 1
    assert score(corner.roll((2, 2), (1, 2)), corner, tolerance=2) < 1  # rolled in at the edges
    assert score(corner[:, :15, :15], corner[:, 2:17, 2:17], tolerance=2) == 1


def test_precision_and_recall_are_each_half_of_it() -> None:
    two_lines = step(4) + step(14)
    assert score(two_lines, step(4)) == pytest.approx(2 / 3)  # half of the predicted line is there, all of the true one
    assert score(step(4), two_lines) == pytest.approx(2 / 3)


def test_the_names_of_the_classes_do_not_matter_and_a_perfect_prediction_scores_1() -> None:
    masks = blocks(1)
    predicted = masks.masked_fill(masks == VOID, 0)
    assert score(predicted, masks, tolerance=0) == 1
    assert score(2 - predicted, masks, tolerance=0) == 1


def test_void_takes_part_in_neither() -> None:
    truth = step(10).clone()
    truth[:, :, 3:7] = VOID
    wrong = step(10) + step(5)  # its second line runs through the void
    assert score(wrong, truth, tolerance=0) == 1
    assert score(step(10) + step(3), truth, tolerance=0) == 1  # and here along the void
    assert score(step(10) + step(2), truth, tolerance=0) == pytest.approx(2 / 3)
    assert score(wrong, step(10), tolerance=0) == pytest.approx(2 / 3)


@pytest.mark.parametrize("ignore_index", [-100, 2, 255])
def test_another_label_may_be_void_in_the_truth_alone(ignore_index: int) -> None:
    truth = step(10).masked_fill(torch.arange(20) < 4, ignore_index)
    assert score(step(10) + step(2), truth, tolerance=0, ignore_index=ignore_index) == 1


def test_a_byte_is_not_taken_for_a_negative_label() -> None:
    masks = torch.tensor([[[156, 1]]], dtype=torch.uint8)
    assert boundary(masks, -100).any()


def test_without_boundaries_the_score_is_1_and_with_one_alone_it_is_0() -> None:
    plain, line, void = torch.zeros(1, 6, 6, dtype=torch.long), step(3, 6), torch.full((1, 6, 6), VOID)
    assert score(plain, plain) == score(plain + 1, plain) == score(line, void) == 1
    assert score(line, plain) == score(plain, line) == 0
    assert_close(BoundaryFScore(tolerance=0).forward(line, line), torch.tensor(1.0))


def test_a_tolerance_below_0_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tolerance must be at least 0 pixels, but it is -1\."):
        BoundaryFScore(tolerance=-1)


@pytest.mark.parametrize(
    "predicted",
    [torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4), torch.zeros(2, 4, 5).long(), torch.zeros(1, 4, 4).long()],
)
def test_what_is_no_class_a_pixel_is_refused(predicted: Tensor) -> None:
    with pytest.raises(ValueError, match=r"integers of one shape \(B, H, W\), but .* pass logits.argmax\(dim=1\)\."):
        BoundaryFScore().update(predicted, torch.zeros(2, 4, 4).long())
