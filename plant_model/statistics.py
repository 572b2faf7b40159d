"""What replications can say: means with confidence intervals (Student t), paired differences, quantile bands."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

NORMAL_FROM = 2000
"""Degrees of freedom from which Student's t is taken as normal: they differ by less than 0.1 % there."""

ROUNDING = 1e-12
"""A difference below it is none."""


class Estimate(NamedTuple):
    """A mean and the half-width of its confidence interval; NaN where there are too few values."""

    mean: float
    half_width: float

    @property
    def significant(self) -> bool:
        """Whether the interval leaves zero out; rounding is no difference."""
        return abs(self.mean) > max(self.half_width, ROUNDING)


class Band(NamedTuple):
    """The quantiles that a planner works with: act on P10, plan on P50."""

    p10: float
    p50: float
    p90: float


def estimate(values: Sequence[float], confidence: float) -> Estimate:
    """The mean of independent values, of which the interval holds the true one with this confidence (0 … 1)."""
    if not values or any(map(math.isnan, values)):
        return Estimate(math.nan, math.nan)
    mean = statistics.fmean(values)
    if len(values) == 1:
        return Estimate(mean, math.nan)
    error = statistics.stdev(values, mean) / math.sqrt(len(values))
    return Estimate(mean, error * student(len(values) - 1, confidence))


def paired(values: Sequence[float], base: Sequence[float], confidence: float) -> Estimate:
    """By how much the values are above those of the base, drawn with the same random numbers pair by pair."""
    return estimate([value - other for value, other in zip(values, base, strict=True)], confidence)


@cache
def student(degrees: int, confidence: float) -> float:
    """The t of which Student's distribution has this share between -t and t."""
    if degrees >= NORMAL_FROM:
        return statistics.NormalDist().inv_cdf((1.0 + confidence) / 2.0)
    low, high = 0.0, 1.0
    while within(high, degrees) < confidence:
        low, high = high, 2.0 * high
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if within(middle, degrees) < confidence else (low, middle)
    return high


def within(t: float, degrees: int) -> float:
    """The share of Student's distribution between -t and t (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(t / math.sqrt(degrees))
    cosine, odd = math.cos(angle), degrees % 2
    term = total = cosine if odd else 1.0
    for k in range(2 + odd, degrees - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    if not odd:
        return math.sin(angle) * total
    return 2.0 / math.pi * (angle + (math.sin(angle) * total if degrees > 1 else 0.0))


def band(values: Sequence[float]) -> Band:
    """Quantiles of a sample such that the next value falls below each with exactly its probability (Weibull's rule).

    It takes 9 values at least: with fewer nobody knows P10 and P90.
    """
    low, middle, high = np.quantile(np.asarray(values, np.float64), (0.1, 0.5, 0.9), method="weibull")
    return Band(float(low), float(middle), float(high))


def ranked_band(values: Sequence[float]) -> Band:
    """Quantiles by rank alone, for values that may be infinite; the same as `band` where it hits a value."""
    ordered = sorted(values)
    low, middle, high = (ordered[max(math.floor(share * (len(ordered) + 1)) - 1, 0)] for share in (0.1, 0.5, 0.9))
    return Band(low, middle, high)
