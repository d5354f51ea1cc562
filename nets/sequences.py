"""Batches of sequences of different lengths: their checks, and the way between padded and packed.

Letters: B batch, T time, I input size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

PAD_TOKEN = 0  # behind the end of a padded text; to a language model also its start and its end


def check_sequences(x: Tensor | PackedSequence, input_size: int) -> None:
    """Raise ValueError unless ``x`` holds sequences of ``input_size`` numbers a step.

    Shapes:
        x (B, T, I) or packed
    """
    values = x.data if isinstance(x, PackedSequence) else x
    if values.dim() != (2 if values is not x else 3) or values.shape[-1] != input_size:
        raise ValueError(
            f"the input must be (batch, time, {input_size}) or a PackedSequence of input_size={input_size} columns, "
            f"but it is {_describe(x)}."
        )
    if values.shape[-2] == 0:
        raise ValueError(f"a sequence must have at least one step, but the input is {_describe(x)}.")


def check_numbers(x: Tensor | PackedSequence) -> None:
    """Raise ValueError where an input is NaN; of packed sequences only what they hold counts, not their padding.

    Shapes:
        x (B, T, I) or packed
    """
    if not x.data.detach().sum().isnan():  # cheaper than a look at each of many numbers
        return
    padded = pad_packed_sequence(x, batch_first=True)[0] if isinstance(x, PackedSequence) else x
    places = padded.isnan().nonzero()
    if len(places):
        sample, step, column = places[0].tolist()
        raise ValueError(
            f"the input must be numbers, but {len(places)} of them are NaN, the first at sample {sample}, step {step}, "
            f"column {column} (counted from 0), in {_describe(x)}: correct or leave out these samples."
        )


def pack(x: Tensor | PackedSequence, lengths: Tensor | Sequence[int] | None) -> PackedSequence | None:
    """The packed form where sequences may differ in length, None where every one has T steps.

    Args:
        x: padded or packed sequences.
        lengths: steps of each sequence, in 1 … T; None where ``x`` is packed or all have T.

    Shapes:
        x (B, T, I), lengths (B,)

    Raises:
        ValueError: when the lengths are not B whole numbers in 1 … T, or belong to what is already packed.
    """
    if isinstance(x, PackedSequence):
        if lengths is not None:
            raise ValueError("a PackedSequence has its own lengths: leave out the argument lengths.")
        return x
    if lengths is None:
        return None
    lengths = torch.as_tensor(lengths).cpu()
    if lengths.shape != x.shape[:1] or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ValueError(
            f"lengths must be one whole number for each of the {len(x)} sequences, but they have the shape "
            f"{tuple(lengths.shape)} and the type {lengths.dtype}."
        )
    wrong = [length for length in lengths.tolist() if not 1 <= length <= x.shape[1]]
    if wrong:
        raise ValueError(f"lengths must be in 1 … {x.shape[1]}, the steps of the padded input, but one is {wrong[0]}.")
    return pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)


def repack(padded: Tensor, lengths: Tensor, like: PackedSequence) -> PackedSequence:
    """Pack sequences (B, T, …) in the very order of another pack of the same lengths.

    Shapes:
        padded (B, T, ...), lengths (B,) -> packed
    """
    if like.sorted_indices is not None:
        padded, lengths = padded[like.sorted_indices], lengths[like.sorted_indices.cpu()]
    data = pack_padded_sequence(padded, lengths, batch_first=True).data
    return PackedSequence(data, like.batch_sizes, like.sorted_indices, like.unsorted_indices)


def _describe(x: Tensor | PackedSequence) -> str:
    if isinstance(x, PackedSequence):
        return f"a PackedSequence of the shape {tuple(x.data.shape)}"
    return f"a tensor of the shape {tuple(x.shape)}"
