"""Whether two experiments differ by more than their seeds."""

import math
import statistics
from collections.abc import Sequence


def compare_means(name: str, values: Sequence[float], other_name: str, other: Sequence[float]) -> str:
    r"""A sentence on the difference of two means by Welch's test, which assumes no equal variances.

    "The generalization of 'Student's' problem when several different population variances are involved" (Welch, 1947),
    https://doi.org/10.1093/biomet/34.1-2.28: t = (x̄ − ȳ) / √(s_x²/n + s_y²/m).

    Args:
        name: what the first values are of.
        values: at least two results, one a seed.
        other_name: what the others are of.
        other: at least two results.
    """
    from scipy.stats import ttest_ind

    if not all(map(math.isfinite, [*values, *other])):
        return f"{name} − {other_name}: not all results are finite."
    difference = statistics.mean(values) - statistics.mean(other)
    what = f"{name} − {other_name}"
    if max(values) == min(values) and max(other) == min(other):
        return f"{what}: {_format_difference(difference, abs(difference))}; neither varies over its repeats."
    error = math.hypot(*(statistics.stdev(of) / math.sqrt(len(of)) for of in (values, other)))
    test = ttest_ind(values, other, equal_var=False)
    low, high = (_format_difference(bound, error) for bound in test.confidence_interval())
    p_value = "< 1e-15" if test.pvalue < 1e-15 else f"= {test.pvalue:.2g}"
    return (
        f"{what}: {_format_difference(difference, error)}, 95 % interval {low} to {high} "
        f"(Welch's t = {test.statistic:.1f}, p {p_value}, {len(values)} and {len(other)} repeats)."
    )


def _format_difference(value: float, error: float) -> str:
    """A value with three decimals, or to two digits of its standard error where that needs more."""
    return f"{round(value, 1 - math.floor(math.log10(error))):.10g}" if 0 < error < 1e-3 else f"{value:.3f}"
