"""What a checkpoint holds loads again without anything being unpickled."""

import io
from collections import Counter, OrderedDict
from enum import IntEnum
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lit_models.plain_values import plain, unloadable


class Level(IntEnum):
    """A number with a name."""

    HIGH = 3


NUMBERS = {
    "float64": (np.float64(0.1), 0.1),
    "float32": (np.float32(0.5), 0.5),
    "longdouble": (np.longdouble(0.5), 0.5),
    "int64": (np.int64(7), 7),
    "bool": (np.bool_(True), True),
    "complex": (np.complex128(1j), 1j),
    "text": (np.str_("a"), "a"),
    "0-d array": (np.array(0.1), 0.1),
    "array": (np.arange(3), [0, 1, 2]),
    "enum": (Level.HIGH, 3),
    "nested": ({"betas": (np.float64(0.9), [np.float32(0.5)])}, {"betas": (0.9, [0.5])}),
    "keys": (Counter({np.int64(3): 1}), Counter({3: 1})),
    "order": (OrderedDict(b=np.int8(1), a=None), OrderedDict(b=1, a=None)),
    "set": ({np.int64(2)}, {2}),
}


def kinds(value: Any) -> Any:
    """The types in a value, all the way down."""
    if isinstance(value, dict):
        return type(value), [(kinds(key), kinds(item)) for key, item in value.items()]
    return (type(value), list(map(kinds, value))) if isinstance(value, list | tuple | set) else type(value)


@pytest.mark.parametrize(("value", "expected"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_are_pythons(value: Any, expected: Any) -> None:
    assert unloadable(value) and not unloadable(expected)
    assert plain(value) == expected and kinds(plain(value)) == kinds(expected)


def test_what_is_no_number_stays_and_is_told() -> None:
    kept = [Path("a"), nn.Identity(), int, partial(int), Fraction(1, 2), lambda: None]
    assert all(one is other for one, other in zip(plain(kept), kept, strict=True))
    kept.append(np.datetime64("2020-01-01"))
    told = [unloadable({"deep": (1, [value])}) for value in kept]
    assert told == [type(Path()).__name__, "Identity", "type", "partial", "Fraction", "function", "datetime64"]


@pytest.mark.parametrize("value", [torch.ones(2), nn.Parameter(torch.ones(())), torch.Size([2]), torch.float64, b"a"])
def test_what_torch_loads_is_left_alone(value: Any) -> None:
    assert plain(value) is value and unloadable(value) is None


def test_what_is_called_loadable_is_loaded() -> None:
    values: list[Any] = [expected for _, expected in NUMBERS.values()]
    values += [torch.ones(2), nn.Parameter(torch.ones(())), torch.Size([2]), torch.float64, torch.device("cpu"), b"a"]
    file = io.BytesIO()
    torch.save(values, file)
    file.seek(0)
    assert kinds(torch.load(file, weights_only=True)) == kinds(values)
