"""Quantiles: what is said of many values at once."""

import math
from collections.abc import Sequence
from statistics import median


def ratio(values: Sequence[float], others: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of what the values are to the others, round by round."""
    found = [value / other for value, other in zip(values, others, strict=True)]
    return percentile(found, 25), median(found), percentile(found, 75)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of the values that so many percent of them, or more, do not exceed (nearest rank)."""
    return sorted(values)[max(math.ceil(len(values) * percent / 100), 1) - 1]
