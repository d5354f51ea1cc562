"""Sizes and parameters of convolutions against torch's layers and worked cases, and the handout's pooling examples."""

import random
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from theory import conv_output_shape, conv_parameter_count

LAYERS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def test_the_handouts_worked_cases() -> None:
    assert conv_output_shape(200, 4, stride=2) == (99,) and conv_parameter_count(1, 8, 4) == 40
    assert conv_output_shape((28, 28), (4, 4), stride=2) == (13, 13) and conv_parameter_count(3, 8, (4, 4)) == 392


@pytest.mark.parametrize("seed", range(40))
def test_sizes_and_parameters_are_those_of_torchs_layers(seed: int) -> None:
    rng = random.Random(seed)
    dimensions, channels, filters, bias = rng.randint(1, 3), rng.randint(1, 4), rng.randint(1, 4), rng.random() < 0.5
    kernel, stride, dilation = (tuple(rng.randint(1, 3) for _ in range(dimensions)) for _ in range(3))
    padding = tuple(rng.randint(0, 2) for _ in range(dimensions))
    size = tuple(gap * (taps - 1) + 1 + rng.randint(0, 5) for taps, gap in zip(kernel, dilation, strict=True))
    layer = LAYERS[dimensions](channels, filters, kernel, stride, padding, dilation, bias=bias)
    out = layer(torch.zeros(1, channels, *size))
    assert conv_output_shape(size, kernel, stride, padding, dilation) == tuple(out.shape[2:])
    learnt = sum(parameter.numel() for parameter in layer.parameters())
    assert conv_parameter_count(channels, filters, kernel, bias) == learnt


def test_one_number_stands_for_all_dimensions() -> None:
    assert conv_output_shape((9, 7), 3, 2, 1, 1) == conv_output_shape((9, 7), (3, 3), (2, 2), (1, 1), (1, 1)) == (5, 4)


POOLED = {  # of 3×3 windows with stride 2: the average times 9, and the largest
    "11101/10101/11101/00001/11111": ([[8, 6], [6, 6]], [[1, 1], [1, 1]]),
    "00000/01110/01010/01110/00000": ([[3, 3], [3, 3]], [[1, 1], [1, 1]]),
}


@pytest.mark.parametrize(("rows", "expected"), POOLED.items(), ids=list(POOLED))
def test_the_handouts_pooling_examples(rows: str, expected: tuple[list[list[int]], list[list[int]]]) -> None:
    image = torch.tensor([[float(digit) for digit in row] for row in rows.split("/")])[None, None]
    assert conv_output_shape((5, 5), 3, stride=2) == (2, 2)
    for first in (0, 2):  # by hand: the windows begin at rows and columns 0 and 2
        for second in (0, 2):
            window = image[0, 0, first : first + 3, second : second + 3]
            assert int(window.sum()) == expected[0][first // 2][second // 2]
    assert torch.equal(F.avg_pool2d(image, 3, 2) * 9, torch.tensor(expected[0])[None, None].float())
    assert torch.equal(F.max_pool2d(image, 3, 2), torch.tensor(expected[1])[None, None].float())


ERRORS = {
    r"stride must be at least 1, but it is 0\.": lambda: conv_output_shape(5, 3, stride=0),
    r"padding must be at least 0, but it is -1\.": lambda: conv_output_shape(5, 3, padding=-1),
    r"kernel must be one number or 1, as input_size has, but it is \(3, 3\)\.": lambda: conv_output_shape(5, (3, 3)),
    r"a filter that spans 5 positions does not fit in 4: make kernel": lambda: conv_output_shape(4, 3, dilation=2),
    r"input_size must be at least 1, but it is \(\)\.": lambda: conv_output_shape((), 3),
    r"out_channels must be at least 1, but it is 0\.": lambda: conv_parameter_count(3, 0, 3),
    r"kernel must be at least 1, but it is 0\.": lambda: conv_parameter_count(3, 8, (3, 0)),
}


@pytest.mark.parametrize(("message", "call"), ERRORS.items(), ids=list(ERRORS))
def test_mistakes_are_named(message: str, call: Any) -> None:
    with pytest.raises(ValueError, match=message):
        call()
