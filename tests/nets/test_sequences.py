"""Checks of batches of sequences, and their way into the packed form and back into the same order."""

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence, pad_packed_sequence

from nets.sequences import check_numbers, check_sequences, pack, repack

LENGTHS = {"unsorted": [2, 5, 1, 3], "ascending": [1, 2], "descending": [4, 2, 2, 1], "equal": [2, 2], "alone": [3]}
lengths_of_many_kinds = pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)


def numbered(batch: int, time: int, *rest: int) -> Tensor:
    return torch.arange(1.0, 1 + batch * time * torch.Size(rest).numel()).reshape(batch, time, *rest)


@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(3, 4, 2),
        torch.zeros(0, 4, 2),
        torch.zeros(1, 1, 2, dtype=torch.float64, requires_grad=True),
        torch.tensor([[[torch.inf, -torch.inf]]]),  # the sum is NaN
        torch.full((1, 2, 2), 3e38),  # the sum is beyond the largest number
        pack_sequence([torch.zeros(3, 2), torch.zeros(1, 2)]),
    ],
    ids=["batch", "empty", "one number", "infinite", "large", "packed"],
)
def test_sequences_of_numbers_pass(x: Tensor | PackedSequence) -> None:
    assert check_sequences(x, 2) is None
    assert check_numbers(x) is None


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (torch.zeros(3, 4, 3), r"a tensor of the shape \(3, 4, 3\)"),
        (torch.zeros(4, 2), r"a tensor of the shape \(4, 2\)"),
        (torch.zeros(1, 3, 4, 2), r"a tensor of the shape \(1, 3, 4, 2\)"),
        (torch.tensor(1.0), r"a tensor of the shape \(\)"),
        (pack_sequence([torch.zeros(3, 1), torch.zeros(1, 1)]), r"a PackedSequence of the shape \(4, 1\)"),
        (pack_sequence([torch.zeros(3, 5, 2)]), r"a PackedSequence of the shape \(3, 5, 2\)"),
        (pack_sequence([torch.zeros(3)]), r"a PackedSequence of the shape \(3,\)"),
    ],
)
def test_another_width_or_number_of_dimensions_is_refused(x: Tensor | PackedSequence, shown: str) -> None:
    message = rf"\(batch, time, 2\) or a PackedSequence of input_size=2 columns, but it is {shown}"
    with pytest.raises(ValueError, match=message):
        check_sequences(x, 2)


@pytest.mark.parametrize("batch", [0, 3])
def test_sequences_without_steps_are_refused(batch: int) -> None:
    with pytest.raises(
        ValueError, match=rf"at least one step, but the input is a tensor of the shape \({batch}, 0, 2\)"
    ):
        check_sequences(torch.zeros(batch, 0, 2), 2)


def test_the_first_nan_is_named_with_their_number() -> None:
    x = torch.zeros(3, 4, 2, requires_grad=True).clone()
    x[1, 3, 0] = x[1, 3, 1] = x[2, 0, 0] = torch.nan
    message = (
        r"3 of them are NaN, the first at sample 1, step 3, column 0 .* of the shape \(3, 4, 2\): correct or leave out"
    )
    with pytest.raises(ValueError, match=message):
        check_numbers(x)
    packed = pack_sequence([torch.zeros(3, 2), torch.tensor([[0.0, torch.nan]])])
    with pytest.raises(
        ValueError,
        match=r"1 of them are NaN, the first at sample 1, step 0, column 1 .* a PackedSequence of the shape \(4, 2\)",
    ):
        check_numbers(packed)


def test_packing_leaves_full_and_packed_sequences_as_they_are() -> None:
    assert pack(torch.zeros(3, 4, 2), None) is None
    packed = pack_sequence([torch.zeros(3, 2), torch.zeros(1, 2)])
    assert pack(packed, None) is packed


