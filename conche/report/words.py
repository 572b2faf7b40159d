"""Numbers and findings in words."""

from __future__ import annotations

import math

from plant_model.replications import Row
from plant_model.statistics import ROUNDING


def shown(value: float) -> str:
    """A number with as many digits as one can use; n/a where there is none."""
    if math.isnan(value):
        return "n/a"
    if abs(value) < 0.1:  # noqa: PLR2004
        return f"{value:.2g}"
    if abs(value) >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"  # noqa: PLR2004


def plain(row: Row) -> str:
    """A difference to the base case as a sentence."""
    way = "rises" if row.difference.mean > 0.0 else "falls"
    by = f"{shown(abs(row.difference.mean))} ± {shown(row.difference.half_width)} {row.measure.unit}"
    return f"{row.measure.name} {way} by {by}, to {shown(row.value.mean)} {row.measure.unit}."


def change(row: Row) -> str:
    """The difference to the base case, with its sign."""
    mean = row.difference.mean
    return "0" if abs(mean) < ROUNDING else f"{'+' if mean > 0.0 else '-'}{shown(abs(mean))}"


def verdict(row: Row) -> str:
    """How a difference is to be taken: "better", "worse", "other", or "same" where it could be chance."""
    if not row.difference.significant:
        return "same"
    gain = row.difference.mean * row.measure.good
    return "better" if gain > 0.0 else "worse" if gain < 0.0 else "other"
