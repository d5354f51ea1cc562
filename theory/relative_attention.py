"""Local operators written out as relative attention: what a layer could learn, by construction.

The attention is softmax_j(w_q x_i · w_k x_j + p_{i−j}) w_v x_j over a sequence of N numbers, p with an entry
N−1+(i−j) for each distance: ``nets.relative_attention(w_q * x, w_k * x, w_v * x, p)`` on sequences (..., N, 1).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class RelativeAttentionWeights(NamedTuple):
    """Three scalars, and the score of each distance, (2N−1,)."""

    w_q: float
    w_k: float
    w_v: float
    p: Tensor


def conv1d_as_relative_attention(
    kernel: Tensor | Sequence[float], length: int, tolerance: float = 1e-6
) -> RelativeAttentionWeights:
    r"""A convolution with a non-negative kernel as relative attention.

    "On the Relationship between Self-Attention and Convolutional Layers" (Cordonnier et al., 2020),
    https://arxiv.org/abs/1911.03584, for the idea. y_i = Σ_{t=−R..R} x_{i+t} kernel_{R+t}.
    w_q = w_k = 0, so that only the distance counts; p_{−t} = log kernel_{R+t}, and w_v = Σ kernel undoes the division
    by the sum. Where the kernel is zero p is log(ε), finite, with ε = tolerance · Σ kernel / (2N).

    Args:
        kernel: the 2R + 1 taps, each ≥ 0, not all 0.
        length: length N of the sequence, > R.
        tolerance: largest error away from the edges, in units of Σ kernel · max x, in (0, 1): a smaller one makes p
            sharper.

    Shapes:
        kernel (2R+1,) -> p (2N−1,)

    Raises:
        ValueError: when the kernel has an even number of taps, a negative one, no positive one, or one that is not
            finite; when ``length`` or ``tolerance`` is out of its range.

    Example:
        >>> found = conv1d_as_relative_attention([0.25, 0.5, 0.25], length=6)
        >>> found.p.shape
        torch.Size([11])
    """
    taps = torch.as_tensor(kernel, dtype=torch.get_default_dtype())
    if taps.dim() != 1 or len(taps) % 2 == 0:
        raise ValueError(f"kernel must be a row of an odd number of taps, but its shape is {tuple(taps.shape)}.")
    if not taps.isfinite().all() or (taps < 0).any():
        raise ValueError(
            f"kernel must be non-negative and finite, because attention weights are, but it is {taps.tolist()}."
        )
    if taps.sum() == 0:
        raise ValueError(f"kernel must have a positive tap, but it is {taps.tolist()}.")
    radius = len(taps) // 2
    _check(length, radius, tolerance)
    total = float(taps.sum())
    least = tolerance * total / (2 * length)
    p = torch.full((2 * length - 1,), least, dtype=taps.dtype)
    p[length - 1 - radius : length + radius] = taps.flip(0).clamp(min=least)  # the tap of x_{i+t} has i − j = −t
    return RelativeAttentionWeights(0.0, 0.0, total, p.log())


def max_pool_as_relative_attention(
    k: int, length: int, tolerance: float = 1e-4, smallest_input: float = 0.1
) -> RelativeAttentionWeights:
    r"""A max-pool of width 2k + 1 and stride 1 over positive inputs as relative attention.

    y_i = max_{|t| ≤ k} x_{i+t}. w_q = w_k = √β, so that the score β x_i x_j grows with x_j; p is 0 within the window
    and −∞ beyond it; w_v = 1. An input that is smaller than the largest one by δ has at most the weight exp(−β x_i δ),
    and adds at most δ exp(−β x_i δ) ≤ 1/(e β x_i) to the error: β = 2k/(e · smallest_input · tolerance). A query of 0
    scores all keys alike: there the output is the mean of the window, and no w_q, w_k and p can do better.

    Args:
        k: half of the window, in 0 … length − 1.
        length: length N of the sequence, ≥ 1.
        tolerance: largest error away from the edges, in (0, 1): a smaller one makes the scores sharper.
        smallest_input: smallest x that must be within the tolerance, > 0.

    Shapes:
        p (2N−1,)

    Raises:
        ValueError: when an argument is out of its range.

    Example:
        >>> max_pool_as_relative_attention(k=1, length=6).p.shape
        torch.Size([11])
    """
    if k < 0:
        raise ValueError(f"k must be at least 0, but it is {k}.")
    if not smallest_input > 0:
        raise ValueError(f"smallest_input must be positive, but it is {smallest_input}.")
    _check(length, k, tolerance)
    sharpness = math.sqrt(2 * k / (math.e * smallest_input * tolerance))
    p = torch.full((2 * length - 1,), float("-inf"))
    p[length - 1 - k : length + k] = 0.0
    return RelativeAttentionWeights(sharpness, sharpness, 1.0, p)


def _check(length: int, radius: int, tolerance: float) -> None:
    if length <= radius:
        raise ValueError(f"length must be more than {radius}, the reach of the operator, but it is {length}.")
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must be in (0, 1), but it is {tolerance}.")