@pytest.mark.parametrize("kind", [list, tuple, torch.tensor, lambda values: torch.tensor(values, dtype=torch.int32)])
@lengths_of_many_kinds
def test_a_pack_has_the_steps_of_each_sequence_and_nothing_else(lengths: list[int], kind: type) -> None:
    x = numbered(len(lengths), 6, 2)
    packed = pack(x, kind(lengths))
    expected = pack_sequence([row[:length] for row, length in zip(x, lengths, strict=True)], enforce_sorted=False)
    for ours, theirs in zip(packed, expected, strict=True):
        assert torch.equal(ours, theirs)
    padded, steps = pad_packed_sequence(packed, batch_first=True, total_length=6)
    assert steps.tolist() == lengths
    assert torch.equal(padded, torch.where(torch.arange(6)[:, None] < torch.tensor(lengths)[:, None, None], x, 0))


@pytest.mark.parametrize(
    ("lengths", "shown"),
    [
        ([1, 2], r"the shape \(2,\) and the type torch.int64"),
        ([1, 2, 3, 4], r"the shape \(4,\) and the type torch.int64"),
        ([[1], [2], [3]], r"the shape \(3, 1\) and the type torch.int64"),
        (3, r"the shape \(\) and the type torch.int64"),
        ([1.0, 2.0, 3.0], r"the shape \(3,\) and the type torch.float32"),
        (torch.ones(3, dtype=torch.float64), r"the shape \(3,\) and the type torch.float64"),
        ([True, True, True], r"the shape \(3,\) and the type torch.bool"),
    ],
)
def test_lengths_that_are_not_a_whole_number_for_each_are_refused(lengths: list | Tensor, shown: str) -> None:
    message = f"lengths must be one whole number for each of the 3 sequences, but they have {shown}"
    with pytest.raises(ValueError, match=message):
        pack(torch.zeros(3, 4, 2), lengths)


@pytest.mark.parametrize(("lengths", "wrong"), [([4, 0, 2], 0), ([1, 5, 6], 5), ([-1, 4, 4], -1)])
def test_lengths_of_nothing_or_beyond_the_padding_are_refused(lengths: list[int], wrong: int) -> None:
    with pytest.raises(
        ValueError, match=f"lengths must be in 1 … 4, the steps of the padded input, but one is {wrong}"
    ):
        pack(torch.zeros(3, 4, 2), lengths)


def test_lengths_of_what_is_packed_already_are_refused() -> None:
    packed = pack_sequence([torch.zeros(3, 2), torch.zeros(1, 2)])
    with pytest.raises(ValueError, match="a PackedSequence has its own lengths: leave out the argument lengths"):
        pack(packed, [3, 1])


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("rest", [(), (4,), (2, 3)])
@lengths_of_many_kinds
def test_packing_again_puts_every_step_where_it_was(lengths: list[int], in_order: bool, rest: tuple) -> None:
    lengths = torch.tensor(sorted(lengths, reverse=True) if in_order else lengths)
    x = numbered(len(lengths), int(lengths.max()), 2)
    like = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=in_order)
    # The number of the sequence and of the step, in many columns: where one stands, the other must.
    values = numbered(*x.shape[:2], *rest)
    again = repack(values, lengths, like)
    assert torch.equal(again.batch_sizes, like.batch_sizes)
    assert again.sorted_indices is like.sorted_indices and again.unsorted_indices is like.unsorted_indices
    # x holds 2k − 1 and 2k where the other holds the numbers of its k-th step
    expected = values.flatten(0, 1)[(like.data[:, 1] / 2 - 1).long()]
    assert torch.equal(again.data, expected)
    again, ends = pad_packed_sequence(again, batch_first=True)
    assert torch.equal(ends, lengths)


def test_a_gradient_comes_back_from_a_pack_to_the_steps_that_are_in_it() -> None:
    x = torch.randn(3, 4, 2, requires_grad=True)
    lengths = torch.tensor([2, 4, 1])
    packed = pack(x, lengths)
    packed.data.sum().backward()
    inside = torch.tensor([[1.0, 1, 0, 0], [1, 1, 1, 1], [1, 0, 0, 0]])[:, :, None].expand(3, 4, 2)
    assert torch.equal(x.grad, inside)
    x.grad = None
    repack(3 * x, lengths, packed).data.sum().backward()
    assert torch.equal(x.grad, 3 * inside)
