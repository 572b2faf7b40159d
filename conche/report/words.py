"""Numbers and findings in words."""

from __future__ import annotations

import math
import re

from plant_model.replications import Row
from plant_model.statistics import ROUNDING, Estimate

MINUS = "\N{MINUS SIGN}"
FINEST = 4
"""Decimals that are shown at most."""


def shown(value: float) -> str:
    """A number with as many digits as one can use; n/a where there is none."""
    if math.isnan(value):
        return "n/a"
    if abs(value) < ROUNDING:
        return "0"
    if abs(value) < 0.1:  # noqa: PLR2004
        return f"{value:.2g}"
    if abs(value) >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004


def decimals(half_width: float) -> int | None:
    """Decimals such that a half-width has two digits, negative for tens and more; None where it is no guide."""
    if not math.isfinite(half_width) or half_width < ROUNDING:
        return None
    return min(1 - math.floor(math.log10(half_width)), FINEST)


def rounded(value: float, places: int | None) -> str:
    """A number with these decimals."""
    if places is None or math.isnan(value):
        return shown(value)
    return f"{round(value, places):,.{max(places, 0)}f}"


def mean(one: Estimate) -> str:
    """A mean, no finer than its interval allows."""
    return rounded(one.mean, decimals(one.half_width))


def spread(one: Estimate) -> str:
    """The half-width of an interval with its sign; "" where there is none."""
    places = decimals(one.half_width)
    return "" if places is None else f"± {rounded(one.half_width, places)}"


def signed(one: Estimate) -> str:
    """A difference with its sign."""
    if math.isnan(one.mean) or abs(one.mean) < ROUNDING:
        return shown(one.mean)
    size = rounded(abs(one.mean), decimals(one.half_width))
    return f"{'+' if one.mean > 0.0 else MINUS}{size}"


def judged(row: Row) -> str:
    """A difference with its sign, in brackets where it could be chance; "" where there is none at all."""
    if row.difference == (0.0, 0.0) or math.isnan(row.difference.mean):
        return ""
    return signed(row.difference) if row.difference.significant else f"({signed(row.difference)})"


def plain(row: Row) -> str:
    """A difference to the base case as a sentence."""
    way = "rises" if row.difference.mean > 0.0 else "falls"
    size = row.difference._replace(mean=abs(row.difference.mean))
    by = " ".join(filter(None, (mean(size), spread(size), row.measure.unit)))
    return f"{row.measure.name} {way} by {by}, to {mean(row.value)}."


def verdict(row: Row) -> str:
    """How a difference is to be taken: "better", "worse", "other", or "same" where it could be chance."""
    if not row.difference.significant:
        return "same"
    gain = row.difference.mean * row.measure.good
    return "better" if gain > 0.0 else "worse" if gain < 0.0 else "other"


def spoken(name: str) -> str:
    """A name of the plant as one says it: CocoaButter is cocoa butter."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def headed(name: str) -> str:
    """A name of the plant as it begins a line: Cocoa butter."""
    return spoken(name).capitalize()


def duration(hours: float) -> str:
    """Hours, or days from two days on; never where there is no end."""
    if math.isinf(hours):
        return "never"
    return f"{hours:g} h" if hours < 48.0 else f"{hours / 24.0:.1f} d"  # noqa: PLR2004
