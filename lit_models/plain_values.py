"""What a checkpoint may hold: numbers, strings and tensors, which load without anything being unpickled."""

from collections import Counter, OrderedDict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

SCALARS = (int, float, bool, str, type(None), complex, bytes)
MAPPINGS = (dict, OrderedDict, Counter)
SEQUENCES = (list, tuple, set)
TENSORS = (Tensor, nn.Parameter, torch.Size, torch.dtype, torch.device)


def plain(value: Any) -> Any:
    """A value with the numbers and arrays of NumPy as Python's, all the way down; whatever else is in it stays.

    ``torch.load`` with ``weights_only=True`` loads no number of NumPy's, not even ``np.float64``, which is a float.

    Args:
        value: anything; containers are copied.
    """
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind in MAPPINGS:
        return kind({plain(key): plain(item) for key, item in value.items()})
    if kind in SEQUENCES:
        return kind(map(plain, value))
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    for base in (int, float, str):  # such as an IntEnum; of a longdouble the item is itself, but a floating number
        if isinstance(value, base) or (base is float and isinstance(value, np.floating)):
            return value if type(value) in SCALARS else base.__str__(value) if base is str else base(value)
    return value


def unloadable(value: Any) -> str | None:
    """The type of the first thing in a value that could not be loaded as mere data, or None."""
    kind = type(value)
    if kind in SCALARS or kind in TENSORS:
        return None
    if kind in MAPPINGS:
        return next(filter(None, map(unloadable, [*value.keys(), *value.values()])), None)
    if kind in SEQUENCES:
        return next(filter(None, map(unloadable, value)), None)
    return kind.__name__
