"""The state of a model in a search: nested tensors with a row for each sequence or hypothesis.

Letters: B batch, k beam width.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor


def expand_state(state: Any, rows: int, copies: int) -> Any:
    """The state with each row repeated, as many times as there are hypotheses of a sequence.

    Args:
        state: None, or tensors with B rows, nested in tuples, lists and dictionaries.
        rows: sequences B.
        copies: hypotheses k of each.

    Raises:
        ValueError: when a tensor has not B rows, or the state consists of anything else.
    """
    return _map_tensors(state, lambda part: _check_rows(part, rows).repeat_interleave(copies, dim=0))


def reorder_state(state: Any, rows: Tensor) -> Any:
    """The state of some hypotheses, in their order.

    Shapes:
        each tensor of the state (B·k, ...), rows (B·k,) -> (B·k, ...)
    """
    return _map_tensors(state, lambda part: part.index_select(0, rows))


def _map_tensors(state: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """The same nest of tuples, lists and dictionaries, each tensor replaced by what a function makes of it."""
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, dict):
        return {key: _map_tensors(part, function) for key, part in state.items()}
    if isinstance(state, tuple | list):
        parts = [_map_tensors(part, function) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    if state is None:
        return None
    raise ValueError(
        f"the state must consist of tensors in tuples, lists and dictionaries, but holds a {type(state).__name__}."
    )


def _check_rows(part: Tensor, rows: int) -> Tensor:
    if part.dim() == 0 or len(part) != rows:
        raise ValueError(
            f"each tensor of the state must have {rows} rows, one a sequence, but one has {tuple(part.shape)}."
        )
    return part
