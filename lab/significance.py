"""Whether two experiments differ by more than their seeds."""

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

    if max(values) == min(values) and max(other) == min(other):
        return f"{name} and {other_name} do not vary over their repeats."
    test = ttest_ind(values, other, equal_var=False)
    low, high = test.confidence_interval()
    p_value = f"= {test.pvalue:.2g}" if test.pvalue >= 1e-15 else "< 1e-15"
    return (
        f"{name} − {other_name}: {sum(values) / len(values) - sum(other) / len(other):.3f}, 95 % interval {low:.3f} to "
        f"{high:.3f} (Welch's t = {test.statistic:.1f}, p {p_value}, {len(values)} and {len(other)} repeats)."
    )
