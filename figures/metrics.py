"""Metrics as drawings take them: numbers over the optimizer step."""

from collections.abc import Mapping, Sequence

Metrics = Mapping[str, tuple[list[int], list[float]]]  # by name: the optimizer steps and the values there
Curve = tuple[Sequence[float], Sequence[float]]  # the horizontal and the vertical coordinates
