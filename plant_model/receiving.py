"""What comes of an order: how long it takes, how much comes, in what quality, and whether it is taken."""

from __future__ import annotations

from typing import NamedTuple

from numpy.random import Generator

from plant_model.business import Supplier
from plant_model.equipment import CleaningSpec
from plant_model.randomness import exponential, gamma
from plant_model.spec import Storage

DAY = 86400.0
DRAWS = 100
"""A delivery later than that many draws is expected within a day."""
SHORTEST = 0.5
"""A short delivery brings from this share up to all of what was ordered, EST."""


class Quality(NamedTuple):
    """Of a delivery: water and foreign matter in %."""

    moisture: float
    foreign: float


def lead_time(stream: Generator, supplier: Supplier) -> float:
    """Seconds from order to arrival: gamma, and now and then a delay on top."""
    lead = gamma(stream, supplier.lead_d * DAY, supplier.lead_cv)
    if stream.random() < supplier.late_share:
        lead += exponential(stream, supplier.late_d * DAY)
    return lead


def time_left(stream: Generator, supplier: Supplier, passed: float) -> float:
    """Seconds until a delivery arrives that is not here yet: drawn until one is longer than what has passed."""
    for _ in range(DRAWS):
        left = lead_time(stream, supplier) - passed
        if left > 0.0:
            return left
    return DAY


def share_that_comes(stream: Generator, supplier: Supplier) -> float:
    """1 for a whole delivery, less for a short one."""
    short, share = stream.random() < supplier.short_share, float(stream.random())
    return SHORTEST + (1.0 - SHORTEST) * share if short else 1.0


def quality(stream: Generator, supplier: Supplier, cleaning: CleaningSpec) -> Quality:
    """Of the material as the supplier sends it; foreign matter is that of cocoa beans."""
    moisture = supplier.moisture_percent + supplier.moisture_sd * stream.standard_normal()
    foreign = cleaning.foreign_percent + cleaning.foreign_sd * stream.standard_normal()
    return Quality(max(float(moisture), 0.0), max(float(foreign), 0.0) * supplier.foreign_factor)


def objection(stream: Generator, supplier: Supplier, storage: Storage, found: Quality) -> str:
    """Why receiving inspection sends a delivery back, "" when it takes it."""
    refused = stream.random() < supplier.reject_share
    if found.moisture > storage.moisture_limit_percent:
        return f"{found.moisture:.1f} % water, {storage.moisture_limit_percent:g} % allowed"
    return "quality" if refused else ""
