"""Pooling written out: every window, and what is kept of it."""

import torch
from torch import Tensor

from theory.convolution import conv_output_shape

KINDS = ("max", "average")


def pool(maps: Tensor, kernel: int, stride: int | None = None, kind: str = "max") -> Tensor:
    r"""The largest or the average entry of every window of a map.

    "Gradient-based learning applied to document recognition" (LeCun et al., 1998), https://doi.org/10.1109/5.726791,
    for the average; "A guide to convolution arithmetic for deep learning" (Dumoulin and Visin, 2016),
    https://arxiv.org/abs/1603.07285, for the sizes.

        out_{ij} = max or mean of maps_{s·i + a, s·j + b} over 0 ≤ a, b < kernel

    Args:
        maps: one map, or several.
        kernel: side of a window, ≥ 1.
        stride: positions s between two windows, ≥ 1; ``kernel`` when None, so that windows do not overlap.
        kind: "max" or "average".

    Shapes:
        maps (…, H, W) -> (…, H′, W′) of ``conv_output_shape((H, W), kernel, stride)``, of floating point

    Raises:
        ValueError: when ``kind`` is another word, a number is below 1, or a window is larger than the maps.

    Example:
        >>> pool(torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]]), kernel=2, kind="average")
        tensor([[3.5000, 5.5000]])
    """
    if kind not in KINDS:
        raise ValueError(f'kind must be one of {", ".join(KINDS)}, but it is "{kind}".')
    if maps.dim() < 2:
        raise ValueError(f"maps must be (…, H, W), but their shape is {tuple(maps.shape)}.")
    stride = kernel if stride is None else stride
    conv_output_shape(tuple(maps.shape[-2:]), kernel, stride)  # refuses what does not fit
    maps = maps if maps.is_floating_point() else maps.to(torch.get_default_dtype())
    windows = maps.unfold(-2, kernel, stride).unfold(-2, kernel, stride).flatten(-2)  # (…, H′, W′, kernel²)
    return windows.amax(dim=-1) if kind == "max" else windows.mean(dim=-1)
