"""Mean and standard deviation over repeats, and how they are written."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

ROUNDING = 1e-20  # what is left of an exact 0 in float64


@dataclass(frozen=True)
class Summary:
    """What is known of the repeats of an experiment.

    Args:
        mean: their mean.
        std: their standard deviation; None of a single one, or where not all are finite.
        count: how many there are.
    """

    mean: float
    std: float | None
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Summary":
        return cls(statistics.mean(values) if values else math.nan, spread_of(values), len(values))

    @property
    def text(self) -> str:
        """Mean ± standard deviation, to two digits of the latter; "–" where there are no values.

        Example:
            >>> Summary(0.8193, 0.0065, 100).text
            '0.8193 ± 0.0065'
        """
        mean, spread = self.mean, self.std or 0.0
        if not self.count:
            return "–"
        if not math.isfinite(mean):
            return "not finite"
        if max(abs(mean), spread) < ROUNDING:
            return "0"
        if spread < 1e-5 * abs(mean) or abs(mean) < 1e-3:
            return f"{mean:.4g} ± {spread:.1g}" if self.count > 1 else f"{mean:.4g}"
        digits = max(0, 1 - math.floor(math.log10(spread)))
        return f"{mean:.{digits}f} ± {spread:.{digits}f}"

    def text_with(self, digits: str) -> str:
        """Mean ± standard deviation in a format of one's own, such as ".4f"."""
        spread = "" if self.std is None else f" ± {self.std:{digits}}"
        return f"{self.mean:{digits}}{spread}"


def spread_of(values: Sequence[float]) -> float | None:
    """The standard deviation over repeats; None of a single one, or where not all are finite."""
    return statistics.stdev(values) if len(values) > 1 and all(map(math.isfinite, values)) else None
