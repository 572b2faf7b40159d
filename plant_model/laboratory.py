"""What the laboratory measures of each lot before it is packed, and what that says of machine (Cm) and process (Cp)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from plant_model.ledgers import Spread
from plant_model.schema import NotNegative, Problem

QUALITIES = ("BarWeight", "TemperIndex", "FinenessD90", "Moisture")
"""Measured: a bar in g, the temper index, D90 in um, % water."""
FEWEST = 10
"""Values below which nothing is said of their spread."""
MEAN_RANGE = 1.128
"""Mean distance of two normal values, by their standard deviation (d2 of control charts)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Specification of a quality: a limit that does not exist is left out."""

    low: float | None = None
    high: float | None = None
    sd: NotNegative = 0.0  # by which a sample differs from its lot

    def problems(self) -> Iterator[Problem]:
        """Say whether no value is good."""
        if self.low is None and self.high is None:
            yield Problem((), "must have low or high, or both")
        if self.low is not None and self.high is not None and self.low >= self.high:
            yield Problem(("high",), f"must be above low, {self.low:g}")


def check_quality(quality: Mapping[str, Limits]) -> Iterator[Problem]:
    """Say which qualities are not measured, or have no limits."""
    for name in quality.keys() - set(QUALITIES):
        yield Problem(("quality", name), f"is not measured; measured are {', '.join(QUALITIES)}")
    for name in QUALITIES:
        if name not in quality:
            yield Problem(("quality", name), "is missing: its limits")


def process_capability(limits: Limits, values: Spread, before: Spread) -> float:
    """Cp of the values since a mark: the limits by the whole spread. NaN while there are few."""
    count = values.number - before.number
    if count < FEWEST:
        return math.nan
    mean = (values.total - before.total) / count
    variance = ((values.squares - before.squares) - count * mean * mean) / (count - 1)
    return _capability(limits, mean, math.sqrt(max(variance, 0.0)))


def machine_capability(limits: Limits, values: Spread, before: Spread) -> float:
    """Cm of the values since a mark: the limits by the spread from one value to the next. NaN while there are few."""
    count = values.number - before.number
    if count < FEWEST:
        return math.nan
    mean = (values.total - before.total) / count
    return _capability(limits, mean, (values.moved - before.moved) / count / MEAN_RANGE)


def _capability(limits: Limits, mean: float, sd: float) -> float:
    """(USL - LSL) / 6 sigma; with one limit the distance of the mean from it / 3 sigma."""
    if sd <= 0.0:
        return math.nan
    if limits.low is not None and limits.high is not None:
        return (limits.high - limits.low) / (6.0 * sd)
    room = mean - limits.low if limits.low is not None else (limits.high or 0.0) - mean
    return room / (3.0 * sd)
